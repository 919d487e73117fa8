"""Formulas of the search over agent designs: fronts, parents' chances, numbers of trials, edge gradients.

AFlow's mixture of parents stands with the other selection scores (`aflow_mixture`). Scores come in as numbers, one an
example, and nothing here knows what a design is. Randomness comes from the `random.Random` given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from reflectree.rlm_ops.errors import BadInput

TOLERANCE = 1e-9


def pareto_counts(scores: Sequence[Sequence[float]]) -> list[int]:
    """GEPA: how many examples each candidate leads, once dominated candidates are gone (arXiv 2507.19457, alg. 2).

    A candidate is dominated if on every example that it leads another candidate that stays leads too; the weakest are
    looked at first. An example that nobody solves counts like any other.

    Args:
        scores: One row a candidate, one score an example.

    Returns:
        One count a candidate: 0 for those that are not on the front or dominated. A parent is drawn in proportion.

    Raises:
        BadInput: Rows of different lengths.
    """
    if len({len(row) for row in scores}) > 1:
        raise BadInput("a front needs the same examples for every candidate: the rows differ in length")
    if not scores:
        return []
    best = [max(column) for column in zip(*scores, strict=True)]
    leads = [{i for i, top in enumerate(best) if row[i] >= top - TOLERANCE} for row in scores]
    stays = {candidate for candidate, led in enumerate(leads) if led}
    for candidate in sorted(stays, key=lambda c: (sum(scores[c]), -c)):
        others = set().union(*(leads[other] for other in stays if other != candidate))
        if leads[candidate] <= others:
            stays.remove(candidate)
    return [len(led) if candidate in stays else 0 for candidate, led in enumerate(leads)]


def draw_one(weights: Sequence[float], rng: Random) -> int:
    """An index with a chance in proportion to its weight; all alike where no weight is above 0.

    Raises:
        BadInput: No weights.
    """
    if not weights:
        raise BadInput("nothing to draw from")
    total = math.fsum(weights)
    if total <= 0:
        return rng.randrange(len(weights))
    return rng.choices(range(len(weights)), weights)[0]


def mipro_trials(candidates: int, predictors: int, *, few_shot: bool) -> int:
    """MIPROv2: how many combinations to try, `floor(max(2 V log2 n, 1.5 n))` (DSPy's automatic setting).

    Args:
        candidates: n, the candidates of each variable.
        predictors: Prompts that are optimised; V is twice that where demonstrations are chosen, too.
        few_shot: Whether demonstrations are chosen.

    Raises:
        BadInput: Less than one candidate or predictor.
    """
    if candidates < 1 or predictors < 1:
        raise BadInput(f"trials need at least one candidate and one predictor, got {candidates} and {predictors}")
    variables = predictors * (2 if few_shot else 1)
    return max(1, math.floor(max(2 * variables * math.log2(candidates), 1.5 * candidates)))


def tpe_weights(choices: Sequence[int], scores: Sequence[float], options: int, good: float = 0.25) -> list[float]:
    """What a tree-structured Parzen estimator thinks of the options of one variable: `l(x) / g(x)` (Bergstra 2011).

    `l` are the shares of the options among the best `good` of the trials, `g` among the others, with one count each
    added.

    Args:
        choices: The option each trial took.
        scores: The score of each trial.
        options: How many options there are.
        good: Share of the trials that count as good, at least one of them.
    """
    if len(choices) != len(scores):
        raise BadInput(f"one score a trial: got {len(scores)} for {len(choices)} trials")
    order = sorted(range(len(scores)), key=lambda trial: (-scores[trial], trial))
    best = set(order[: max(1, math.ceil(good * len(order)))]) if order else set()
    of_best, of_rest = [1.0] * options, [1.0] * options
    for trial, option in enumerate(choices):
        (of_best if trial in best else of_rest)[option] += 1.0
    all_best, all_rest = sum(of_best), sum(of_rest)
    return [(a / all_best) / (b / all_rest) for a, b in zip(of_best, of_rest, strict=True)]


def sigmoid(logit: float) -> float:
    """The probability of a logit, in (0, 1)."""
    return 1.0 / (1.0 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1.0 + math.exp(logit))


def edge_gradient(probability: float, taken: bool, advantage: float = 1.0) -> float:
    """GPTSwarm: `advantage * d log p / d logit` of one edge, `taken - p` (arXiv 2402.16823, eq. 4)."""
    return advantage * (float(taken) - probability)


Sampled = tuple[Sequence[bool | None], float]
"""A sampled graph: for each possible edge whether it was taken (`None`: it could not be, as it closed a cycle), and
the graph's utility."""


@dataclass(slots=True)
class EdgeLogits:
    """REINFORCE over independent edges, with Adam and a moving-average baseline (GPTSwarm's edge optimiser).

    Attributes:
        logits: One an edge; 0 is a chance of one half.
        rate: Adam's step size.
        decay: Share of the old baseline that stays after a batch; `None` has no baseline.
        baseline: The moving average of utilities.
    """

    logits: list[float]
    rate: float = 0.1
    decay: float | None = 0.9
    baseline: float | None = None
    steps: int = 0
    _first: list[float] = field(default_factory=list)
    _second: list[float] = field(default_factory=list)

    @property
    def probabilities(self) -> list[float]:
        """The chance of each edge."""
        return [sigmoid(logit) for logit in self.logits]

    def learn(self, batch: Sequence[Sampled]) -> None:
        """One step up the mean gradient of a batch; an empty one changes nothing."""
        if not batch:
            return
        mean = math.fsum(utility for _, utility in batch) / len(batch)
        if self.decay is None:
            baseline = 0.0
        else:
            baseline = mean if self.baseline is None else self.baseline
            self.baseline = self.decay * baseline + (1.0 - self.decay) * mean
        chances = self.probabilities
        gradient = [0.0] * len(self.logits)
        for edges, utility in batch:
            for edge, taken in enumerate(edges):
                if taken is not None:
                    gradient[edge] += edge_gradient(chances[edge], taken, utility - baseline) / len(batch)
        self._adam(gradient)

    def _adam(self, gradient: Sequence[float]) -> None:
        """Adam's step (Kingma and Ba 2015), upwards."""
        self._first = self._first or [0.0] * len(self.logits)
        self._second = self._second or [0.0] * len(self.logits)
        self.steps += 1
        for edge, slope in enumerate(gradient):
            self._first[edge] = 0.9 * self._first[edge] + 0.1 * slope
            self._second[edge] = 0.999 * self._second[edge] + 0.001 * slope * slope
            first = self._first[edge] / (1.0 - 0.9**self.steps)
            second = self._second[edge] / (1.0 - 0.999**self.steps)
            self.logits[edge] += self.rate * first / (math.sqrt(second) + 1e-8)
