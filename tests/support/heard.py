"""A run that somebody listens to, and what they hear: such a run goes through LangGraph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables import RunnableLambda

T = TypeVar("T")


class Heard(AsyncCallbackHandler):
    """Counts the chains that begin, by name."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()

    async def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
        """Count one."""
        self.begun[str(told.get("name"))] += 1


async def heard(work: Callable[[], Awaitable[T]]) -> tuple[T, Counter[str]]:
    """What comes of some work with a callback around it, and how often each chain in it began."""
    listener = Heard()

    async def inner(_: None) -> T:
        return await work()

    found: T = await RunnableLambda(inner, name="around").ainvoke(None, {"callbacks": [listener]})
    return found, listener.begun
