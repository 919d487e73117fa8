from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.outputs import ChatResult
from pydantic import PrivateAttr
from tests.support.scripted_chat import ScriptedChat, says

from reflectree.graphs.bridge import run_sync
from reflectree.graphs.run import solve
from reflectree.rlm_ops.step import Path


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


class Keeps(ScriptedChat):
    """A chat model whose client belongs to the loop in which it was first used, as those that keep connections do."""

    _loops: set[asyncio.AbstractEventLoop] = PrivateAttr(default_factory=set)

    @property
    def loops(self) -> set[asyncio.AbstractEventLoop]:
        return self._loops

    async def _agenerate(self, *args: Any, **settings: Any) -> ChatResult:
        self._loops.add(asyncio.get_running_loop())
        return self._generate(*args, **settings)


def test_runs_in_a_row_and_in_threads_use_a_chat_model_in_one_loop() -> None:
    model = Keeps(script=lambda messages, number: says("Answer: 42"))

    def answer(number: int) -> str | None:
        return solve(f"Question {number}?", blueprint="cot", policy=model).answer

    answers = [answer(number) for number in range(3)]
    with ThreadPoolExecutor(4) as threads:
        answers += threads.map(answer, range(8))
    assert answers == ["42"] * 11
    assert len(model.loops) == 1


def test_a_run_within_a_run_does_not_wait_for_itself() -> None:
    model = Keeps(script=lambda messages, number: says("Answer: 42"))

    def judge(path: Path) -> float:
        return float(solve("Is it right?", blueprint="cot", policy=model).answer == "42")

    assert solve("6 times 7?", blueprint="best-of-n", policy=model, evaluator=judge).score == 1.0
