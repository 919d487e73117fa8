"""Room for so many calls at once, of which several are taken together."""

import asyncio

from reflectree.graphs.design_search.slots import Slots


async def test_no_more_places_are_taken_than_there_are() -> None:
    slots, held, most = Slots(5), 0, 0

    async def take(count: int) -> None:
        nonlocal held, most
        async with slots.take(count):
            held += min(count, 5)
            most = max(most, held)
            await asyncio.sleep(0)
            held -= min(count, 5)

    await asyncio.gather(*(take(count) for count in (1, 2, 3, 9, 1, 4, 2, 1, 5, 1)))
    assert most == 5
    assert held == 0


async def test_a_cancelled_waiter_gives_its_places_back() -> None:
    slots = Slots(2)
    async with slots.take(2):
        waiting = asyncio.create_task(_hold(slots, 2))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), slots.take(2):
        pass


async def test_one_cancelled_as_it_is_let_in_gives_its_places_back() -> None:
    slots = Slots(1)
    async with slots.take(1):
        waiting = asyncio.create_task(_hold(slots, 1))
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), slots.take(1):
        pass


async def _hold(slots: Slots, count: int) -> None:
    async with slots.take(count):
        await asyncio.sleep(0)
