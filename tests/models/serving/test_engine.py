from __future__ import annotations

import asyncio
import threading

import pytest
from tests.support.fake_scorer import FakeScorer, expected

from reflectree.models.batching import Closed, Overloaded
from reflectree.models.scoring.items import Item, Scored
from reflectree.models.serving.engine import (
    Batch,
    ItemFailed,
    OutOfMemory,
    ScorerFailed,
    ScoringEngine,
    is_out_of_memory,
)

ITEMS = [Item(f"question {n}", tuple(f"step {k} of {n}" for k in range(n % 4))) for n in range(40)]


async def test_items_of_many_callers_share_passes_on_one_thread_and_get_their_own_scores() -> None:
    scorer, seen = FakeScorer(seconds=0.01), list[Batch]()
    engine = ScoringEngine(scorer, on_batch=seen.append)
    results = await asyncio.gather(*(engine.score([item]) for item in ITEMS))
    await engine.aclose()
    assert [result[0].steps for result in results] == [expected(item) for item in ITEMS]
    assert len(scorer.passes) < len(ITEMS) / 2
    assert len(scorer.threads) == 1
    assert threading.get_ident() not in scorer.threads
    assert sum(batch.items for batch in seen) == len(ITEMS)
    assert sum(batch.tokens for batch in seen) == sum(result[0].tokens for result in results)
    assert all(len(batch.waits) == batch.items and min(batch.waits) >= 0 for batch in seen)


async def test_a_budget_of_tokens_bounds_each_pass() -> None:
    scorer = FakeScorer()
    engine = ScoringEngine(scorer, max_batch_tokens=10)
    items = [Item(f"q {n}", ("one two three",)) for n in range(9)]  # five tokens each
    await engine.score(items)
    await engine.score([Item("long " * 50)])  # longer than the budget: alone
    await engine.aclose()
    assert [len(questions) for questions in scorer.passes] == [2, 2, 2, 2, 1, 1]


async def test_out_of_memory_halves_the_batch_once() -> None:
    scorer, seen = FakeScorer(room=6), list[Batch]()
    engine = ScoringEngine(scorer, on_batch=seen.append)
    items = [Item(f"q {n}") for n in range(10)]
    assert [result.value for result in await engine.score(items)] == [expected(item)[-1] for item in items]
    assert [(batch.items, batch.split) for batch in seen] == [(5, True), (5, True)]
    with pytest.raises(OutOfMemory, match="--max-batch-tokens"):  # 20 in halves of 10 do not fit either
        await engine.score([Item(f"q {n}") for n in range(20)])
    assert [len(questions) for questions in scorer.passes] == [10, 5, 5, 20, 10, 10]
    with pytest.raises(OutOfMemory):
        await engine.score([Item("#oom")])  # one item cannot be halved
    await engine.aclose()


@pytest.mark.parametrize(
    ("trouble", "error", "said"),
    [("#nan", ItemFailed, "no number"), ("#big", ScorerFailed, "outside"), ("#short", ScorerFailed, "1 scores for 2")],
)
async def test_a_bad_score_is_the_fault_of_its_item_alone(trouble: str, error: type[Exception], said: str) -> None:
    engine = ScoringEngine(FakeScorer(), window=0.05)
    items = [Item(f"{trouble if n == 3 else 'q'} {n}", ("a", "b")) for n in range(8)]
    outcomes = await asyncio.gather(*(engine.score([item]) for item in items), return_exceptions=True)
    assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)] == [3]
    assert isinstance(outcomes[3], error)
    assert said in str(outcomes[3])
    with pytest.raises(error):
        await engine.score(items)
    await engine.aclose()


async def test_rounding_is_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = FakeScorer()
    monkeypatch.setattr(scorer, "score", lambda batch: [Scored((1.0000005,), -0.0000005, 1) for _ in batch])
    engine = ScoringEngine(scorer)
    [result] = await engine.score([Item("q", ("a",))])
    assert (result.steps, result.value) == ((1.0,), 0.0)
    await engine.aclose()


async def test_a_refusal_names_the_item() -> None:
    engine = ScoringEngine(FakeScorer(context=5))
    with pytest.raises(ItemFailed) as failure:
        await engine.score([Item("short"), Item("a question of more than five words")])
    assert (failure.value.index, failure.value.code) == (1, "context_overflow")
    await engine.aclose()


async def test_a_full_queue_is_said_at_once_and_a_cancelled_caller_withdraws() -> None:
    scorer = FakeScorer(gate=threading.Event())
    engine = ScoringEngine(scorer, max_queue=4, window=0)
    first = asyncio.ensure_future(engine.score([Item("first")]))
    await _until(lambda: len(scorer.passes) == 1)
    waiting = asyncio.ensure_future(engine.score([Item(f"waits {n}") for n in range(4)]))
    await _until(lambda: engine.depth == 4)
    with pytest.raises(Overloaded):
        await engine.score([Item("one too many")])
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert scorer.gate is not None
    scorer.gate.set()
    assert (await first)[0].value == expected(Item("first"))[0]
    await engine.score([Item("later")])
    assert scorer.passes == [["first"], ["later"]]  # the withdrawn ones were never scored
    await engine.aclose()


async def test_closing_drains_or_refuses_and_closes_the_scorer() -> None:
    for drain in (True, False):
        scorer = FakeScorer(gate=threading.Event())
        engine = ScoringEngine(scorer, window=0)
        begun = asyncio.ensure_future(engine.score([Item("begun")]))
        await _until(lambda scorer=scorer: len(scorer.passes) == 1)
        waits = asyncio.ensure_future(engine.score([Item("waits")]))
        await _until(lambda engine=engine: engine.depth == 1)
        closing = asyncio.ensure_future(engine.aclose(drain))
        await asyncio.sleep(0.02)
        assert scorer.gate is not None
        scorer.gate.set()
        await closing
        assert (await begun)[0].value == expected(Item("begun"))[0]
        if drain:
            assert (await waits)[0].value == expected(Item("waits"))[0]
        else:
            with pytest.raises(Closed):
                await waits
        assert scorer.closed
        with pytest.raises(Closed):
            await engine.score([Item("late")])
        engine.close()  # twice is once


async def test_nothing_is_scored_of_nothing() -> None:
    engine = ScoringEngine(FakeScorer())
    assert await engine.score([]) == []
    await engine.aclose()


def test_out_of_memory_is_known_by_type_and_by_words() -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    assert is_out_of_memory(OutOfMemoryError("x"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))


async def _until(condition: object) -> None:
    assert callable(condition)
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")
