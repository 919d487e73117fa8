from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from tests.agents.evaluators.rig import a_run, always, scored, step
from tests.support.virtual_time import run_virtually

from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators import Evaluator, reward, value
from reflectree.models.scoring.items import Scored
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, ModelError, ModelRejected, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Evaluated, Failed
from reflectree.rlm_ops.step import Path


class Values:
    """A value model that knows values by text, and writes down its batches."""

    name = "values"

    def __init__(self, given: Any) -> None:
        self.given = given
        self.batches: list[list[str]] = []

    async def score(self, paths: Sequence[Path]) -> list[float]:
        self.batches.append([path.text for path in paths])
        return [self.given[path.text] for path in paths] if isinstance(self.given, dict) else self.given

    async def aclose(self) -> None:
        pass


class Rewards:
    """A reward model that says what it is given to say."""

    name = "rewards"

    def __init__(self, given: Any) -> None:
        self.given = given

    async def score_steps(self, paths: Sequence[Path]) -> list[list[float]]:
        return self.given  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        pass


NODES = (step("a"), step("b"), step("c", under=1))


def batch(evaluator: Evaluator, *nodes: int) -> list[Any]:
    agent = EvaluatorAgent(evaluator)
    (group,) = agent.groups([Call("evaluate", (node,)) for node in nodes])
    return run_virtually(agent.carry_out(group, a_run(always(""), *NODES)))


def results(events: list[Any]) -> list[tuple[int, float | str]]:
    return [
        (event.node, event.value) if isinstance(event, Evaluated) else (event.nodes[0], event.reason)
        for event in events
    ]


def test_a_batch_is_scored_together_and_in_order() -> None:
    model = Values({"a": 0.1, "b": 1.0, "a\nc": 0.3})
    assert results(batch(value(model), 3, 1, 2)) == [(3, 0.3), (1, 0.1), (2, 0.99)]
    assert model.batches == [["a\nc", "a", "b"]]
    assert scored(value(model), a_run(always(""), *NODES), 2).value == 0.99


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 1.5, -0.1, None, "x"])
def test_what_is_no_score_fails_its_node_alone(wrong: Any) -> None:
    good, bad = batch(value(Values([0.2, wrong])), 1, 2)
    assert isinstance(good, Evaluated)
    assert isinstance(bad, Failed)
    good, bad = batch(reward(Rewards([[0.2], [wrong]])), 1, 2)
    assert (good.value, good.source) == (0.2, "reward-model")
    assert isinstance(bad, Failed)


@pytest.mark.parametrize("wrong", [[0.2], [0.1, 0.2, 0.3], [], None, 0.5])
def test_another_number_of_scores_than_paths_fails_them_all(wrong: Any) -> None:
    for evaluator in (value(Values(wrong)), reward(Rewards(wrong))):
        events = batch(evaluator, 1, 2)
        assert [type(event) for event in events] == [Failed, Failed]
        assert "gave" in events[0].reason


@pytest.mark.parametrize(("reduce", "expected"), [("last", 0.5), ("min", 0.2), ("mean", 0.35), ("prod", 0.1)])
def test_steps_are_reduced(reduce: Any, expected: float) -> None:
    events = batch(reward(Rewards([[0.2, 0.5], [0.9]]), reduce), 3, 1)
    assert results(events) == [(3, pytest.approx(expected)), (1, 0.9)]


@pytest.mark.parametrize("scores", [[0.2], [0.1, 0.2, 0.3], [], 0.2])
def test_another_number_of_scores_than_steps_fails_the_path(scores: Any) -> None:
    bad, good = batch(reward(Rewards([scores, [0.9]])), 3, 1)
    assert isinstance(bad, Failed)
    assert "rewards" in bad.reason
    assert good.value == 0.9


class Each(Values):
    """A value and reward model that says of each path what it is worth, or why it is not known."""

    async def score_each(self, paths: Sequence[Path]) -> list[Any]:
        self.batches.append([path.text for path in paths])
        return [self.given[path.text] for path in paths]

    async def score_steps(self, paths: Sequence[Path]) -> list[list[float]]:
        raise AssertionError("each path is asked for")


def test_a_path_that_fails_fails_alone_where_the_model_says_which() -> None:
    given = {"a": Scored((0.2,), 0.3, 5), "b": ModelRejected("a step is empty", 422), "a\nc": Scored((0.5,), 0.5, 5)}
    model: Any = Each(given)
    assert results(batch(value(model), 1, 2, 3)) == [(1, 0.3), (2, "a step is empty"), (3, 0.5)]
    ours = results(batch(reward(model), 1, 2, 3))
    assert ours[:2] == [(1, 0.2), (2, "a step is empty")]
    assert "1 scores for 2 steps" in str(ours[2][1])
    assert model.batches == [["a", "b", "a\nc"]] * 2


@pytest.mark.parametrize(
    "error",
    [
        ModelUnreachable("nobody there"),
        ModelRejected("wrong key", 401),
        TransientModelError("503"),
        ModelError("closed"),
    ],
)
def test_a_model_that_is_not_there_fails_its_calls_and_never_the_run(error: ModelError) -> None:
    class Gone(Values):
        async def score(self, paths: Sequence[Path]) -> list[float]:
            raise error

    events = batch(value(Gone(None)), 1, 2)
    assert [type(event) for event in events] == [Failed, Failed]
    assert results(events) == [(1, str(error)), (2, str(error))]


def test_a_model_that_raises_fails_the_batch() -> None:
    events = batch(value(Values({})), 1, 2)
    assert results(events) == [(1, "KeyError: 'a'"), (2, "KeyError: 'a'")]


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(BadInput, match="async def score"):
        value(object())  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="async def score_steps"):
        reward(Values([]))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="aggregation"):
        reward(Rewards([]), "max")  # type: ignore[arg-type]
