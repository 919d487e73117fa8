"""The rules by which a value climbs from a node to its ancestors, beside the running mean.

A run has one rule, named in its first event, so that a replayed trace backs up as the live run did. A rule sees one
node at a time: what stood there before, the node's own evaluation, and what its children have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reflectree.rlm_ops.errors import TraceError


class Node(NamedTuple):
    """What a rule sees.

    Attributes:
        before: The node's backed-up value so far; `None` at its first backup.
        own: The mean of its own evaluations; `None` while there is none.
        values: The backed-up values of its children that have one, oldest first, and `visits` their visit counts.
        via: The value of the child through which this backup comes; `None` at the node that was evaluated.
    """

    before: float | None
    own: float | None
    values: Sequence[float]
    visits: Sequence[int]
    via: float | None

    @property
    def mean_child(self) -> float:
        """The children's mean, weighted by their visits."""
        return sum(n * v for n, v in zip(self.visits, self.values, strict=True)) / sum(self.visits)


BackupRule = Callable[[Node], float]


class Backup(BaseModel):
    """A backup rule with its parameters.

    Attributes:
        rule: `mean` (AlphaZero's running mean), `max` (the best child), `x1` (discounted child mean, arXiv 2501.11223
            C.1), `rest-mcts` (child mean, arXiv 2406.03816), `mctsr` (half the node's own value, half its best child's,
            arXiv 2406.07394), `berry` (a share of the child's value, arXiv 2410.02884), `td` (one-step temporal
            difference).
        gamma: Discount of `x1` and `td`; the share of the child's value of `berry`, whose paper takes 0.1.
        rate: Learning rate of `x1` and `td`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["mean", "max", "x1", "rest-mcts", "mctsr", "berry", "td"] = "mean"
    gamma: float = Field(default=0.96, ge=0, le=1)
    rate: float = Field(default=1.0, gt=0, le=1)

    def to_row(self) -> dict[str, Any]:
        """What the trace's first event says: nothing for the mean."""
        return {} if self.rule == "mean" else self.model_dump()


def backup_rule(data: Mapping[str, Any]) -> BackupRule | None:
    """The rule that a trace's first event names; `None` for the mean, which the structure keeps by itself.

    Raises:
        TraceError: There is no such rule.
    """
    if not data:
        return None
    try:
        settings = Backup.model_validate(data)
    except ValidationError as error:
        raise TraceError(f"unknown backup rule {data!r:.80}: the trace is of a newer version") from error
    if settings.rule == "mean":
        return None
    rule, gamma, rate = _RULES[settings.rule], settings.gamma, settings.rate
    return lambda node: rule(node, gamma, rate)


def _leaf(node: Node) -> float | None:
    """The value of a node nothing was backed up to from below: its own."""
    return None if node.values else (node.own or 0.0)


def _max(node: Node, gamma: float, rate: float) -> float:
    own = _leaf(node)
    return max(node.values) if own is None else own


def _x1(node: Node, gamma: float, rate: float) -> float:
    own = _leaf(node)
    if own is not None:
        return own
    before = node.before if node.before is not None else (node.own or 0.0)
    return (1.0 - rate) * before + rate * gamma * node.mean_child


def _rest(node: Node, gamma: float, rate: float) -> float:
    own = _leaf(node)
    return node.mean_child if own is None else own


def _mctsr(node: Node, gamma: float, rate: float) -> float:
    own = _leaf(node)
    if own is not None:
        return own
    best = max(node.values)
    return best if node.own is None else 0.5 * (node.own + best)


def _berry(node: Node, gamma: float, rate: float) -> float:
    if node.via is None:
        return node.own or 0.0
    before = node.before if node.before is not None else node.own
    return node.via if before is None else (1.0 - gamma) * before + gamma * node.via


def _td(node: Node, gamma: float, rate: float) -> float:
    if node.via is None:
        return node.own or 0.0
    before = node.before if node.before is not None else (node.own or 0.0)
    return before + rate * (gamma * node.via - before)


_RULES: dict[str, Callable[[Node, float, float], float]] = {
    "max": _max,
    "x1": _x1,
    "rest-mcts": _rest,
    "mctsr": _mctsr,
    "berry": _berry,
    "td": _td,
}
