"""Run a team on a task, and self-consistency at equal tokens beside it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from reflectree.graphs import blueprints
from reflectree.graphs.benching.run import at_equal_tokens
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.graphs.teams.casting import cast, parts
from reflectree.graphs.teams.report import TeamReport
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.events import Grown
from reflectree.rlm_ops.task import Task

BASELINE = "self-consistency"
UNKNOWN = 1 << 20
"""Room for a reply where none of the team's shows how long they are: the blueprint's is taken."""
_SHARED = ("verifier", "concurrency", "seed", "retries", "oracle", "checkpoint")
"""Options of `asolve` that the baseline's run shares with the team's."""


async def aconvene(
    task: str | Task,
    blueprint: Any = "debate",
    *,
    policy: Any = "embedded",
    models: Mapping[str, Any] | None = None,
    budget: Budget | None = None,
    run_id: str | None = None,
    **options: Any,
) -> TeamReport:
    """Have a team work on a task, then sample alone with as many tokens as it used.

    The baseline costs at most what the team did, so that the whole costs up to twice the team's bill.

    Args:
        task: A question or a `Task`.
        blueprint: The team: `debate`, `moa`, `role-team`, or one of your own with a strategy of these kinds.
        policy: The model of every member without a model of its own, and of the baseline.
        models: Further models, by the names of members (`agent-2`, `proposer-1`, `planner`, those of a `team`) or by
            the roles that the blueprint names.
        budget: Hard caps of the team's run.
        run_id: The team's run; the baseline's is called the same with `-alone` at its end.
        options: As those of `asolve`.

    Raises:
        BadInput: The blueprint is no team, or something else given cannot work. Nothing was paid.
        ModelError: The model cannot be reached or refuses.
    """
    plan = blueprints.load(blueprint)
    if not parts(plan):
        raise BadInput(
            f"blueprint {plan.name} is no team: its strategy is {plan.scheme.strategy.name}; "
            "use debate, moa, role-team, or one with the strategy team"
        )
    run_id = run_id or uuid.uuid4().hex[:12]
    model = resolve_policy(policy)
    try:
        result = await asolve(
            task,
            blueprint=cast(plan, models or {}),
            policy=model,
            models=models,
            budget=budget,
            run_id=run_id,
            **options,
        )
        shared = {name: options[name] for name in _SHARED if name in options}
        try:
            alone = await _alone(task, plan, result, model, f"{run_id}-alone", shared)
        except ModelError as error:  # the team's answer is paid, and no worse for it
            return TeamReport.of(result, None, str(error))
        return TeamReport.of(result, alone)
    finally:
        if model is not policy:
            await model.aclose()


def convene(task: str | Task, blueprint: Any = "debate", **options: Any) -> TeamReport:
    """`aconvene` for code that is not async: the same arguments, result and errors."""
    return run_sync(aconvene(task, blueprint, **options))


async def _alone(
    task: str | Task, plan: Blueprint, result: Result, model: Any, run_id: str, shared: Mapping[str, Any]
) -> Result | None:
    """Self-consistency with as many tokens as the team used.

    Before a sample is drawn the most it may cost is reserved, so what is left at the end pays for nothing. So that this
    is little, a sample has room for twice the team's longest reply and not for all that the blueprint allows.
    """
    if not result.usage.tokens:
        return None
    written = [event.usage.completion_tokens for event in result.trace if isinstance(event, Grown)]
    room = min(plan.operators.generate.max_tokens, 2 * max(written, default=0) or UNKNOWN)
    baseline = at_equal_tokens(blueprints.load(BASELINE)).with_overrides({"operators.generate.max_tokens": room})
    budget = Budget(tokens=result.usage.tokens)
    return await asolve(task, blueprint=baseline, policy=model, budget=budget, run_id=run_id, **shared)
