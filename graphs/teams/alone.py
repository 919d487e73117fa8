"""What a team is compared with: self-consistency of the same policy, with as many tokens as the team used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from reflectree.graphs import blueprints
from reflectree.graphs.benching.run import at_equal_tokens
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models.base import Message, PolicyModel, Reply, Request
from reflectree.models.wrapping import Wrapped
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Grown
from reflectree.rlm_ops.task import Task

BASELINE = "self-consistency"
UNKNOWN = 1 << 20
"""Room for a reply where none of the team's shows how long they are: the blueprint's is taken."""


async def alone(
    task: str | Task, plan: Blueprint, result: Result, model: PolicyModel, run_id: str, shared: Mapping[str, Any]
) -> Result | None:
    """Self-consistency with as many tokens as the team used; `None` where it used none.

    Before a sample is drawn the most it may cost is reserved, so what is left at the end pays for nothing. So that this
    is little, a sample has room for twice the team's longest reply and not for all that the blueprint allows, and its
    prompt is reserved at what the same prompt has cost before.

    Args:
        task: The team's task.
        plan: The team's blueprint.
        result: The team's run.
        model: The policy.
        run_id: The name of the run.
        shared: Options of `asolve` that the team's run had.
    """
    if not result.usage.tokens:
        return None
    written = [event.usage.completion_tokens for event in result.trace if isinstance(event, Grown)]
    room = min(plan.operators.generate.max_tokens, 2 * max(written, default=0) or UNKNOWN)
    baseline = at_equal_tokens(blueprints.load(BASELINE)).with_overrides({"operators.generate.max_tokens": room})
    budget = Budget(tokens=result.usage.tokens)
    return await asolve(task, blueprint=baseline, policy=Counted(model), budget=budget, run_id=run_id, **shared)


class Counted(Wrapped):
    """A policy that knows what its prompts cost: the same prompt counts the same again.

    A model behind an endpoint can only say the most that a prompt may count, which is several times what it does.

    Args:
        policy: The policy.
    """

    def __init__(self, policy: PolicyModel) -> None:
        super().__init__(policy)
        self._counts: dict[tuple[tuple[Message, ...], str], int] = {}

    @override
    async def complete(self, request: Request) -> Reply:
        """Make one attempt, and remember what the prompt counted."""
        reply = await self._policy.complete(request)
        answered = reply.usage.calls - reply.usage.failed_calls
        if answered > 0 and reply.usage.prompt_tokens:
            self._counts[request.messages, request.prefill] = -(-reply.usage.prompt_tokens // answered)
        return reply

    @override
    def prompt_bound(self, request: Request) -> int:
        """What the prompt counted before, else the most it can count."""
        known = self._counts.get((request.messages, request.prefill))
        return self._policy.prompt_bound(request) if known is None else known
