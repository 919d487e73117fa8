"""Work done under the configuration of a host's run, so that it is a child of that run and not of another.

LangChain hands a run's configuration on in a context variable. Whatever is awaited here finds the one given; that of
the caller is as it was afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from langchain_core.runnables.config import RunnableConfig, set_config_context

T = TypeVar("T")


async def under(config: Mapping[str, Any] | None, work: Callable[[], Awaitable[T]]) -> T:
    """Await `work` as a child of the run that `config` belongs to; cancelling one cancels the other."""
    if not config:
        return await work()

    async def run() -> T:
        return await work()

    with set_config_context(cast(RunnableConfig, dict(config))) as context:
        return await asyncio.create_task(run(), context=context)
