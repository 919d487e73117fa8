from __future__ import annotations

import asyncio
import threading

import pytest

from reflectree.graphs.bridge import run_sync


async def where() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


async def broken() -> None:
    raise KeyError("lost")


def test_without_a_loop_it_runs_here() -> None:
    assert run_sync(where()) == threading.current_thread().name
    with pytest.raises(KeyError, match="lost"):
        run_sync(broken())


async def test_inside_a_loop_it_runs_in_a_thread_of_its_own() -> None:
    assert run_sync(where()) == "reflectree"
    with pytest.raises(KeyError, match="lost"):
        run_sync(broken())
    assert "reflectree" not in [thread.name for thread in threading.enumerate()]
