"""`reaction/3`: conditions of a simulated reaction, to be found with a budget of experiments.

As an environment: each `run {...}` is an experiment and shows its measured yield, which is no gold; gold is how near
the best experiment came to the surface's summit, and stands in the report only. As a problem of discovery
(`reaction_problem`): the same surface, measured by an evaluator, beside Bayesian optimisation at equal experiments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from random import Random
from typing import Any

from reflectree.agents.evaluators.base import Score, ScoreError
from reflectree.graphs.discovery.base import Measured, Sense, set_all
from reflectree.graphs.embodied.episodes import Episode, number
from reflectree.graphs.embodied.reaction_baselines import bayesian, best_so_far
from reflectree.graphs.embodied.reaction_surface import (
    CHOICES,
    EXAMPLE,
    RANGES,
    Conditions,
    ConditionsError,
    Surface,
    normalised_advantage,
)
from reflectree.rlm_ops.environment import MakeEnvironment, Observation
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

EXPERIMENTS = 20
"""Experiments of an episode, where the name gives no number."""
STOP = "stop"
_SEARCH_CEILING = 0.999
"""A measured yield never says that nothing can be better."""

CONDITIONS = (
    " ".join(f"{name}: one of {', '.join(known)}." for name, known in CHOICES.items())
    + f" temperature: {RANGES['temperature'][0]:g} to {RANGES['temperature'][1]:g} degrees Celsius."
    + f" time: {RANGES['time'][0]:g} to {RANGES['time'][1]:g} hours."
    + f" equivalents of the base: {RANGES['equivalents'][0]:g} to {RANGES['equivalents'][1]:g}."
)
"""What can be set, in words."""


class Reaction(Episode):
    """A laboratory with one reaction and so many experiments. A state is what was run so far."""

    def __init__(self, seed: int, experiments: int = EXPERIMENTS) -> None:
        self.surface, self._experiments = Surface(seed), experiments
        name = f"reaction/{seed}" + ("" if experiments == EXPERIMENTS else f"/{experiments}")
        goal = f"Find conditions under which the coupling reaction yields most. You have {experiments} experiments."
        hints = f"Commands: run CONDITIONS, {STOP}. {CONDITIONS} Conditions are one JSON object: run {EXAMPLE}"
        super().__init__(name, Task(goal, context=hints, id=name))
        self._run: tuple[Conditions, ...] = ()

    def expert(self) -> tuple[str, ...]:
        """Straight to the summit, which only the surface knows."""
        return f"run {self.surface.best}", STOP

    def _begin(self) -> Observation:
        self._run = ()
        return self._observed(f"The apparatus is ready. Experiments left: {self._experiments}.")

    def _carry_out(self, command: str) -> Observation:
        verb, _, rest = command.partition(" ")
        if verb.lower() == STOP and not rest:
            return self._observed("The optimisation is over.", done=True)
        if verb.lower() != "run":
            return self._not_understood(f"No such command: {verb!r}. Give `run` with conditions, or `{STOP}`.")
        try:
            conditions = Conditions.read(rest)
        except ConditionsError as error:
            return self._not_understood(f"The experiment was not run: {error}.")
        self._run = (*self._run, conditions)
        left = self._experiments - len(self._run)
        return self._observed(f"Yield: {self.surface.measured(conditions)} %. Experiments left: {left}.", left == 0)

    def _observed(self, text: str, done: bool = False) -> Observation:
        return Observation(text, done, () if done else (f"run {EXAMPLE}", STOP), self._score())

    def _score(self) -> float:
        """The normalised advantage of what measured best; gold, for it is taken without noise."""
        if not self._run:
            return 0.0
        best = max(self._run, key=self.surface.measured)
        return max(0.0, min(1.0, self.surface.advantage(best)))

    def _keep(self) -> tuple[Conditions, ...]:
        return self._run

    def _return_to(self, world: tuple[Conditions, ...]) -> None:
        self._run = world


def environment(rest: str) -> MakeEnvironment:
    """What makes `reaction/REST`: a seed, and perhaps a slash and how many experiments there are.

    Raises:
        BadInput: They are no such numbers.
    """
    seed, _, experiments = rest.partition("/")
    at = number(seed, "the seed", f"reaction/{rest}")
    many = number(experiments, "the number of experiments", f"reaction/{rest}") if experiments else EXPERIMENTS
    if many < 1:
        raise BadInput(f"reaction/{rest}: give at least 1 experiment")
    return partial(Reaction, at, many)


@dataclass(frozen=True, slots=True)
class ReactionProblem(Measured):
    """The same surface as a problem of discovery: candidates are conditions as JSON, their objective is the yield."""

    seed: int = 0
    name: str = field(init=False)
    task: Task = field(init=False)
    surface: Surface = field(init=False, repr=False, compare=False)
    sense: Sense = field(default="max", init=False)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise BadInput(f"reaction/{self.seed}: a seed is at least 0")
        name = f"reaction/{self.seed}"
        question = (
            "Find conditions under which a coupling reaction yields most. Only the yields of the conditions that were "
            f"tried are known, in percent; a higher one is better. {CONDITIONS} Propose conditions that have not been "
            f"tried. The answer is one JSON object on one line, for example: {EXAMPLE}"
        )
        set_all(self, name=name, task=Task(question, id=name), surface=Surface(self.seed))

    def measure(self, candidate: str) -> Score:
        """The measured yield of conditions.

        Raises:
            ScoreError: They are none.
        """
        measured = self.surface.measured(_read(candidate))
        return Score(min(_SEARCH_CEILING, measured / 100), f"yield {measured} %", scores=(measured,))

    def report(self, answer: str) -> dict[str, Any]:
        """The yield without noise, beside the highest there is, and the normalised advantage."""
        at, surface = _read(answer), self.surface
        true, mean, highest = surface.true(at), surface.mean, surface.highest
        return {
            "yield": true,
            "mean": mean,
            "highest": highest,
            "advantage": normalised_advantage(true, mean, highest),
        }

    def classical(self, evaluations: int, seed: int) -> list[float]:
        """Bayesian optimisation (scikit-optimize): the best measured yield after each experiment."""
        return best_so_far(self.surface, bayesian(self.surface, evaluations, seed))

    def draw(self, rng: Random) -> str:
        """Random conditions."""
        return str(Conditions.drawn(rng))

    def vary(self, shown: Sequence[str], rng: Random) -> str:
        """The best conditions shown, with one or two of them changed: a choice anew, a setting by some steps."""
        try:
            data: dict[str, Any] = asdict(_read(shown[-1]))
        except (IndexError, ScoreError):
            return self.draw(rng)
        for name in rng.sample([*CHOICES, *RANGES], rng.choice((1, 2))):
            if name in CHOICES:
                data[name] = rng.choice(CHOICES[name])
            else:
                least, most, _ = RANGES[name]
                data[name] = min(most, max(least, rng.gauss(data[name], 0.15 * (most - least))))
        return str(Conditions.of(data))


def reaction_problem(seed: int = 0) -> ReactionProblem:
    """The problem `reaction/SEED`."""
    return ReactionProblem(seed)


def _read(candidate: str) -> Conditions:
    try:
        return Conditions.read(candidate)
    except ConditionsError as error:
        raise ScoreError(str(error)) from error
