"""Optimisation by prompting: the best solutions so far with their values, and the model proposes better ones (OPRO).

Yang et al. 2023, arXiv 2309.03409. A step shows the best distinct solutions in ascending order of value and asks for
several new ones; what they are worth is measured outside the model. Steps are taken one after the other, because each
one shows what the last one found. What a prompt says, and how values are shown, is the aggregator's business.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_calls
from reflectree.rlm_ops.strategies.candidates import Book, settle
from reflectree.rlm_ops.strategies.sampling import UNBOUNDED
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

FEWEST = 2
"""Solutions without which there is nothing to merge: until then they are asked for from the task alone."""


class Opro(Strategy):
    """Optimisation by prompting.

    Attributes:
        starts: Solutions asked for from the task alone, before the first step.
        per_step: New solutions a step.
        shown: Most solutions a step shows: the best ones, each once.
        steps: Most steps; `None` goes on until the budget ends.
        patience: Steps in a row that may fail to find a better solution; `None` is any number.
    """

    name: ClassVar[str] = "opro"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "aggregate", "evaluate"})
    starts: int = Field(default=5, ge=1)
    per_step: int = Field(default=8, ge=1)
    shown: int = Field(default=20, ge=FEWEST)
    steps: int | None = Field(default=200, ge=0)
    patience: int | None = Field(default=None, ge=1)

    @override
    def limits(self) -> Limits:
        steps = UNBOUNDED if self.steps is None else self.steps
        return Limits(1, self.starts + self.per_step * steps, steps + 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        settling = settle(structure, slots)
        if settling is not None:
            return settling
        missing = self.starts - structure.attempts("generate", (ROOT,))
        if missing > 0:
            return new_calls(structure, "generate", (ROOT,), min(slots, missing))
        step = self._begun(structure) or self._next(structure)
        if step is None or slots < 1:
            return []
        op, nodes = step
        return new_calls(structure, op, nodes, min(slots, self.per_step - self._asked(structure, op, nodes)))

    def _asked(self, structure: ReasoningStructure, op: str, nodes: tuple[int, ...]) -> int:
        """How many calls of the latest step on `nodes` are asked for, if it is unfinished; else 0."""
        attempts = structure.attempts(op, nodes) - (self.starts if op == "generate" else 0)
        return attempts % self.per_step

    def _begun(self, structure: ReasoningStructure) -> tuple[str, tuple[int, ...]] | None:
        """The step of which some calls are still to be asked for.

        Steps follow one another, so the newest node is of the latest step of which anything came; where nothing came
        of a step yet, what it shows has not changed since it began.
        """
        if self._asked(structure, "generate", (ROOT,)):
            return "generate", (ROOT,)
        newest = len(structure) - 1
        shown: list[tuple[int, ...]] = [structure.memo.get(self.name, _Steps()).shown]
        if structure.ops[newest] == "aggregate":
            shown.append(structure.parents[newest])
        return next((("aggregate", nodes) for nodes in shown if self._asked(structure, "aggregate", nodes)), None)

    def _next(self, structure: ReasoningStructure) -> tuple[str, tuple[int, ...]] | None:
        """The next step, once all that came before has settled and unless the search is over."""
        if structure.calls_in_flight:
            return None
        book: _Steps = structure.memo.setdefault(self.name, _Steps())
        book.read(structure)
        best = book.best(self.shown)
        asked = structure.attempts("generate", (ROOT,)) - self.starts
        taken = (asked + book.calls(structure)) // self.per_step
        if self.steps is not None and taken >= self.steps:
            return None
        if len(best) < FEWEST:
            return "generate", (ROOT,)
        stale = book.calls(structure, best[-1]) // self.per_step
        if self.patience is not None and stale >= self.patience:
            return None
        book.shown = best
        return "aggregate", best


class _Steps(Book):
    """The candidates by value, and what each step showed."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: tuple[int, ...] = ()
        self._by_best: dict[int, dict[tuple[int, ...], None]] = {}
        """What steps showed, by the best solution among it, which stands last."""

    @override
    def see(self, op: str, nodes: tuple[int, ...]) -> None:
        if op == "aggregate":
            self._by_best.setdefault(nodes[-1], {})[nodes] = None

    def calls(self, structure: ReasoningStructure, best: int | None = None) -> int:
        """Calls of all steps, or of those whose best solution was `best`: those since it was found."""
        groups = self._by_best.values() if best is None else [self._by_best.get(best, {})]
        return sum(structure.attempts("aggregate", nodes) for group in groups for nodes in group)
