"""What a problem of discovery is: a question without a gold answer, and a measurement of candidates outside the model.

A problem is an evaluator, so that a search over candidates is a run like any other: its trace holds every candidate
with its raw numbers. A candidate that cannot be measured is a failed evaluation, never a bad one. Nothing here knows
how candidates are proposed.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import Any, Literal, Protocol, runtime_checkable

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Evaluator, Score, ScoreError
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.sandbox import available
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Task

Sense = Literal["min", "max"]
"""Whether a smaller or a larger objective is better."""

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
"""A decimal number in a candidate, as a pattern."""
LONGEST = 20_000
"""Characters a candidate may have."""


@runtime_checkable
class Problem(Evaluator, Protocol):
    """A problem of discovery. It is the evaluator of its own runs.

    `Score.scores` holds what was measured, in units of the problem: the objective itself, or one number a test, of
    which the objective is the mean. `Score.value` is a squashed form in [0, 1] by which search ranks candidates:
    monotone in the objective where that is one number; 1.0 only where no candidate can be better, for it ends a run.
    """

    @property
    def name(self) -> str:
        """The name under which `problem(name)` makes it again."""
        ...

    @property
    def task(self) -> Task:
        """The question as a model sees it, with no gold answer."""
        ...

    @property
    def sense(self) -> Sense:
        """Whether a smaller or a larger objective is better."""
        ...

    def measure(self, candidate: str) -> Score:
        """Measure a candidate, waiting for it.

        Raises:
            ScoreError: It is not valid, or its measurement failed.
        """
        ...

    def report(self, answer: str) -> dict[str, Any]:
        """Held-out figures of a candidate, as JSON data, for the final report: search never sees them.

        Raises:
            ScoreError: As `measure`.
        """
        ...

    def classical(self, evaluations: int, seed: int) -> list[float]:
        """The best objective after each evaluation of the classical method; `inf` or `-inf` before the first one."""
        ...


@runtime_checkable
class Sampled(Protocol):
    """A problem that can draw candidates by itself: what random search and scripted proposers need."""

    def draw(self, rng: Random) -> str:
        """A random candidate."""
        ...

    def vary(self, shown: Sequence[str], rng: Random) -> str:
        """A candidate near those shown, of which the last is the best."""
        ...


class Measured(ABC):
    """A problem that measures at once: what the protocol of evaluators wants, from `measure`."""

    sense: Sense = "min"
    source: str = "problem"
    local: bool = True
    sandboxed: bool = False
    """Whether it runs programs."""
    needs: str = ""
    """A module that measuring needs, of the extra `discovery`."""
    blueprint: str = "opro"
    """The reasoning system that suits the problem."""

    @abstractmethod
    def measure(self, candidate: str) -> Score:
        """See `Problem.measure`."""

    def score_now(self, path: Path) -> Score:
        """Measure the path's answer."""
        return checked(self.measure(candidate_of(path)))

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """As `score_now`."""
        return self.score_now(path)


class Waited(Measured):
    """A problem whose measurement takes a while: it runs in a thread, and the run goes on meanwhile."""

    local: bool = False

    def score_now(self, path: Path) -> Score:
        """Not local: it is always waited for."""
        raise TypeError(f"{type(self).__name__} is not local: await its score")

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Measure the path's answer in a thread."""
        return checked(await asyncio.to_thread(self.measure, candidate_of(path)))


def candidate_of(path: Path) -> str:
    """The candidate of a path.

    Raises:
        ScoreError: There is none, or it is longer than `LONGEST`.
    """
    answer = path.answer
    if answer is None or not answer.strip():
        raise ScoreError("there is no candidate: end the reply with one")
    if len(answer) > LONGEST:
        raise ScoreError(f"the candidate has {len(answer)} characters, and {LONGEST} are the most")
    return answer


def checked(score: Score) -> Score:
    """A problem's score, if search can go by it.

    Raises:
        ScoreError: It has no objective, one that is not finite, or a value that does not lie in [0, 1].
    """
    if not score.scores:
        raise ScoreError("the measurement gives no objective: return Score(value, note, scores=(objective,))")
    if not all(map(math.isfinite, score.scores)):
        raise ScoreError("the measured objective is not a finite number")
    if not 0.0 <= score.value <= 1.0:
        raise ScoreError(f"the measurement's value is {score.value}, not in [0, 1]: squash(loss) makes one of a loss")
    return score


def check_ready(problem: Problem) -> None:
    """Refuse a problem whose candidates cannot be measured here: all of them would fail, and be paid.

    Raises:
        BadInput: Its programs cannot be isolated, or a module is not installed.
    """
    if getattr(problem, "sandboxed", False) and (why := available()):
        raise BadInput(f"problem {problem.name} runs programs, and they cannot be isolated here: {why}")
    if needs := getattr(problem, "needs", ""):
        require(needs, "discovery", f"measuring candidates of {problem.name}")


def objective(scores: Sequence[float]) -> float:
    """The objective that the numbers of one evaluation stand for: their mean."""
    return math.fsum(scores) / len(scores)


def is_better(one: float, other: float, sense: Sense) -> bool:
    """Whether one measured objective is better than another. Objectives are exact: no noise decides here."""
    return one < other if sense == "min" else one > other


def worst(sense: Sense) -> float:
    """The objective before anything was measured."""
    return math.inf if sense == "min" else -math.inf


def running_best(objectives: Sequence[float], sense: Sense) -> list[float]:
    """The best so far after each of them; not-a-number counts as nothing."""
    best, curve = worst(sense), list[float]()
    for value in objectives:
        if not math.isnan(value) and is_better(value, best, sense):
            best = value
        curve.append(best)
    return curve


def squash(loss: float, scale: float = 1.0) -> float:
    """A loss of at least 0 as a value in (0, 1]: `1 / (1 + ln(1 + loss / scale))`, 1 where the loss is 0.

    It falls strictly, and slowly, so that losses of very different size stay apart: a loss of `scale` gives 0.59,
    ten times that 0.29, a million times 0.067.

    Raises:
        ScoreError: The loss is negative or not finite.
    """
    if not math.isfinite(loss) or loss < 0:
        raise ScoreError(f"the measured loss is {loss}, not a finite number of at least 0")
    return 1.0 / (1.0 + math.log1p(loss / scale))


def random_search(problem: Problem, evaluations: int, seed: int) -> list[float]:
    """The best objective after each of so many random candidates.

    Raises:
        TypeError: The problem draws no candidates.
    """
    if not isinstance(problem, Sampled):
        raise TypeError(f"problem {problem.name} draws no candidates: give it `draw(rng)` and `vary(shown, rng)`")
    rng, found = Random(f"{problem.name}:random:{seed}"), list[float]()
    for _ in range(evaluations):
        try:
            found.append(objective(problem.measure(problem.draw(rng)).scores))
        except ScoreError:
            found.append(math.nan)
    return running_best(found, problem.sense)


def set_all(instance: Any, **values: Any) -> None:
    """Set fields of a frozen instance while it is being made."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
