"""The words of searches that grow level by level: what such a search does, and how far it has come.

A *group* is a set of beams that compete with each other: beam search has one, DVTS one a subtree. Nothing here reads a
structure; `reflectree.rlm_ops.strategies.levels` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from reflectree.rlm_ops.formulas.readouts import Aggregation

LOOKAHEAD = "lookahead"
"""The variant that looks ahead: greedy steps that only inform the score of the step before them."""
WHOLE = "whole"
"""The variant that writes a solution to its end, on the last level."""

Finished = Literal["compete", "level", "aside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a level-wise search does.

    Attributes:
        groups: Groups of beams, grown side by side.
        keep: Beams a group keeps after each level.
        first: Samples of the first level, a group.
        width: Samples a kept beam gets; on the last level `last`.
        depth: Levels.
        refill: Share the samples of missing beams (duplicates, failures) out among the others.
        finished: Whether finished beams take places: all so far `compete`, only those of this `level`, or none.
        shrink: A place taken by a finished beam is never given back.
        reduce: How the scores along a path become one.
        temperature: Keep by chance, proportional to value at this temperature; the best where `None`.
        lookahead: Steps looked ahead before a step is scored.
        distinct: Prune a step that says the same as a sibling.
        finish: Write to the end on the last level.
        generate: The variant of *generate*, and `evaluate` that of *evaluate*.
        together: Score a level's steps only when all of them are there, as a vote must.
    """

    keep: int
    first: int
    width: int
    depth: int
    groups: int = 1
    last: int | None = None
    refill: bool = False
    finished: Finished = "compete"
    shrink: bool = False
    reduce: Aggregation = "last"
    temperature: float | None = None
    lookahead: int = 0
    distinct: bool = True
    finish: bool = True
    generate: str = ""
    evaluate: str = ""
    together: bool = False

    @property
    def most_children(self) -> int:
        """Most calls below one node that is not the root."""
        each = max(self.width, self.last or 0)
        return each * (self.keep if self.refill else 1) + (1 if self.lookahead else 0)


class Share(NamedTuple):
    """The calls a level makes below one node, by their indices."""

    node: int
    indices: range


class Verdict(NamedTuple):
    """What becomes of a complete level: what is pruned and why, and what goes on to how many places."""

    losers: list[int]
    reason: str
    going: list[int]
    places: int


@dataclass(slots=True)
class Group:
    """A group of beams at the level it has reached.

    Attributes:
        plan: The calls that grow it, `planned` their number; those of its first `begun` nodes have begun.
        level: Its depth.
        levels: The steps of each level, and `settled` how many of this one's are known to have a final word.
        arrived: How many steps came at each level, repeated ones included.
        looking: Steps whose look-ahead is not done.
        finished: Finished beams of earlier levels, and `held` the places they keep for good.
        verdict: What becomes of the level, once it is complete.
    """

    plan: list[Share]
    planned: int
    begun: int = 0
    level: int = 1
    levels: dict[int, list[int]] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)
    settled: int = 0
    looking: dict[int, None] = field(default_factory=dict)
    finished: list[int] = field(default_factory=list)
    held: int = 0
    verdict: Verdict | None = None
    over: bool = False

    @property
    def nodes(self) -> list[int]:
        """The steps of this level so far, in order of arrival."""
        return self.levels.get(self.level, [])
