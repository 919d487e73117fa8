from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.models.values.rig import path
from tests.support.value_loopback import value_of

from reflectree.models.base import PreferenceModel, RewardModel, ValueModel
from reflectree.models.resolve_values import check_values
from reflectree.models.scoring.items import Encoded, Item, ItemRefused, Kind, Scored, ScorerInfo
from reflectree.models.values.in_process import InProcessValues
from reflectree.models.values.reading import NoScore
from reflectree.rlm_ops.errors import BadInput, ModelError, ModelRejected


class Counted:
    """A scorer that knows values by text, counts its batches, and refuses empty steps."""

    def __init__(self, kind: Kind = "value-head", wrong: Callable[[float], Any] = lambda value: value) -> None:
        self.info = ScorerInfo("counted", kind, per_step=kind == "value-head", causal=True, context_tokens=100)
        self.wrong = wrong
        self.batches: list[int] = []
        self.closed = False

    def encode(self, item: Item) -> Encoded:
        if "" in item.steps:
            raise ItemRefused("empty_step", "a step is empty")
        return Encoded((0,) * (1 + len(item.steps)), (), (), item)

    def score(self, batch: Sequence[Encoded]) -> list[Scored]:
        self.batches.append(len(batch))
        found = []
        for encoded in batch:
            steps, question = encoded.item.steps, encoded.item.question
            value = value_of(question, steps)
            if encoded.item.against is not None:
                value = 0.8 if value > value_of(question, encoded.item.against) else 0.1
            whole = not self.info.per_step
            scores = [value] if whole else [value_of(question, steps[: n + 1]) for n in range(len(steps))]
            found.append(Scored(tuple(map(self.wrong, scores)), self.wrong(value), encoded.tokens, 1))
        return found

    def close(self) -> None:
        self.closed = True


def run(scorer: Any, work: Callable[[InProcessValues], Any]) -> Any:
    async def whole() -> Any:
        model = InProcessValues(lambda: scorer, "here")
        try:
            return await asyncio.wait_for(work(model), 20)
        finally:
            await model.aclose()

    return asyncio.run(whole())


def test_it_scores_values_and_steps_and_counts() -> None:
    scorer = Counted()

    async def work(model: InProcessValues) -> None:
        assert all(isinstance(model, kind) for kind in (ValueModel, RewardModel, PreferenceModel))
        assert await model.score([path("a", "b"), path()]) == [value_of("Q?", ["a", "b"]), value_of("Q?", [])]
        assert await model.score_steps([path("a", "b")]) == [[value_of("Q?", ["a"]), value_of("Q?", ["a", "b"])]]
        assert (model.tally.items, model.tally.tokens, model.tally.cached) == (3, 7, 3)
        assert await check_values(model) == "here: ready; value-head, float32 on cpu"

    run(scorer, work)
    assert scorer.closed


def test_concurrent_calls_share_passes() -> None:
    scorer = Counted()

    async def work(model: InProcessValues) -> None:
        await model.check()
        found = await asyncio.gather(*(model.score([path(f"s{n}")]) for n in range(30)))
        assert found == [[value_of("Q?", [f"s{n}"])] for n in range(30)]

    run(scorer, work)
    assert len(scorer.batches) < 15


def test_an_item_that_is_refused_fails_alone() -> None:
    async def work(model: InProcessValues) -> None:
        good, bad, other = await model.score_each([path("a"), path(""), path("b")])
        assert isinstance(good, Scored)
        assert isinstance(other, Scored)
        assert isinstance(bad, ModelRejected)
        assert "a step is empty" in str(bad)
        with pytest.raises(ModelRejected):
            await model.score([path("")])

    run(Counted(), work)


@pytest.mark.parametrize("wrong", [lambda value: float("nan"), lambda value: 1.5])
def test_what_is_no_score_is_an_error(wrong: Callable[[float], Any]) -> None:
    async def work(model: InProcessValues) -> None:
        (result,) = await model.score_each([path("a")])
        assert isinstance(result, ModelError)

    run(Counted(wrong=wrong), work)


def test_a_model_of_the_whole_scores_no_steps() -> None:
    async def work(model: InProcessValues) -> None:
        assert await model.score([path("a", "b")]) == [value_of("Q?", ["a", "b"])]
        with pytest.raises(NoScore, match="1 scores for 2 steps"):
            await model.score_steps([path("a", "b")])

    run(Counted("sequence-classifier"), work)


def test_paths_are_compared_as_the_kind_can() -> None:
    ours, theirs = value_of("Q?", ["a"]), value_of("Q?", ["b"])

    async def work(model: InProcessValues) -> float:
        (chance,) = await model.prefer([(path("a"), path("b"))])
        return chance

    assert run(Counted("preference"), work) == (0.8 if ours > theirs else 0.1)
    assert run(Counted(), work) == pytest.approx((1 + ours - theirs) / 2)


def test_it_is_loaded_once_and_beside_the_event_loop() -> None:
    threads: list[str] = []

    def load() -> Any:
        threads.append(threading.current_thread().name)
        return Counted()

    async def work() -> None:
        model = InProcessValues(load, "here")
        hasty = asyncio.create_task(model.score([path("a")]))
        await asyncio.sleep(0)
        hasty.cancel()
        await asyncio.gather(*(model.score([path("a")]) for _ in range(5)))
        await model.aclose()
        with pytest.raises(ModelError, match="was closed"):
            await model.score([path("a")])

    asyncio.run(work())
    assert threads == ["load value model"]


@pytest.mark.parametrize("error", [BadInput("the head does not fit"), RuntimeError("no such file")])
def test_weights_that_cannot_be_loaded(error: Exception) -> None:
    def load() -> Any:
        raise error

    async def work() -> None:
        model = InProcessValues(load, "here")
        with pytest.raises(ModelError, match=str(error)):
            await model.score([path("a")])
        assert str(error) in await check_values(model)
        await model.aclose()

    asyncio.run(work())


def test_closing_what_was_never_used() -> None:
    def load() -> Any:
        raise AssertionError("nobody asked")

    asyncio.run(InProcessValues(load, "here").aclose())
