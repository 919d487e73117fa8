"""Who plays which member: models given by a member's name become the models of that member's variants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.strategies.role_team import PLANNER, SOLVER, VERIFIER, RoleTeam
from reflectree.rlm_ops.strategies.team import Convened


def parts(blueprint: Blueprint) -> dict[str, list[tuple[str, str]]]:
    """What each member of a blueprint's team plays: pairs of an operator and its variant, "" for the plain settings."""
    strategy = blueprint.scheme.strategy
    if isinstance(strategy, RoleTeam):
        return {
            PLANNER: [("generate", PLANNER)],
            SOLVER: [("generate", SOLVER), ("refine", "")],
            VERIFIER: [("evaluate", "")],
        }
    played: dict[str, list[tuple[str, str]]] = {}
    if isinstance(strategy, Convened):
        for member in strategy.team():
            part = (member.op, member.how)
            if part not in played.setdefault(member.how, []):
                played[member.how].append(part)
    return played


def cast(blueprint: Blueprint, roles: Iterable[str]) -> Blueprint:
    """The blueprint in which every role that is named as a member is that member's model.

    Roles of other names (`critic`, `judge`) are left to the blueprint, and so is a member that has a model already.

    >>> from reflectree.graphs import blueprints
    >>> cast(blueprints.load("debate"), ["agent-2"]).operators.aggregate.variants
    {'agent-2': {'model': 'agent-2'}}
    """
    played, data = parts(blueprint), blueprint.model_dump(mode="json")
    for role in roles:
        for op, how in played.get(role, []):
            settings: dict[str, Any] = data["operators"][op]
            if not how:
                settings["model"] = role
            else:
                settings["variants"].setdefault(how, {}).setdefault("model", role)
    return Blueprint.parse(data, origin=f"blueprint {blueprint.name}")
