"""Seeded changes of a team, without a model: who is in it, whose model speaks for whom, and who reads whom.

A team here is the strategy `team`: members that are told apart by variants of *generate* (where they read nobody) and
of *aggregate* (where they read others). Edges run from earlier members to later ones: none can wait for itself.
"""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

from reflectree.rlm_ops.blueprint import Blueprint

if TYPE_CHECKING:
    from reflectree.graphs.design_search.space import Space

TEAM = "team"
Changes = dict[str, Any]


def is_team(design: Blueprint) -> bool:
    """Whether a design is a team as data."""
    return design.scheme.strategy.name == TEAM


def convened(design: Blueprint, space: Space, rng: Random) -> Changes:
    """The change that makes a team of a design: one to three members beside one who reads them all."""
    roles = list(space.models)
    count = min(space.limits.members - 1, rng.randint(1, max(2, len(roles))))
    rng.shuffle(roles)
    first = [f"m{number + 1}" for number in range(count)]
    members: list[dict[str, Any]] = [{"id": name} for name in first]
    members.append({"id": f"m{count + 1}", "reads": first})
    models = [roles[number % len(roles)] for number in range(count + 1)]
    return _changes(design, members, dict(zip((*first, f"m{count + 1}"), models, strict=True)))


def reteamed(design: Blueprint, space: Space, rng: Random) -> Changes:
    """One change of a team: an edge, a member's model, a member more or less."""
    members = json.loads(design.scheme.strategy.model_dump_json())["members"]
    names = [member["id"] for member in members]
    kinds = ["edge", "edge", "more", "less"] + ["model"] * (len(space.models) > 1)
    kind = rng.choice(kinds)
    if kind == "model":
        name, role = rng.choice(names), rng.choice(list(space.models))
        return {
            f"operators.{op}.variants.{name}": {**getattr(design.operators, op).variants.get(name, {}), "model": role}
            for op in ("generate", "aggregate")
        }
    if kind == "more" and len(members) < space.limits.members:
        name = next(f"m{number}" for number in range(1, len(members) + 2) if f"m{number}" not in names)
        reads = [other for other in names if rng.random() < 0.5]
        return _changes(design, [*members, {"id": name, "reads": reads}], {name: rng.choice(list(space.models))})
    if kind == "less" and len(members) > 1:
        gone = rng.choice(names)
        left = [
            {**one, "reads": [name for name in one["reads"] if name != gone]} for one in members if one["id"] != gone
        ]
        return {"scheme.strategy.members": left}
    return {"scheme.strategy.members": _flipped(members, rng)}


def _flipped(members: list[dict[str, Any]], rng: Random) -> list[dict[str, Any]]:
    """The members with one edge more or less."""
    if len(members) < 2:
        return members
    later = rng.randrange(1, len(members))
    earlier = members[rng.randrange(later)]["id"]
    reads = members[later]["reads"]
    changed = [name for name in reads if name != earlier] if earlier in reads else [*reads, earlier]
    return [{**one, "reads": changed} if place == later else one for place, one in enumerate(members)]


def _changes(design: Blueprint, members: list[dict[str, Any]], models: dict[str, str]) -> Changes:
    """The change that gives a design these members, with variants for those named in `models`."""
    changes: Changes = {
        "scheme.structure": "dag",
        "scheme.granularity": "solution",
        "scheme.strategy": {"name": TEAM, "members": members},
        "selection": "majority",
    }
    for op in ("generate", "aggregate"):
        variants = dict(getattr(design.operators, op).variants)
        for name, role in models.items():
            variants[name] = {"model": role, **({"prompt": "layer"} if op == "aggregate" else {})}
        changes[f"operators.{op}.variants"] = variants
    return changes
