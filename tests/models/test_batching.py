"""One thread, many callers: order, budgets, errors that stay with their item, withdrawal and closing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError

import pytest

from reflectree.models.batching import Batcher, Closed, Overloaded


def doubling(batches: list[list[int]] | None = None) -> Batcher[int, int]:
    def run(items: list[int]) -> Sequence[int | BaseException]:
        if batches is not None:
            batches.append(items)
        return [ValueError(f"no {item}") if item < 0 else 2 * item for item in items]

    return Batcher(run, budget=8, window=0.05)


async def test_replies_are_in_order_and_each_callers_own() -> None:
    batcher = doubling()
    asked = [list(range(k, k + 1 + k % 3)) for k in range(60)]
    replies = await asyncio.gather(*(batcher.submit(items) for items in asked))
    assert replies == [[2 * item for item in items] for items in asked]
    batcher.close()


async def test_calls_that_come_together_share_a_batch_within_the_budget() -> None:
    batches: list[list[int]] = []
    batcher = doubling(batches)
    await asyncio.gather(*(batcher.submit([k]) for k in range(20)))
    assert sorted(item for batch in batches for item in batch) == list(range(20))
    assert len(batches) <= 4
    assert max(map(len, batches)) == 8
    batcher.close()


async def test_what_costs_more_than_the_budget_goes_alone() -> None:
    batches: list[list[int]] = []

    def run(items: list[int]) -> list[int]:
        batches.append(items)
        return items

    batcher = Batcher[int, int](run, cost=float, budget=10, window=0.02)
    await batcher.submit([4, 40, 5, 5])
    assert batches == [[4], [40], [5, 5]]
    batcher.close()


async def test_an_error_is_that_items_alone() -> None:
    batcher = doubling()
    good, bad = await asyncio.gather(batcher.submit([3]), batcher.submit([-1]), return_exceptions=True)
    assert good == [6]
    assert isinstance(bad, ValueError)
    batcher.close()


async def test_an_error_of_the_batch_is_everyones_and_the_thread_goes_on() -> None:
    calls = 0

    def run(items: list[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("out of memory")
        return items[:-1] if calls == 2 else items

    batcher = Batcher[int, int](run, window=0.0)
    with pytest.raises(RuntimeError, match="out of memory"):
        await batcher.submit([1])
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        await batcher.submit([1])
    assert await batcher.submit([1]) == [1]
    batcher.close()


async def test_too_much_is_refused_whole_and_the_cancelled_is_withdrawn() -> None:
    begun, go_on, seen = threading.Event(), threading.Event(), []

    def run(items: list[str]) -> list[str]:
        begun.set()
        go_on.wait(5)
        seen.extend(items)
        return items

    batcher = Batcher[str, str](run, window=0.0, waiting=2, budget=1)
    (first,) = batcher.put(["first"])
    assert begun.wait(5)
    withdrawn = asyncio.create_task(batcher.submit(["withdrawn"]))
    await asyncio.sleep(0.01)
    (kept,) = batcher.put(["kept"])
    with pytest.raises(Overloaded, match="2 items wait already"):
        batcher.put(["too many"])
    assert batcher.depth == 2
    withdrawn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await withdrawn
    go_on.set()
    assert [await asyncio.wrap_future(first), await asyncio.wrap_future(kept)] == ["first", "kept"]
    assert seen == ["first", "kept"]
    batcher.close()


@pytest.mark.parametrize("drain", [True, False])
def test_closing_carries_out_or_refuses_what_waits(drain: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def run(items: list[int]) -> list[int]:
        begun.set()
        go_on.wait(5)
        return items

    batcher = Batcher[int, int](run, window=0.0, budget=1)
    (first,) = batcher.put([1])
    assert begun.wait(5)
    (second,) = batcher.put([2])
    threading.Timer(0.05, go_on.set).start()
    batcher.close(drain)
    assert first.result(5) == 1
    if drain:
        assert second.result(5) == 2
    else:
        with pytest.raises((Closed, CancelledError)):
            second.result(5)
    with pytest.raises(Closed):
        batcher.put([3])
