"""The models and agents that a run is given, held against the blueprint that is to use them.

What else is validated, and in which order, is in `reflectree.graphs.preparing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reflectree.agents.base import Agent
from reflectree.models.base import PolicyModel
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies.parse import nearest


def own_agents(agents: Mapping[str, Agent], plan: Blueprint) -> Mapping[str, Agent]:
    """The agents given, if the blueprint's strategy asks for what they do.

    Raises:
        BadInput: One is given for an operator that is not its own, or that nobody asks for.
    """
    uses = plan.scheme.strategy.uses()
    for op, agent in agents.items():
        if getattr(agent, "op", None) != op:
            raise BadInput(f"agents={{{op!r}: ...}}: this agent carries out {getattr(agent, 'op', 'nothing')!r}")
        if op not in uses:
            raise BadInput(
                f"agents={{{op!r}: ...}}: strategy {plan.scheme.strategy.name} of blueprint {plan.name} asks for "
                f"{', '.join(sorted(uses))} only"
            )
    return agents


def models_by_role(policy: Any, judge: Any, models: Mapping[str, Any]) -> dict[str, PolicyModel]:
    """The models by role."""
    given = {"policy": policy, **({} if judge is None else {"judge": judge}), **models}
    if "policy" in models or (judge is not None and "judge" in models):
        raise BadInput("models=: the policy and the judge are given by arguments of their own")
    return {role: resolve_policy(model) for role, model in given.items()}


_OPTIONAL_ROLES = frozenset({"policy", "judge", "critic", "discriminator"})
"""Roles that the policy takes where nobody else has them."""


def check_roles(plan: Blueprint, roles: Mapping[str, PolicyModel]) -> None:
    """Refuse a blueprint that names a model nobody gave."""
    for op in ("generate", "refine", "aggregate", "enrich", "evaluate"):
        settings = getattr(plan.operators, op)
        for how in ("", *settings.variants):
            role = settings.variant(how).model
            if role not in roles and role not in _OPTIONAL_ROLES:
                raise BadInput(
                    f"blueprint {plan.name}: operators.{op} wants a model for the role {role!r}: "
                    f'give models={{"{role}": ...}} (--role {role}=MODEL); {nearest(role, list(roles))}'
                )
    for stage in plan.memory.learn if plan.memory is not None else ():
        role = stage.model
        if role not in roles and role not in _OPTIONAL_ROLES:
            raise BadInput(
                f"blueprint {plan.name}: memory.learn wants a model for the role {role!r}: "
                f'give models={{"{role}": ...}} (--role {role}=MODEL); {nearest(role, list(roles))}'
            )
