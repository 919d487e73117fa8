from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.support.virtual_time import run_virtually

from reflectree.models.batching import Closed
from reflectree.models.values.coalescing import Coalescer


class Sending:
    """Doubles numbers, after a while, and writes down the batches."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.batches: list[list[int]] = []
        self.flying = self.most_flying = self.cut = 0

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cut += 1
            raise
        finally:
            self.flying -= 1
        if -1 in items:
            raise ValueError("minus one")
        return [2 * item for item in items]


def test_calls_that_come_together_are_one_request() -> None:
    send = Sending()
    coalescer = Coalescer(send, window=0.003)

    async def work() -> list[list[int]]:
        return list(await asyncio.gather(*(coalescer.submit([n, n + 100]) for n in range(20))))

    assert run_virtually(work()) == [[2 * n, 2 * n + 200] for n in range(20)]
    assert len(send.batches) == 1


def test_an_item_waits_a_window_and_no_longer() -> None:
    send = Sending(0.0)
    coalescer = Coalescer(send, window=0.003)

    async def late(after: float, item: int) -> None:
        await asyncio.sleep(after)
        await coalescer.submit([item])

    async def work() -> None:
        await asyncio.gather(late(0.0, 1), late(0.002, 2), late(0.004, 3))

    run_virtually(work())
    assert send.batches == [[1, 2], [3]]


def test_requests_hold_so_many_items_and_a_full_one_does_not_wait() -> None:
    send = Sending()
    coalescer = Coalescer(send, most=4, window=1000.0, at_once=8)

    async def work() -> list[int]:
        return await coalescer.submit(list(range(8)))

    assert run_virtually(work()) == [2 * n for n in range(8)]
    assert [len(batch) for batch in send.batches] == [4, 4]


def test_no_more_requests_are_in_flight_than_may_be_and_who_waits_is_gathered() -> None:
    send = Sending()
    coalescer = Coalescer(send, most=10, window=0.003, at_once=2)

    async def one(number: int) -> list[int]:
        await asyncio.sleep(number * 0.01)
        return await coalescer.submit([number])

    async def work() -> list[list[int]]:
        return list(await asyncio.gather(*map(one, range(12))))

    assert run_virtually(work()) == [[2 * n] for n in range(12)]
    assert send.most_flying == 2
    assert send.batches == [[0], [1], list(range(2, 12))]


def test_what_send_raises_reaches_its_own_callers_only() -> None:
    send = Sending()
    coalescer = Coalescer(send, most=1)

    async def work() -> list[object]:
        return list(await asyncio.gather(*(coalescer.submit([n]) for n in (1, -1, 2)), return_exceptions=True))

    good, bad, other = run_virtually(work())
    assert (good, other) == ([2], [4])
    assert isinstance(bad, ValueError)


def test_another_number_of_results_is_a_defect() -> None:
    async def short(items: Sequence[int]) -> list[int]:
        return []

    with pytest.raises(RuntimeError, match="0 results for 2 items"):
        run_virtually(Coalescer(short).submit([1, 2]))


def test_who_hangs_up_withdraws_and_a_request_for_nobody_is_cut() -> None:
    send = Sending()
    coalescer = Coalescer(send, most=10, window=0.003, at_once=1)

    async def work() -> list[int]:
        first, second = (asyncio.create_task(coalescer.submit([n])) for n in (1, 2))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(coalescer.submit([3]))
        await asyncio.sleep(0.01)
        first.cancel()
        waiting.cancel()
        return await second

    assert run_virtually(work()) == [4]
    assert send.batches == [[1, 2]]

    async def all_of_them() -> None:
        tasks = [asyncio.create_task(coalescer.submit([n])) for n in (5, 6)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
        assert await coalescer.submit([7]) == [14]

    run_virtually(all_of_them())
    assert send.cut == 1
    assert send.batches[-1] == [7]


def test_closing_cuts_what_is_in_flight() -> None:
    send = Sending(1e6)
    coalescer = Coalescer(send, most=1, at_once=1)

    async def work() -> list[object]:
        tasks = [asyncio.create_task(coalescer.submit([n])) for n in (1, 2)]
        await asyncio.sleep(0.01)
        await coalescer.aclose()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    assert [type(outcome) for outcome in run_virtually(work())] == [Closed] * 2
    assert (send.batches, send.cut) == ([[1]], 1)


def test_nothing_is_nothing() -> None:
    send = Sending()
    assert run_virtually(Coalescer(send).submit([])) == []
    assert send.batches == []
