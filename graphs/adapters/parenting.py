"""A run as a child of the LangChain run that asked for it: its callbacks, and what of them it must not inherit.

Trackers of usage are left out: the message that a run ends with carries the bill of all its calls, and a tracker that
also saw each of them would count everything twice. Tracers are kept. No model and no graph is known here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.callbacks.base import BaseCallbackManager
from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.runnables.config import RunnableConfig, var_child_runnable_config
from langchain_core.tracers import context as tracer_context

from reflectree.graphs.adapters.counting import counting_once
from reflectree.graphs.adapters.hosts import under

T = TypeVar("T")


async def as_child(parent: BaseCallbackManager | None, work: Callable[[], Awaitable[T]]) -> T:
    """Await `work` with `parent`'s callbacks, and with nothing else of the host's configuration.

    Cancelling one cancels the other. That the rest of the configuration stays outside keeps a host's graph from taking
    the run for a subgraph of its own, with its checkpointer and thread.
    """

    async def alone() -> T:
        _forget_usage_trackers()
        return await work()

    return await under({"callbacks": parent}, alone)


def of_run(manager: BaseRunManager | None) -> BaseCallbackManager | None:
    """What a child of a run gets; of the run around us, where we were not told of one."""
    if manager is None:
        return ambient()
    return AsyncCallbackManager(
        handlers=_kept(manager.inheritable_handlers),
        inheritable_handlers=_kept(manager.inheritable_handlers),
        parent_run_id=manager.run_id,
        tags=manager.inheritable_tags,
        inheritable_tags=manager.inheritable_tags,
        metadata=manager.inheritable_metadata,
        inheritable_metadata=manager.inheritable_metadata,
    )


def of_config(config: RunnableConfig, own: Any = None) -> BaseCallbackManager:
    """What a child of the run that a configuration will begin gets; its `run_id` has to be given."""
    manager = AsyncCallbackManager.configure(
        config.get("callbacks"), own, False, config.get("tags"), None, config.get("metadata"), None
    )
    child = AsyncCallbackManager(
        handlers=_kept(manager.inheritable_handlers),
        inheritable_handlers=_kept(manager.inheritable_handlers),
        parent_run_id=config.get("run_id"),
        inheritable_tags=manager.inheritable_tags,
        inheritable_metadata=manager.inheritable_metadata,
    )
    return child


def heard(config: RunnableConfig) -> BaseCallbackManager:
    """Who is told of the run that a configuration will begin, those whom the process has set up for all runs included.

    A tracer that LangChain makes anew for each run does not know the runs of another: both are to be given this one.
    """
    manager = AsyncCallbackManager.configure(config.get("callbacks"))
    manager.handlers = counting_once(manager.handlers)
    manager.inheritable_handlers = counting_once(manager.inheritable_handlers)
    return manager


def ambient() -> BaseCallbackManager | None:
    """The callbacks of the run that this code is called in, as LangChain hands them on."""
    config = var_child_runnable_config.get()
    callbacks = None if config is None else config.get("callbacks")
    if isinstance(callbacks, list):
        return AsyncCallbackManager(handlers=_kept(callbacks), inheritable_handlers=_kept(callbacks))
    if not isinstance(callbacks, BaseCallbackManager):
        return None
    manager = callbacks.copy()
    manager.handlers = _kept(manager.handlers)
    manager.inheritable_handlers = _kept(manager.inheritable_handlers)
    return manager


def _kept(handlers: list[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
    return [handler for handler in handlers if not isinstance(handler, UsageMetadataCallbackHandler)]


def _forget_usage_trackers() -> None:
    """Take trackers that a context manager set out of this context, which is a copy of the caller's."""
    for variable, *_ in getattr(tracer_context, "_configure_hooks", ()):
        if isinstance(variable.get(), UsageMetadataCallbackHandler):
            variable.set(None)
