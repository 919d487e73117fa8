"""A server made of the words it is started with: models, blueprints, caps, memory and checkpoint, all checked first."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from reflectree.apps.asking import RunOptions
from reflectree.apps.mcp_server.offer import offer
from reflectree.apps.mcp_server.reasoning import Reasoner
from reflectree.graphs.checkpoint import open_saver
from reflectree.graphs.postgres import is_url, open_postgres
from reflectree.models.base import PolicyModel
from reflectree.rlm_ops.blueprint import Blueprint


@dataclass(frozen=True, slots=True)
class Parts:
    """What a server is made of, checked; nothing is open yet.

    Attributes:
        reasoner: What carries out its runs, once the parts are open.
        models: What is closed at the end.
        memory: The folder of the memory.
        checkpoint: Where every run is kept: a SQLite file, or the address of a Postgres database.
    """

    reasoner: Reasoner
    models: Sequence[Any]
    memory: str | None = None
    checkpoint: str | None = None

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open checkpoint and memory, in the event loop that runs use; all is closed at the end.

        Raises:
            BadInput: The checkpoint cannot be used.
        """
        async with contextlib.AsyncExitStack() as stack:
            for model in self.models:
                stack.push_async_callback(model.aclose)
            if self.checkpoint is not None and is_url(self.checkpoint):
                self.reasoner.runs.saver = (await stack.enter_async_context(open_postgres(self.checkpoint))).saver
            elif self.checkpoint is not None:
                saver = stack.enter_context(open_saver(self.checkpoint))
                self.reasoner.runs.saver = lambda: saver
            if self.memory is not None:
                from reflectree.graphs.memory.access import Memory

                memory = Memory.of(self.memory)
                stack.callback(memory.close)
                self.reasoner.offer = self.reasoner.offer.with_given(memory=memory)
            stack.push_async_callback(self.reasoner.aclose)
            yield


def parts(
    options: RunOptions, blueprints: Sequence[Blueprint], *, checkpoint: str | None = None, runs: int = 16
) -> Parts:
    """Check everything a server is started with.

    Args:
        options: Models, caps and the rest, as the command line reads them.
        blueprints: Those that are offered, the default first; without any, all that work.
        checkpoint: What keeps every run: a SQLite file, or the address of a Postgres database.
        runs: Most runs at once.

    Raises:
        BadInput: Something cannot work. Nothing was opened and nothing was paid.
    """
    policy: PolicyModel = options.policy(lambda what, share: None)
    judge, roles, values = options.judge_policy(), options.role_policies(), options.values()
    given: dict[str, Any] = {
        "policy": policy,
        "judge": judge,
        "models": roles,
        "tools": options.tool_functions(),
        "evaluator": options.evaluator_function() if values is None else values,
        "concurrency": options.concurrency,
        "safety": options.safety,
    }
    offered = offer(blueprints, given, options.budget, runs=runs, memory=options.memory is not None)
    if checkpoint is not None and not is_url(checkpoint):
        with open_saver(checkpoint):
            pass
    closed = [model for model in (policy, judge, *roles.values(), values) if model is not None]
    return Parts(Reasoner(offered), closed, options.memory, checkpoint)
