"""`value` and `reward`: a trained model scores paths, or each of their steps; a batch is scored together.

A model that fails fails the calls it was asked for, whatever the reason: it never ends a run, which can go on without
these values. One that has `async def score_each(paths)` says of each path alone what it is worth, or why it is unknown.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Score, ScoreError, Waiting, capped, checked
from reflectree.models.base import RewardModel, ValueModel
from reflectree.models.scoring.items import Scored
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.formulas import Aggregation, aggregate_steps
from reflectree.rlm_ops.step import Path


@dataclass(frozen=True, slots=True)
class _ModelEvaluator(Waiting):
    """What both kinds share: one path is a batch of one, and what is no score fails its path alone."""

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Score one path."""
        (score,) = await self.score_group([path], [call], run)
        if isinstance(score, ScoreError):
            raise score
        return score

    async def score_group(
        self, paths: Sequence[Path], calls: Sequence[Call], run: AgentRun
    ) -> Sequence[Score | ScoreError]:
        """Score a batch in one request."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ValueEvaluator(_ModelEvaluator):
    """A value model: the chance that a path leads to a right answer."""

    model: ValueModel
    source: str = "value-model"

    async def score_group(
        self, paths: Sequence[Path], calls: Sequence[Call], run: AgentRun
    ) -> Sequence[Score | ScoreError]:
        """One value a path."""
        return [_score(_value, given) for given in await _asked(self.model, self.model.score, paths)]


@dataclass(frozen=True, slots=True)
class RewardEvaluator(_ModelEvaluator):
    """A process reward model: one score a step, made one number a path by `reduce`."""

    model: RewardModel
    reduce: Aggregation = "last"
    source: str = "reward-model"

    async def score_group(
        self, paths: Sequence[Path], calls: Sequence[Call], run: AgentRun
    ) -> Sequence[Score | ScoreError]:
        """The steps' scores of each path, reduced."""
        given = await _asked(self.model, self.model.score_steps, paths)
        return [_score(partial(self._reduced, path), scores) for path, scores in zip(paths, given, strict=True)]

    def _reduced(self, path: Path, scores: Any) -> float:
        """The path's score.

        Raises:
            ScoreError: There is not one score a step, or one is no score.
        """
        given = scores.steps if isinstance(scores, Scored) else _listed(self.model, scores)
        steps = [checked(score) for score in given]
        if len(steps) != len(path.steps):
            raise ScoreError(f"the model {self.model.name} gave {len(steps)} scores for {len(path.steps)} steps")
        if not steps:
            raise ScoreError("there is no step to score")
        return aggregate_steps(steps, self.reduce)


def _value(given: object) -> float:
    return checked(given.value if isinstance(given, Scored) else given)


def _score(read: Callable[[Any], float], given: object) -> Score | ScoreError:
    if isinstance(given, ModelError):
        return ScoreError(str(given))
    try:
        return Score(capped(read(given)))
    except ScoreError as error:
        return error


async def _asked(model: ValueModel | RewardModel, ask: Callable[[Sequence[Path]], Any], paths: Sequence[Path]) -> Any:
    """What a model gives for paths, one entry each.

    Raises:
        ScoreError: It failed, or gave another number of entries.
    """
    try:
        result = getattr(model, "score_each", ask)(paths)
        entries = _listed(model, await result if inspect.isawaitable(result) else result)
    except ModelError as error:
        raise ScoreError(str(error)) from error
    if len(entries) != len(paths):
        raise ScoreError(f"the model {model.name} gave {len(entries)} scores for {len(paths)} paths")
    return entries


def _listed(model: ValueModel | RewardModel, given: Any) -> list[Any]:
    try:
        return list(given)
    except TypeError as error:
        raise ScoreError(f"the model {model.name} gave {given!r}, which is no list of scores") from error


def value(model: ValueModel) -> ValueEvaluator:
    """A value model scores paths.

    Raises:
        BadInput: It is none.
    """
    if not is_value_model(model):
        raise BadInput(f"evaluators.value({model!r}): give a value model, which has `async def score(paths)`")
    return ValueEvaluator(model)


def reward(model: RewardModel, reduce: Aggregation = "last") -> RewardEvaluator:
    """A process reward model scores steps; `reduce` makes one number of them.

    Raises:
        BadInput: It is none, or there is no such way to reduce.
    """
    if not is_reward_model(model):
        raise BadInput(f"evaluators.reward({model!r}): give a reward model, which has `async def score_steps(paths)`")
    aggregate_steps([0.0], reduce)
    return RewardEvaluator(model, reduce)


def is_value_model(given: object) -> bool:
    """Whether it scores paths; a verifier, which scores answers, does not."""
    return not isinstance(given, type) and callable(getattr(given, "score", None)) and not hasattr(given, "gold")


def is_reward_model(given: object) -> bool:
    """Whether it scores steps."""
    return not isinstance(given, type) and callable(getattr(given, "score_steps", None))
