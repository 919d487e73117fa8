"""Hypothesis search: rules in words first, then programs that carry them out (Wang et al. 2023, arXiv 2309.05660).

A hypothesis says in words what the rule of a task may be; it is an open node below the root. Programs below it carry it
out, and are measured on the cases that the task shows. A program that fails some of them is rewritten in view of the
failures. Held-out cases are the verifier's, at the end; nothing here knows of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from math import inf
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.prune import normalised
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.strategies.refinement import SPARE, is_alive
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

HYPOTHESIS = "hypothesis"
PROGRAM = "program"
FILTER = "filter"


class HypothesisSearch(Strategy):
    """Search for a rule at two levels: words, and programs.

    Attributes:
        hypotheses: Rules in words (variant `hypothesis` of *generate*).
        keep: How many of them are carried out: those that the variant `filter` of *evaluate* likes best; `None` keeps
            all, unasked.
        per_hypothesis: Programs a hypothesis (variant `program` of *generate*).
        revisions: Most rewrites of a program, one after the other.
        enough: A program of this value needs no rewrite.
    """

    name: ClassVar[str] = "hypothesis-search"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})
    hypotheses: int = Field(default=8, ge=1)
    keep: int | None = Field(default=None, ge=1)
    per_hypothesis: int = Field(default=2, ge=1)
    revisions: int = Field(default=2, ge=0)
    enough: float = Field(default=1.0, gt=0, le=1)

    @override
    def uses(self) -> frozenset[str]:
        return self.operators | {"refine"} if self.revisions else self.operators

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        yield "generate", HYPOTHESIS
        yield "generate", PROGRAM
        if self.keep is not None:
            yield "evaluate", FILTER

    @override
    def limits(self) -> Limits:
        return Limits(self.per_hypothesis, self.hypotheses + SPARE, 2 + self.revisions, ("generate", "refine"))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        told: _Told = structure.memo.setdefault(self.name, _Told())
        told.read(structure)
        if told.idle:
            return [Call("prune", (node,), reason=why) for node, why in told.idle.items()]
        calls = [Call("evaluate", (node,)) for node in told.unmeasured if node in structure.unscored]
        words = self._worded(structure, told, slots - len(calls))
        calls += words
        if not (words and self.keep is not None):  # what is kept is chosen among all
            calls += self._programmed(structure, told, slots - len(calls))
        calls += self._revised(structure, told, slots - len(calls))
        return calls[: max(0, slots)]

    def _worded(self, structure: ReasoningStructure, told: _Told, slots: int) -> list[Call]:
        """Hypotheses that are missing, made up for where they failed, and what is thought of them."""
        coming = structure.busy("generate", (ROOT,)) + len(told.first)
        spent = structure.attempts("generate", (ROOT,))
        missing = min(self.hypotheses - coming, self.hypotheses + SPARE - spent, slots)
        calls = new_samples(structure, ROOT, missing, HYPOTHESIS)
        if self.keep is None:
            return calls
        unjudged = [node for node in told.open if node in structure.unscored]
        return calls + [Call("evaluate", (node,), how=FILTER) for node in unjudged[: max(0, slots - len(calls))]]

    def _programmed(self, structure: ReasoningStructure, told: _Told, slots: int) -> list[Call]:
        """Programs that are missing: one a hypothesis, then a second one, and so on."""
        told.carry_out(self._kept(structure, told.open))

        def rank(node: int) -> tuple[float, int] | None:
            count = structure.attempts("generate", (node,))
            return (count, node) if count < self.per_hypothesis else None

        def call(node: int) -> Call:
            return Call("generate", (node,), structure.next_index("generate", (node,)), PROGRAM)

        return told.carried_out.take(slots, rank, call)

    def _kept(self, structure: ReasoningStructure, hypotheses: list[int]) -> list[int]:
        """Hypotheses that are to be carried out, of those not decided on; one still judged keeps all others waiting."""
        if self.keep is None or not hypotheses:
            return hypotheses
        alive = [node for node in hypotheses if is_alive(structure, node)]
        if structure.busy("generate", (ROOT,)) or any(not structure.evaluations[node] for node in alive):
            return []
        return sorted(alive, key=lambda node: (-(structure.value(node) or 0.0), node))[: self.keep]

    def _revised(self, structure: ReasoningStructure, told: _Told, slots: int) -> list[Call]:
        """Rewrites of programs that fail some cases, the best program first."""

        def rank(node: int) -> tuple[float, int] | None:
            value = structure.value(node) or 0.0
            done = (
                value >= self.enough or structure.attempts("refine", (node,)) or told.rewrites[node] >= self.revisions
            )
            return None if done else (-value, node)

        return told.measured.take(slots, rank, lambda node: Call("refine", (node,)))


class _Queue:
    """Nodes in the order of a rank that only ever gets worse, until it is none."""

    def __init__(self) -> None:
        self._heap: list[tuple[tuple[float, int], int]] = []

    def put(self, node: int) -> None:
        """Add a node, to be ranked when it is looked at."""
        heapq.heappush(self._heap, ((-inf, node), node))

    def take(
        self, count: int, rank: Callable[[int], tuple[float, int] | None], call: Callable[[int], Call]
    ) -> list[Call]:
        """Calls for the first `count` nodes by rank. They stay: the rank tells when a call has begun."""
        taken: list[tuple[tuple[float, int], int]] = []
        while self._heap and len(taken) < count:
            known, node = heapq.heappop(self._heap)
            now = rank(node)
            if now is None:
                continue
            if now > known:
                heapq.heappush(self._heap, (now, node))
            else:
                taken.append((known, node))
        for entry in taken:
            heapq.heappush(self._heap, entry)
        return [call(node) for _, node in taken]


class _Told:
    """What is read from the structure, node by node.

    Attributes:
        first: The first node that says what it says: hypotheses, and answers given at once.
        open: Hypotheses that are not decided on yet, oldest first.
        carried_out: Those that are carried out.
        unmeasured: Programs without a score.
        measured: Programs that may be rewritten.
        rewrites: How many rewrites led to each program.
        idle: Nodes that are of no use, and why: hypotheses told before, and programs that are none.
    """

    def __init__(self) -> None:
        self.first: dict[str, int] = {}
        self.open: list[int] = []
        self.carried_out = _Queue()
        self.unmeasured: dict[int, None] = {}
        self.measured = _Queue()
        self.rewrites: dict[int, int] = {}
        self.idle: dict[int, str] = {}
        self._read = ROOT + 1

    def carry_out(self, hypotheses: list[int]) -> None:
        """Decide for these and against all others."""
        if hypotheses:
            for node in hypotheses:
                self.carried_out.put(node)
            self.open = []

    def read(self, structure: ReasoningStructure) -> None:
        """Take in what is new."""
        self.idle = {node: why for node, why in self.idle.items() if structure.steps[node].status != "pruned"}
        while self._read < len(structure):
            if structure.steps[self._read].status != "pruned":
                self._take_in(structure, self._read)
            self._read += 1
        for node in list(self.unmeasured):
            if structure.evaluations[node] or not is_alive(structure, node):
                del self.unmeasured[node]
                if is_alive(structure, node):
                    self.measured.put(node)

    def _take_in(self, structure: ReasoningStructure, node: int) -> None:
        step, parent = structure.steps[node], structure.parents[node][0]
        if parent == ROOT and (first := self.first.setdefault(normalised(step.text), node)) != node:
            self.idle[node] = f"repeats node {first}"
        elif step.answer is not None:  # one that was given at once, in place of a hypothesis, is a program, too
            self.unmeasured[node] = None
            self.rewrites[node] = self.rewrites.get(parent, -1) + 1
        elif parent == ROOT:
            self.open.append(node)
        else:
            self.idle[node] = "states no program"
