"""The name of a model that reasons: `BLUEPRINT/POLICY`, as `mcts/openai/gpt-5-mini`.

A blueprint alone means the first policy. A name is looked up among those that are offered and never resolved: nobody
who only names a model can make this process read a file, connect to an address, or spend with a model that was not
meant for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from reflectree.rlm_ops.errors import BadInput

_SHOWN = 60
"""Characters of an unknown name that an error repeats."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What may be named.

    Attributes:
        blueprints: Names of reasoning systems; without a `/`.
        policies: Names of policies; the first is meant where none is named.
    """

    blueprints: tuple[str, ...]
    policies: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.blueprints or not self.policies:
            raise BadInput("nothing to offer: give at least one blueprint and one policy")
        wrong = [name for name in self.blueprints if "/" in name or not name]
        if wrong:
            raise BadInput(f"a blueprint called {wrong[0]!r} cannot be part of a model's name: name it without a '/'")

    def __iter__(self) -> Iterator[str]:
        """Every full name, the first policy's first."""
        return (full_name(blueprint, policy) for policy in self.policies for blueprint in self.blueprints)

    def __contains__(self, name: object) -> bool:
        return any(name == known for known in self)


class UnknownModel(BadInput):
    """No such model is offered; `part` says of which part that is true."""

    def __init__(self, message: str, part: str) -> None:
        super().__init__(message)
        self.part = part


def full_name(blueprint: str, policy: str) -> str:
    """`BLUEPRINT/POLICY`."""
    return f"{blueprint}/{policy}"


def parse_model(name: str, offered: Offered) -> tuple[str, str]:
    """The blueprint and the policy that a name means.

    Args:
        name: `mcts/openai/gpt-5-mini`, or `mcts` for the first policy.
        offered: What may be named.

    Raises:
        UnknownModel: It is not offered; the message names the nearest that is.

    Example:
        >>> parse_model("mcts", Offered(("cot", "mcts"), ("embedded", "openai/gpt-5-mini")))
        ('mcts', 'embedded')
        >>> parse_model("mcts/openai/gpt-5-mini", Offered(("cot", "mcts"), ("embedded", "openai/gpt-5-mini")))
        ('mcts', 'openai/gpt-5-mini')
    """
    blueprint, slash, policy = name.partition("/")
    if blueprint not in offered.blueprints:
        if name in offered.policies:
            known = full_name(offered.blueprints[0], name)
            raise UnknownModel(f"{name!r} is a policy: name a blueprint before it, for example {known!r}", "blueprint")
        said = f"no model {_short(name)!r} here: {_nearest(name, blueprint, policy, offered)}"
        raise UnknownModel(said, "blueprint")
    if not slash:
        return blueprint, offered.policies[0]
    if policy not in offered.policies:
        said = f"no model {_short(name)!r} here: {_nearest(name, blueprint, policy, offered)}"
        raise UnknownModel(said, "policy")
    return blueprint, policy


def _nearest(name: str, blueprint: str, policy: str, offered: Offered) -> str:
    """What a wrong name was probably meant to be, and where all of them are listed."""
    near_blueprint = difflib.get_close_matches(blueprint[:_SHOWN], offered.blueprints, 1, 0.5)
    near_policy = difflib.get_close_matches(policy[:_SHOWN], offered.policies, 1, 0.5) if policy else []
    if near_blueprint:
        meant = full_name(near_blueprint[0], near_policy[0]) if near_policy else near_blueprint[0]
        if policy and not near_policy:
            meant = full_name(near_blueprint[0], offered.policies[0])
    else:
        names = [*offered.blueprints, *offered]
        meant = (difflib.get_close_matches(name[:_SHOWN], names, 1, 0.3) or names)[0]
    return f"did you mean {meant!r}? GET /v1/models lists all {len(offered.blueprints) * len(offered.policies)}"


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
