"""What a server offers: the blueprints, what each is run with, and the most a run may cost.

All of it is decided when the server is started. A client picks among names and asks for less; it can name no model, no
file and no address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from reflectree.graphs import blueprints
from reflectree.graphs.preparing import prepare
from reflectree.rlm_ops.blueprint import Blueprint, nearest
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput

FIRST = ("best-of-n", "mcts", "cot")
"""Which is the default, where the server's owner named none: the first of these that is offered."""

_MEASURED = frozenset({"funsearch", "hypothesis-search", "llm-sr", "opro"})
"""Blueprints for problems that measure their solutions: without an evaluator of that kind they search blindly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What clients may ask for.

    Attributes:
        blueprints: The reasoning systems by name.
        default: The name of the one that is used where a client names none.
        given: What every run is given: keyword arguments of `asolve`, the models among them.
        caps: The most a run may cost; a client may ask for less.
        runs: Most runs at once.
    """

    blueprints: Mapping[str, Blueprint]
    default: str
    given: Mapping[str, Any] = field(default_factory=dict)
    caps: Budget = field(default_factory=Budget)
    runs: int = 16

    def with_given(self, **more: Any) -> Offer:
        """The same offer, its runs given something more."""
        return replace(self, given={**self.given, **more})

    def blueprint(self, name: str | None) -> Blueprint:
        """The blueprint of that name, or the default.

        Raises:
            BadInput: It is not offered here.
        """
        if name is None:
            return self.blueprints[self.default]
        if name not in self.blueprints:
            raise BadInput(f"this server offers no blueprint {name!r:.80}; {nearest(name, list(self.blueprints))}")
        return self.blueprints[name]

    def budget(self, **asked: float | None) -> Budget:
        """The caps of one run: those asked for, and the server's where nothing is asked.

        Raises:
            BadInput: More is asked for than the server allows.
        """
        caps: dict[str, Any] = {}
        for spec in fields(Budget):
            most, wanted = getattr(self.caps, spec.name), asked.get(spec.name)
            if wanted is not None and most is not None and wanted > most:
                raise BadInput(f"max_{spec.name}={wanted:g} is more than this server allows: at most {most:g}")
            caps[spec.name] = most if wanted is None else wanted
        return Budget(**caps)


def offer(
    named: Sequence[Blueprint], given: Mapping[str, Any], caps: Budget, *, runs: int = 16, memory: bool = False
) -> Offer:
    """What a server with these models offers.

    Args:
        named: The blueprints, the default first; without any, all that work with what is given.
        given: What every run is given: keyword arguments of `asolve`.
        caps: The most a run may cost.
        runs: Most runs at once.
        memory: Whether runs have a memory; blueprints that live on one are left out where they have not.

    Raises:
        BadInput: A named blueprint cannot run here, or two have the same name.
    """
    if named:
        found: dict[str, Blueprint] = {}
        for blueprint in named:
            if blueprint.name in found:
                raise BadInput(f"--blueprint {blueprint.name} is given twice: give each once")
            _check(blueprint, given, caps)
            found[blueprint.name] = blueprint
        return Offer(blueprints=found, default=next(iter(found)), given=given, caps=caps, runs=runs)
    everything = {name: blueprints.load(name) for name in blueprints.names()}
    measured = given.get("evaluator") is not None
    usable = {
        name: blueprint
        for name, blueprint in everything.items()
        if (memory or blueprint.memory is None)
        and (measured or name not in _MEASURED)
        and _works(blueprint, given, caps)
    }
    default = next((name for name in FIRST if name in usable), next(iter(usable), None))
    if default is None:
        raise BadInput("no blueprint works with what this server is given: name one with --blueprint to see why")
    return Offer(blueprints=usable, default=default, given=given, caps=caps, runs=runs)


def _works(blueprint: Blueprint, given: Mapping[str, Any], caps: Budget) -> bool:
    try:
        _check(blueprint, given, caps)
    except BadInput:
        return False
    return True


def _check(blueprint: Blueprint, given: Mapping[str, Any], caps: Budget) -> None:
    """Refuse a blueprint that cannot run with what is given.

    Raises:
        BadInput: It cannot; the message names what is missing.
    """
    setup = prepare(blueprint, budget=caps, **given)
    if setup.asking is not None:
        raise BadInput(f"blueprint {blueprint.name} asks a person, and an MCP server has none: leave it out")
