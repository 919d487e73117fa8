"""Workers: what is told of those that die, and what cannot be sent to them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from reflectree.graphs.cluster import _connecting, connected
from reflectree.graphs.workers import TRIES, WorkerFailed, WorkerLost, Workers, _last, again
from reflectree.rlm_ops.errors import BadInput, ReflectreeError


class Echo:
    """Says what it is given."""

    def __init__(self, refuses: bool, _: object = None) -> None:
        self._refuses = refuses

    async def begin(self) -> ReflectreeError | None:
        return BadInput("there is no key here: export it") if self._refuses else None

    async def say(self, word: str) -> str:
        if word == "defect":
            raise KeyError("nobody meant this")
        return word


def test_a_run_is_made_again_until_it_is_taken_for_the_cause() -> None:
    error = WorkerLost("a Ray worker died (out of memory)")
    for lost in range(1, TRIES):
        assert again(error, lost, "task t1") == f"{error}: task t1 is made again on another one"
    with pytest.raises(WorkerFailed, match=r"task t1 has lost 3 workers.*out of memory.*leave it out"):
        again(error, TRIES, "task t1")


def test_of_a_long_message_the_line_that_says_most() -> None:
    trace = "ray::Worker.begin() (pid=1)\n  File 'x.py', line 3\nModuleNotFoundError: No module named 'mine'\nend"
    assert _last(RuntimeError(trace)) == "ModuleNotFoundError: No module named 'mine'"
    assert _last(RuntimeError("The actor died.\nclass_name: Worker")) == "The actor died."
    assert _last(RuntimeError()) == "RuntimeError"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.timeout(300)
async def test_what_workers_say_reaches_the_user() -> None:
    pytest.importorskip("ray")
    async with Workers.open(Echo, [False], "local", 2, "testing") as workers:
        assert len(workers) == 2
        assert await workers.call("say", "hello") == "hello"
        with pytest.raises(WorkerFailed, match="KeyError: 'nobody meant this'"):
            await workers.call("say", "defect")
        assert await workers.call("say", "still here") == "still here"
    with pytest.raises(BadInput, match="there is no key here: export it"):
        async with Workers.open(Echo, [True], "local", 1, "testing"):
            pass
    with pytest.raises(BadInput, match=r"cannot be sent to a worker .*: install it there, or run without Ray"):
        async with Workers.open(Echo, [False, threading.Lock()], "local", 1, "testing"):
            pass


class Slow:
    """What the module `ray` is to whoever connects, where connecting takes a while."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.begun, self.may = threading.Event(), threading.Event()

    def init(self, **options: object) -> None:
        self.told.append("began")
        self.begun.set()
        self.may.wait(10)
        self.told.append("connected")

    def shutdown(self) -> None:
        self.told.append("let go")


async def test_who_loses_patience_leaves_no_cluster_behind() -> None:
    ray = Slow()
    connecting = asyncio.ensure_future(_connecting(ray, None, 1))
    await asyncio.to_thread(ray.begun.wait, 10)
    connecting.cancel()
    await asyncio.sleep(0.01)
    assert not connecting.done()  # what has begun is waited for
    ray.may.set()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert ray.told == ["began", "connected", "let go"]


async def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="no address of a Ray cluster"):
        async with connected(" ", 1, "testing"):
            pass
