"""What evaluators have in common: scores, the protocols, and requests on one bill.

Nothing here knows any kind of evaluator, or what a prompt says.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from pydantic import ValidationError

from reflectree.agents.base import AgentRun
from reflectree.models.base import Choice, Request
from reflectree.models.calling import Check, spent_by
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import NO_USAGE, Usage

NEUTRAL = 0.5
"""The value of a path of which nothing is known."""
JUDGE_CEILING = 0.99
"""A judge is never certain: 1.0 is for verifiers, and ends a run by confidence."""
REPEAT_TEMPERATURE = 0.7
"""The temperature of repeated judgements where none is set: at 0 they would all be the same (Tree of Thoughts')."""

ScoreFunction = Callable[[Path], float] | Callable[[Path], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Score:
    """A value in [0, 1], the reason in words, what it cost, and what was measured, in units of its own."""

    value: float
    note: str = ""
    usage: Usage = NO_USAGE
    scores: tuple[float, ...] = ()


class ScoreError(ValueError):
    """An evaluator's output is no score; `usage` is what it cost all the same."""

    def __init__(self, message: str, usage: Usage = NO_USAGE) -> None:
        super().__init__(message)
        self.usage = usage


@runtime_checkable
class Evaluator(Protocol):
    """Scores paths.

    An evaluator may also have `aside = True` (its values are observations, which are not backed up), and
    `compares = True` (it scores a call of two nodes: the chance that the first is the better one).
    """

    @property
    def source(self) -> str:
        """Who says so, as the trace records it."""
        ...

    @property
    def local(self) -> bool:
        """Whether `score_now` scores at once; else `score` is awaited."""
        ...

    def score_now(self, path: Path) -> Score:
        """Score at once (local evaluators only)."""
        ...

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Score with the run's models."""
        ...


@runtime_checkable
class GroupEvaluator(Evaluator, Protocol):
    """Scores the paths of a batch together."""

    async def score_group(
        self, paths: Sequence[Path], calls: Sequence[Call], run: AgentRun
    ) -> Sequence[Score | ScoreError]:
        """One score a path, in order, or what is wrong with it; the bill of all stands on the first."""
        ...


class Waiting:
    """What evaluators that wait for something have in common."""

    __slots__ = ()

    @property
    def local(self) -> bool:
        """They are never done at once."""
        return False

    def score_now(self, path: Path) -> Score:
        """Not local: it is always waited for."""
        raise TypeError(f"{type(self).__name__} is not local: await its score")


def checked(value: object) -> float:
    """`value` as a score.

    Raises:
        ScoreError: It is no finite number in [0, 1].
    """
    if isinstance(value, bool):
        return float(value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ScoreError(f"the evaluator returned {value!r}, not a number") from error
    if not math.isfinite(number) or not 0.0 <= number <= 1.0:
        raise ScoreError(f"the evaluator returned {number}: a score lies between 0 and 1")
    return number


def capped(value: float) -> float:
    """A judge's value: never above `JUDGE_CEILING`."""
    return min(value, JUDGE_CEILING)


class Asking:
    """The requests of one evaluation: what was paid before one of them fails stays on its bill.

    Attributes:
        usage: The bill so far.
    """

    def __init__(self, run: AgentRun, role: str) -> None:
        self._caller = run.caller(role)
        self.usage: Usage = NO_USAGE

    async def samples(self, request: Request, check: Check) -> list[Choice]:
        """The usable samples of a request, at least one.

        Raises:
            BudgetRefused, ModelError: It failed, and nothing was paid before.
            ScoreError: It failed after something was paid, or no sample can be used.
        """
        try:
            outcome = await self._caller.call(request, check)
        except (BudgetRefused, ModelError) as error:
            if not self.usage:
                raise
            self.usage = self.usage + spent_by(error)
            raise ScoreError(str(error), self.usage) from error
        self.usage = self.usage + outcome.usage
        usable = [sample for sample in outcome.samples if isinstance(sample, Choice)]
        if not usable:
            raise ScoreError(next(iter(map(str, outcome.samples)), "no reply"), self.usage)
        return usable


def repeated(request: Request, settings: Evaluate) -> Request:
    """The request with the judgement's own room, and as many samples as it is repeated."""
    n = settings.repeats
    temperature = settings.temperature if n == 1 or settings.temperature > 0 else REPEAT_TEMPERATURE
    return replace(request, n=n, temperature=temperature, max_tokens=settings.max_tokens, timeout=settings.timeout)


def settings_of(**settings: Any) -> Evaluate:
    """Settings of an evaluator made by hand.

    Raises:
        BadInput: A setting cannot be.
    """
    try:
        return Evaluate(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{'.'.join(map(str, first['loc']))}={first['input']!r}: {first['msg'].lower()}") from error
