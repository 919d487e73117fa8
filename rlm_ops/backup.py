"""The rules by which a value climbs from a node to its ancestors, beside the running mean.

A run has one rule, named in its first event, so that a replayed trace backs up as the live run did. A rule sees one
node at a time: what stood there before, the node's own evaluation, and what its children have. The arithmetic is that
of `reflectree.rlm_ops.formulas.backups`; here stands what a rule does where something is not known yet. Nothing here
knows of search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.formulas.backups import (
    berry_backup,
    child_mean,
    mctsr_backup,
    mixed_value,
    td_backup,
    x1_backup,
)

ROLLOUT = "rollout"
"""The variant of *generate* whose nodes are a rollout: they tell what a node may lead to."""


class Node(NamedTuple):
    """What a rule sees.

    Attributes:
        before: The node's backed-up value so far; `None` at its first backup.
        own: The mean of its own evaluations; `None` while there is none.
        values: The backed-up values of its children that have one, oldest first, and `visits` their visit counts.
        via: The value of the child through which this backup comes; `None` at the node that was evaluated.
        least: The lowest of its own evaluations.
        how: The variant that grew the node, and `hows` those that grew its children.
    """

    before: float | None
    own: float | None
    values: Sequence[float]
    visits: Sequence[int]
    via: float | None
    how: str = ""
    hows: Sequence[str] = ()
    least: float | None = None

    @property
    def mean_child(self) -> float:
        """The children's mean, weighted by their visits; 0 of none."""
        return child_mean(self.values, self.visits) or 0.0

    @property
    def first(self) -> float:
        """What an update starts from: what stood there, else the own mean, else 0."""
        return self.before if self.before is not None else (self.own or 0.0)


BackupRule = Callable[[Node], float]

_GAMMAS = {"x1": 0.96, "td": 1.0, "berry": 0.1}
_PARAMETERS = {"x1": ("gamma", "rate"), "td": ("gamma", "rate"), "berry": ("gamma",), "rest-mcts": ("alpha",)}


class Backup(BaseModel):
    """A backup rule with its parameters; in a blueprint the rule's name alone will do.

    Attributes:
        rule: `mean` (AlphaZero's running mean), `max` (the best child), `x1` (discounted child mean, arXiv 2501.11223
            C.1), `rest-mcts` (child mean, arXiv 2406.03816), `mctsr` (half the node's own value, which lies halfway
            between its lowest and its mean evaluation, half its best child's, arXiv 2406.07394), `berry` (a share of
            the child's value, arXiv 2410.02884), `td` (one-step temporal difference).
        gamma: Discount of `x1` (its paper takes 0.96) and `td` (1: an answer is worth the same at any depth); the share
            of the child's value of `berry` (0.1). `None` is the rule's own.
        rate: Learning rate of `x1` and `td`.
        alpha: `rest-mcts`: the share of the best value of its rollout in the value of a node that has nothing else
            below it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rule: Literal["mean", "max", "x1", "rest-mcts", "mctsr", "berry", "td"] = "mean"
    gamma: float | None = Field(default=None, ge=0, le=1)
    rate: float = Field(default=1.0, gt=0, le=1)
    alpha: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, data: Any) -> Any:
        return {"rule": data} if isinstance(data, str) else data

    @property
    def discount(self) -> float:
        """`gamma`, or the rule's own."""
        return _GAMMAS.get(self.rule, 1.0) if self.gamma is None else self.gamma

    def to_row(self) -> dict[str, Any]:
        """What the trace's first event says: nothing for the mean; else the rule and those parameters it has."""
        if self.rule == "mean":
            return {}
        known = {"gamma": self.discount, "rate": self.rate, "alpha": self.alpha}
        return {"rule": self.rule, **{name: known[name] for name in _PARAMETERS.get(self.rule, ())}}


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
    return None if settings.rule == "mean" else _RULES[settings.rule](settings)


def _own(node: Node) -> float:
    """The value of a node nothing was backed up to from below."""
    return node.own or 0.0


def _max(_: Backup) -> BackupRule:
    return lambda node: max(node.values) if node.values else _own(node)


def _x1(settings: Backup) -> BackupRule:
    gamma, rate = settings.discount, settings.rate

    def rule(node: Node) -> float:
        return x1_backup(node.first, node.visits, node.values, gamma, rate) if node.values else _own(node)

    return rule


def _rest(settings: Backup) -> BackupRule:
    alpha = settings.alpha

    def rule(node: Node) -> float:
        if not node.values:
            return _own(node)
        if node.own is None or not node.hows or any(how != ROLLOUT for how in node.hows):
            return node.mean_child
        best = max(node.values)
        return max(node.own, best) if node.how == ROLLOUT else mixed_value(node.own, best, alpha)

    return rule


def _mctsr(_: Backup) -> BackupRule:
    def rule(node: Node) -> float:
        own = node.own if node.own is None or node.least is None else 0.5 * (node.least + node.own)
        if not node.values:
            return own or 0.0
        best = max(node.values)
        return best if own is None else mctsr_backup(own, best)

    return rule


def _berry(settings: Backup) -> BackupRule:
    gamma = settings.discount

    def rule(node: Node) -> float:
        if node.via is None:
            return _own(node)
        known = node.before is not None or node.own is not None
        return berry_backup(node.first, node.via, gamma) if known else node.via

    return rule


def _td(settings: Backup) -> BackupRule:
    gamma, rate = settings.discount, settings.rate
    return lambda node: _own(node) if node.via is None else td_backup(node.first, node.via, 0.0, gamma, rate)


_RULES: dict[str, Callable[[Backup], BackupRule]] = {
    "max": _max,
    "x1": _x1,
    "rest-mcts": _rest,
    "mctsr": _mctsr,
    "berry": _berry,
    "td": _td,
}
