"""How large a design may be: text, members, nesting, samples a task; what exceeds that is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from reflectree.graphs import blueprints
from reflectree.graphs.design_search.designs import BadDesign
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies.team import Convened

COUNTS = frozenset(
    {
        *("n", "m", "rounds", "width", "root_width", "iterations", "rollouts", "trials", "chains", "steps", "trees"),
        *(
            "members",
            "layers",
            "proposers",
            "agents",
            "most",
            "max_nodes",
            "most_nodes",
            "n_generate",
            "depth",
            "turns",
        ),
    }
)
"""Fields of strategies that say how often something is done."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a design may be.

    Attributes:
        characters: Of the whole design as JSON.
        text: Characters of one text of it (an instruction, a rubric).
        members: Variants of one operator.
        nested: Nested runs inside one another.
        samples: Most that any one count of its strategy may be, and samples a task where that can be told.
        tokens: Most tokens of one sample.
        demos: Worked examples, and phrasings.
    """

    characters: int = 24_000
    text: int = 2_000
    members: int = 8
    nested: int = 2
    samples: int = 64
    tokens: int = 4096
    demos: int = 8

    def said(self) -> str:
        """The limits in words."""
        return (
            f"Limits: {self.characters} characters in all, {self.text} a text, {self.demos} examples, {self.members} "
            f"members, {self.samples} samples a task, {self.tokens} tokens a sample, {self.nested} nested runs deep."
        )


def check_limits(design: Blueprint, limits: Limits) -> None:
    """Refuse a design that is too large, unbounded, or nests itself.

    Raises:
        BadDesign: It is; the message names the place and the limit.
    """
    size = len(json.dumps(design.model_dump(mode="json")))
    if size > limits.characters:
        raise BadDesign(f"it is huge: {size} characters, {limits.characters} are allowed")
    for path, text in _texts(design.model_dump(mode="json", include={"operators"})):
        if len(text) > limits.text:
            raise BadDesign(f"{path} has {len(text)} characters, {limits.text} are allowed")
    try:
        whole = blueprints.complete(design, most=limits.nested)
    except (BadInput, RecursionError) as error:
        raise BadDesign(f"it is cyclic or nested too deep: {error}") from error
    _check_sizes(design, limits)
    samples = samples_of(whole)
    if samples > limits.samples:
        raise BadDesign(f"it takes {samples} samples a task and more, {limits.samples} are allowed")


def _check_sizes(design: Blueprint, limits: Limits) -> None:
    for op in type(design.operators).model_fields:
        settings = getattr(design.operators, op)
        if len(settings.variants) > limits.members:
            raise BadDesign(f"operators.{op}: {len(settings.variants)} variants, {limits.members} are allowed")
        for how in ("", *settings.variants):
            one = settings.variant(how)
            tokens = getattr(one, "max_tokens", 0)
            if tokens > limits.tokens:
                raise BadDesign(f"operators.{op}.max_tokens: {tokens}, {limits.tokens} are allowed")
            for name in ("demos", "phrasings", "ladder"):
                if len(getattr(one, name, ())) > limits.demos:
                    raise BadDesign(f"operators.{op}.{name}: more than {limits.demos} entries")
    for path, count in _counts(design.scheme.strategy):
        if count is None:
            raise BadDesign(f"scheme.strategy.{path} has no bound: give a number of at most {limits.samples}")
        if count > limits.samples:
            raise BadDesign(f"scheme.strategy.{path}: {count}, {limits.samples} are allowed")


def samples_of(design: Blueprint) -> int:
    """A lower bound of the samples that a task takes, where runs nested in it are spelled out."""
    strategy = design.scheme.strategy
    counts = [count for path, count in _counts(strategy) if path in ("n", "trees", "chains") and count]
    own = max([*counts, len(strategy.team()) if isinstance(strategy, Convened) else 1])
    inner = 1
    for how in ("", *design.operators.generate.variants):
        nested = design.operators.generate.variant(how).nested
        if nested is not None and isinstance(nested.blueprint, Mapping):
            inner = max(inner, samples_of(Blueprint.parse(nested.blueprint)))
    return own * inner


def _counts(part: BaseModel, before: str = "") -> Iterator[tuple[str, int | None]]:
    """The counts of a strategy and of strategies in it; `None` is one that was left without a bound and needs one."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from _counts(value, f"{before}{name}.")
        elif name in COUNTS and isinstance(value, int) and not isinstance(value, bool):
            yield f"{before}{name}", value
        elif name == "n" and value is None:
            yield f"{before}{name}", None


def _texts(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if key != "nested":
                yield from _texts(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from _texts(value, f"{path}.{position}")
