"""Beam search over steps, and diverse verifier tree search (DVTS): several beams that do not compete.

Snell et al. 2024 (arXiv 2408.03314): sample N first steps, score them, keep the best N/M, sample M next steps of each,
and so on for at most 40 rounds; the last round writes to the end. DVTS (Beeching et al. 2024, search-and-learn) splits
the N samples into N/M subtrees and is greedy inside each. Both ask; `reflectree.rlm_ops.strategies.levels` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas.readouts import Aggregation
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.groups import LOOKAHEAD, WHOLE, Finished, Shape
from reflectree.rlm_ops.strategies.levels import LevelSearch
from reflectree.rlm_ops.structure import ReasoningStructure


class LevelWise(Strategy):
    """Base of the strategies that grow level by level: a `Shape` says how."""

    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})

    def shape(self) -> Shape:
        """What this search does, in the words of the engine."""
        raise NotImplementedError

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        shape = self.shape()
        asked = [("generate", shape.generate), ("evaluate", shape.evaluate)]
        asked += [("generate", WHOLE)] if shape.finish else []
        asked += [("generate", LOOKAHEAD)] if shape.lookahead else []
        return [(op, how) for op, how in asked if how]

    @override
    def limits(self) -> Limits:
        shape = self.shape()
        return Limits(shape.most_children, shape.first * shape.groups, shape.depth)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        known = structure.memo.get(self.name)
        if known is None or known[0] is not self:
            known = structure.memo[self.name] = (self, LevelSearch(self.shape(), self.name))
        search: LevelSearch = known[1]
        return search.ask(structure, slots)


class Beams(LevelWise):
    """What beam search and DVTS share.

    Attributes:
        n: N, samples a round.
        m: M, samples a kept beam.
        rounds: Most rounds, which is most steps on a path; the last one writes to the end (variant `whole`).
        last_width: Samples a kept beam in the last round, in place of `m`.
        reduce: How the scores of a path's steps become its value: `last`, `min`, `prod` or `mean`.
        lookahead: Greedy steps (variant `lookahead`) at whose end a step is scored (Snell et al.'s look-ahead search).
        refill: Where duplicates, failures or finished beams leave places empty, the others get their samples.
        finish: Write to the end in the last round.
        distinct: Prune a step that says the same as a sibling, unscored.
    """

    n: int = Field(default=16, ge=1)
    m: int = Field(default=4, ge=1)
    rounds: int = Field(default=40, ge=1)
    last_width: int | None = Field(default=None, ge=1)
    reduce: Aggregation = "last"
    lookahead: int = Field(default=0, ge=0)
    refill: bool = True
    finish: bool = True
    distinct: bool = True

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.n % self.m:
            raise ValueError(f"n must be a multiple of m: {self.n} samples a round, {self.m} a beam")
        return self


class Beam(Beams):
    """Beam search.

    Attributes:
        keep: Beams kept after a round; N/M where not given.
        root_width: Samples of the first step; N where not given.
        select: Which beams are kept: the best (`top`), or drawn in proportion to value (`stochastic`).
        temperature: Of that draw: 0 keeps the best, a high one keeps anything.
        finished: Finished beams take places among the kept (`compete`: all so far; `level`: those of this round), or
            none (`aside`, as search-and-learn does).
        shrink: A place once taken by a finished beam is lost to the others, and the search ends when all are taken
            (OpenR, arXiv 2410.09671); each beam gets `m` samples, whatever `refill` says.
    """

    name: ClassVar[str] = "beam"
    keep: int | None = Field(default=None, ge=1)
    root_width: int | None = Field(default=None, ge=1)
    select: Literal["top", "stochastic"] = "top"
    temperature: float = Field(default=1.0, ge=0)
    finished: Finished = "compete"
    shrink: bool = False

    @override
    def shape(self) -> Shape:
        return Shape(
            keep=self.keep or self.n // self.m,
            first=self.root_width or self.n,
            width=self.m,
            last=self.last_width,
            depth=self.rounds,
            refill=self.refill and not self.shrink,
            finished=self.finished,
            shrink=self.shrink,
            reduce=self.reduce,
            temperature=self.temperature if self.select == "stochastic" else None,
            lookahead=self.lookahead,
            distinct=self.distinct,
            finish=self.finish,
        )


class DVTS(Beams):
    """Diverse verifier tree search: N/M subtrees of M first steps each, each at its own pace, greedy inside."""

    name: ClassVar[str] = "dvts"

    @override
    def shape(self) -> Shape:
        return Shape(
            groups=self.n // self.m,
            keep=1,
            first=self.m,
            width=self.m,
            last=self.last_width,
            depth=self.rounds,
            refill=self.refill,
            finished="level",
            reduce=self.reduce,
            lookahead=self.lookahead,
            distinct=self.distinct,
            finish=self.finish,
        )
