"""Synchronous calls, and clients that keep connections, share one event loop in the background."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context

import pytest

from reflectree.models import background

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


async def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_all_threads_share_one_loop() -> None:
    with ThreadPoolExecutor(8) as threads:
        loops = set(threads.map(lambda _: background.run(_loop()), range(32)))
    assert len(loops) == 1


def test_errors_and_context_cross_over() -> None:
    async def fails() -> None:
        raise KeyError(NAME.get())

    token = NAME.set("me")
    with pytest.raises(KeyError, match="me"):
        background.run(fails())
    NAME.reset(token)


async def test_a_loop_that_runs_already_is_no_hindrance() -> None:
    assert background.run(_loop()) is not asyncio.get_running_loop()


def nested(depth: int, through: Callable[[Callable[[], str]], str]) -> str:
    """Work that waits for work, so many times, each from within the one before."""

    async def work() -> str:
        return through(lambda: nested(depth - 1, through)) if depth else "innermost"

    return background.run(work())


def in_a_thread(work: Callable[[], str]) -> str:
    context = copy_context()
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(context.run, work).result()


@pytest.mark.parametrize("through", [lambda work: work(), in_a_thread])
def test_called_from_the_background_itself_it_does_not_wait_for_itself(
    through: Callable[[Callable[[], str]], str],
) -> None:
    assert nested(3, through) == "innermost"


def test_each_depth_has_one_loop_for_all_threads() -> None:
    async def within() -> asyncio.AbstractEventLoop:
        return background.run(_loop())

    with ThreadPoolExecutor(8) as threads:
        loops = set(threads.map(lambda _: background.run(within()), range(32)))
    assert len(loops) == 1
    assert background.run(_loop()) not in loops


def test_cancelling_cancels_the_work() -> None:
    began, ended = threading.Event(), threading.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    future = background.submit(work())
    assert began.wait(5)
    future.cancel()
    assert ended.wait(5)


async def _lasting() -> asyncio.AbstractEventLoop:
    return await background.lasting(_loop)


def test_what_keeps_connections_outlives_a_loop_that_ends_with_its_call() -> None:
    with ThreadPoolExecutor(4) as threads:
        loops = set(threads.map(lambda _: asyncio.run(background.brief(_lasting())), range(8)))
    assert loops == {background.run(_loop())}


async def test_in_a_loop_that_lasts_it_stays_where_it_is() -> None:
    assert await _lasting() is asyncio.get_running_loop()
    assert await asyncio.wrap_future(background.submit(_lasting())) is background.run(_loop())


def test_work_in_the_background_ends_with_the_call_that_waits_for_it() -> None:
    ended = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def work() -> None:
        async with asyncio.timeout(0.01):
            await background.lasting(forever)

    with pytest.raises(TimeoutError):
        asyncio.run(background.brief(work()))
    assert ended.wait(5)


def test_errors_of_lasting_work_and_its_context_are_the_callers() -> None:
    async def fails() -> None:
        raise KeyError(NAME.get())

    async def work() -> None:
        NAME.set("me")
        await background.lasting(fails)

    with pytest.raises(KeyError, match="me"):
        asyncio.run(background.brief(work()))
