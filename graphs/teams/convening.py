"""Run a team on a task, and self-consistency at equal tokens beside it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from reflectree.graphs import blueprints
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.casting import check_cast, parts
from reflectree.graphs.run import asolve
from reflectree.graphs.teams.alone import alone
from reflectree.graphs.teams.report import TeamReport
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.task import Task

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
    check_cast(plan, models or {})
    run_id = run_id or uuid.uuid4().hex[:12]
    model = resolve_policy(policy)
    try:
        result = await asolve(
            task,
            blueprint=plan,
            policy=model,
            models=models,
            budget=budget,
            run_id=run_id,
            **options,
        )
        shared = {name: options[name] for name in _SHARED if name in options}
        try:
            sampled = await alone(task, plan, result, model, f"{run_id}-alone", shared)
        except ModelError as error:  # the team's answer is paid, and no worse for it
            return TeamReport.of(result, None, str(error))
        return TeamReport.of(result, sampled)
    finally:
        if model is not policy:
            await model.aclose()


def convene(task: str | Task, blueprint: Any = "debate", **options: Any) -> TeamReport:
    """`aconvene` for code that is not async: the same arguments, result and errors."""
    return run_sync(aconvene(task, blueprint, **options))
