"""Seeded changes of designs, without a model: neighbours and children of two parents, each valid in its space."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from reflectree.graphs import blueprints
from reflectree.graphs.design_search.designs import BadDesign, applied, changes
from reflectree.graphs.design_search.parameters import Parameter
from reflectree.graphs.design_search.teaming import TEAM, convened, is_team, reteamed
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput

if TYPE_CHECKING:
    from reflectree.graphs.design_search.space import Space

TRIES = 64
"""Draws before a change is given up: most are valid at once."""
CROSSINGS = 8
"""Draws before a crossover is given up for its first parent."""
NEW_STRATEGY = 0.2
"""Share of mutations that change the strategy, where more than one is allowed."""
TEAM_CHANGE = 0.5
"""Share of mutations of a team that change the team itself."""
PHRASES = (
    "Think step by step, and check each step before the next.",
    "First say what is asked and what is given.",
    "Work it out in two ways, and compare the results.",
    "Check the answer against the question before you state it.",
    "List what is easily overlooked here, then solve the task.",
    "Be brief: only the steps that are needed.",
)
"""Plain instructions that a mutation without a model draws from."""


def mutate(space: Space, design: Blueprint, rng: Random) -> Blueprint:
    """A valid neighbour of a design.

    Raises:
        BadDesign: None was found.
    """
    options = [parameter for parameter in space.parameters(design) if parameter.kind != "demos"]
    others = [name for name in space.allowed_strategies if name != design.scheme.strategy.name]
    for _ in range(TRIES):
        if is_team(design) and rng.random() < TEAM_CHANGE:
            change = reteamed(design, space, rng)
        elif others and rng.random() < NEW_STRATEGY:
            name = rng.choice(others)
            change = convened(design, space, rng) if name == TEAM else _strategy(name, space)
        else:
            parameter = rng.choice(options)
            change = {parameter.path: _drawn(parameter, _at(design, parameter.path), rng)}
        try:
            child = space.check(applied(design, change))
        except BadDesign:
            continue
        if child.digest != design.digest:
            return child
    raise BadDesign(f"{TRIES} mutations of the design gave nothing that is new and allowed")


def crossover(space: Space, first: Blueprint, second: Blueprint, rng: Random) -> Blueprint:
    """A valid design of parts of two: each part that differs is taken from either parent."""
    groups = sorted({_group(path) for path, _, _ in changes(first, second)})
    theirs = json.loads(second.model_dump_json())
    for _ in range(CROSSINGS):
        taken = {path: value for path in groups if rng.random() < 0.5 and (value := _get(theirs, path)) is not None}
        try:
            return space.check(applied(first, taken))
        except BadDesign:
            continue
    return first


def _strategy(name: str, space: Space) -> dict[str, Any]:
    """A change to another strategy, with the scheme and selection that its own blueprint has."""
    try:
        template = blueprints.load(name)
    except BadInput:
        return {"scheme.strategy": {"name": name}}
    if template.scheme.strategy.name != name:
        return {"scheme.strategy": {"name": name}}
    scheme = json.loads(template.scheme.model_dump_json())
    for path, value in list(scheme["strategy"].items()):
        if isinstance(value, int) and not isinstance(value, bool):
            scheme["strategy"][path] = min(value, space.limits.samples)
    return {"scheme": scheme, "selection": template.selection}


def _drawn(parameter: Parameter, now: Any, rng: Random) -> Any:
    """A value of a parameter: near the one it has, where it is a number."""
    low, high = parameter.low, parameter.high
    match parameter.kind:
        case "choice":
            return rng.choice(parameter.choices)
        case "flag":
            return not now
        case "integer":
            if isinstance(now, int) and rng.random() < 0.5:
                return int(min(max(round(now * rng.choice((0.5, 0.75, 1.5, 2.0))), low), high))
            return rng.randint(int(low), int(high))
        case "number":
            return round(rng.uniform(low, high), 2)
        case "texts":
            return rng.sample(PHRASES, rng.randint(0, min(3, int(high))))
        case _:
            return rng.choice(PHRASES)


def _group(path: str) -> str:
    """The part of a design that is inherited whole: the scheme, an operator's field or variant, the memory."""
    first, *rest = path.split(".")
    if first == "operators" and len(rest) > 1:
        return ".".join(("operators", *rest[: 3 if rest[1] == "variants" else 2]))
    return first


def _at(design: Blueprint, path: str) -> Any:
    return _get(json.loads(design.model_dump_json()), path)


def _get(data: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(data, Mapping) or key not in data:
            return None
        data = data[key]
    return data
