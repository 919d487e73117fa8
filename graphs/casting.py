"""Who plays which member: models given by a member's name become the models of that member's variants.

A team is told by its strategy alone; nothing here makes a model or runs anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reflectree.graphs import blueprints
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies.parse import nearest
from reflectree.rlm_ops.strategies.role_team import PLANNER, SOLVER, VERIFIER, RoleTeam
from reflectree.rlm_ops.strategies.team import Convened

_PLAIN = frozenset({"policy", "judge"})
"""Roles that settings name where nobody else is wanted."""
_ANYWHERE = frozenset({"judge", "critic", "discriminator"})
"""Roles that may be given to any blueprint."""


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
    played = parts(blueprint)
    cast_now = [(role, op, how) for role in roles for op, how in played.get(role, [])]
    if not cast_now:
        return blueprint
    data = blueprint.model_dump(mode="json")
    for role, op, how in cast_now:
        settings: dict[str, Any] = data["operators"][op]
        if how:
            settings["variants"].setdefault(how, {}).setdefault("model", role)
        elif settings["model"] in _PLAIN:
            settings["model"] = role
    return Blueprint.parse(data, origin=f"blueprint {blueprint.name}")


def check_cast(blueprint: Blueprint, roles: Iterable[str]) -> None:
    """Refuse a model for a role that nobody plays: it would never be asked.

    The policy is no role of these: it is given by an argument of its own, and whoever takes models says so.

    Raises:
        BadInput: There is one; the message names the roles there are.
    """
    known = sorted(_roles(blueprint) | _ANYWHERE)
    for role in roles:
        if role not in known and role != "policy":
            raise BadInput(
                f"blueprint {blueprint.name} has no role {role!r}, so that this model would never be asked; "
                f"{nearest(role, known)}"
            )


def _roles(blueprint: Blueprint) -> set[str]:
    """The roles that a blueprint and those nested in it name, members of teams included."""
    found = set(parts(blueprint))
    operators = blueprint.operators
    for op in ("generate", "refine", "aggregate", "enrich", "evaluate"):
        settings = getattr(operators, op)
        found |= {settings.variant(how).model for how in ("", *settings.variants)}
    for stage in blueprint.memory.learn if blueprint.memory is not None else ():
        found.add(stage.model)
    for how in ("", *operators.generate.variants):
        nested = operators.generate.variant(how).nested
        if nested is not None:
            found |= _roles(blueprints.load(nested.blueprint))
    return found - {"policy"}
