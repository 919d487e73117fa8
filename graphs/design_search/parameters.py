"""What may change in a design, and between which bounds: one `Parameter` a dotted path, by level of search.

Levels hold one another: whoever may change modules may change prompts too, and whoever may change agents both. Which
of them are offered for a design depends on its strategy and on what a space grants; that is the space's business.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from reflectree.rlm_ops.strategies.base import Strategy

Level = Literal["prompt", "module", "agent"]
LEVELS: tuple[Level, ...] = ("prompt", "module", "agent")
Kind = Literal["text", "texts", "demos", "choice", "integer", "number", "flag"]

PROMPT_FIELDS: dict[str, tuple[tuple[str, Kind, str], ...]] = {
    "generate": (
        ("instruction", "text", "how to go about the task; it stands after the question"),
        ("demos", "demos", "worked examples, each {question, steps: [...], answer}"),
        ("phrasings", "texts", "hints, one a sample in turn"),
    ),
    "refine": (("instruction", "text", "how to rewrite a solution"),),
    "aggregate": (("instruction", "text", "how to merge solutions"),),
    "evaluate": (("rubric", "text", "what the judge looks at"),),
    "enrich": (),
}
"""What the prompt level may change, by operator: field, kind, what it is."""

Bounds = tuple[float, float]
NUMBERS: dict[str, tuple[tuple[str, Kind, Bounds, str], ...]] = {
    "generate": (
        ("temperature", "number", (0.0, 1.5), "sampling temperature"),
        ("max_tokens", "integer", (16, 4096), "most tokens of a sample"),
    ),
    "refine": (
        ("temperature", "number", (0.0, 1.5), "sampling temperature of a rewrite"),
        ("max_tokens", "integer", (16, 4096), "most tokens of a rewrite"),
    ),
    "aggregate": (
        ("temperature", "number", (0.0, 1.5), "sampling temperature of a merge"),
        ("max_tokens", "integer", (16, 4096), "most tokens of a merge"),
    ),
    "evaluate": (
        ("repeats", "integer", (1, 8), "samples of a judgement, whose mean counts"),
        ("rollouts", "integer", (1, 8), "completions an evaluation (kind rollouts)"),
    ),
    "enrich": (),
}
"""Numbers that the module level may change, by operator."""

CHOICES: dict[str, tuple[tuple[str, tuple[str, ...], str], ...]] = {
    "generate": (),
    "refine": (
        ("critique", ("auto", "self", "none"), "where the critique comes from"),
        ("prompt", ("rewrite", "summarise", "clarify"), "what a refinement does"),
    ),
    "aggregate": (("prompt", ("merge", "consensus", "synthesis"), "how solutions are merged"),),
    "evaluate": (("kind", ("judge", "rubric", "scale", "rollouts"), "who scores"),),
    "enrich": (),
}
"""Choices that the module level may change, by operator."""

SELECTIONS = ("value", "visits", "majority", "weighted_vote")
"""Ways to select an answer that need nothing more than the run itself."""

STRATEGIES_AT_MODULE: tuple[str, ...] = (
    "cot",
    "self-consistency",
    "best-of-n",
    "self-refine",
    "mctsr",
    "beam",
    "mcts",
    "ab-mcts",
)
"""Strategies that the module level may take, where a space names no others."""

TEAMS: tuple[str, ...] = ("team", "debate", "moa", "role-team", "got")
"""Strategies that the agent level may take beside those, as far as they are installed."""

RANGES: dict[tuple[str, str], Bounds] = {
    ("self-consistency", "n"): (2, 16),
    ("best-of-n", "n"): (2, 16),
    ("self-refine", "n"): (1, 4),
    ("self-refine", "rounds"): (1, 6),
    ("self-refine", "patience"): (1, 3),
    ("mctsr", "rollouts"): (2, 16),
    ("mctsr", "max_children"): (1, 4),
    ("beam", "n"): (2, 16),
    ("beam", "m"): (1, 4),
    ("beam", "rounds"): (2, 12),
    ("mcts", "width"): (2, 6),
    ("mcts", "root_width"): (2, 8),
    ("mcts", "depth"): (2, 16),
    ("mcts", "c"): (0.1, 3.0),
    ("mcts", "iterations"): (4, 64),
    ("ab-mcts", "max_nodes"): (4, 64),
    ("debate", "agents"): (2, 6),
    ("debate", "rounds"): (1, 4),
    ("moa", "layers"): (2, 4),
    ("moa", "proposers"): (1, 6),
    ("role-team", "turns"): (1, 8),
    ("role-team", "plan"): (0, 1),
}
"""Ranges of strategies' parameters that are searched; those of strategies without any here follow from their fields."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that may change.

    Attributes:
        path: Where it stands in a blueprint.
        kind: What its values are.
        about: What it is, in words.
        level: The lowest level that may change it.
        low: Least value of a number, and `high` its most; most characters of a text, most entries of a list.
        choices: The values of a choice.
    """

    path: str
    kind: Kind
    about: str
    level: Level
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()

    def said(self) -> str:
        """One line of a description."""
        match self.kind:
            case "text":
                form = f"text of at most {self.high:g} characters"
            case "texts":
                form = f"list of at most {self.high:g} texts"
            case "demos":
                form = f"list of at most {self.high:g} worked examples"
            case "choice":
                form = f"one of {', '.join(self.choices)}"
            case "flag":
                form = "true or false"
            case "integer":
                form = f"whole number from {self.low:g} to {self.high:g}"
            case "number":
                form = f"number from {self.low:g} to {self.high:g}"
        return f"{self.path}: {form}" + (f"; {self.about}" if self.about else "")


def of_strategy(strategy: type[Strategy], most: int) -> tuple[Parameter, ...]:
    """The parameters of a strategy that may be searched; no whole number is offered above `most`."""
    named = {field: bounds for (name, field), bounds in RANGES.items() if name == strategy.name}
    found = []
    for field, info in strategy.model_fields.items():
        parameter = _parameter(f"scheme.strategy.{field}", info, named.get(field), most)
        if field != "confidence" and parameter is not None and (not named or field in named):
            found.append(parameter)
    return tuple(found)


def _parameter(path: str, info: FieldInfo, bounds: Bounds | None, most: int) -> Parameter | None:
    """What a strategy's field may be; `None` where that cannot be told."""
    plain = _without_none(info.annotation)
    least, top = (_bound(info, "ge", "gt"), _bound(info, "le", "lt"))
    if get_origin(plain) is Literal:
        return Parameter(path, "choice", "", "module", choices=tuple(map(str, get_args(plain))))
    if plain is bool:
        return Parameter(path, "flag", "", "module")
    if plain is int:
        low, high = bounds or (least if least is not None else 0, max(8, 2 * int(info.default or 4)))
        return Parameter(path, "integer", "", "module", low, min(high, most))
    if plain is float and (bounds or (least is not None and top is not None)):
        low, high = bounds or (least or 0.0, top or 1.0)
        return Parameter(path, "number", "", "module", low, high)
    return None


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _bound(info: FieldInfo, *names: str) -> float | None:
    for constraint in info.metadata:
        for name in names:
            found = getattr(constraint, name, None)
            if found is not None:
                return float(found)
    return None
