"""Rollouts as they can be read off a structure: how many have begun, what they came to, what nodes are worth by them.

An answer is worth the share of all answers that say the same, and a node the mean of what the answers at and below it
are worth (self-consistency as a reward, rStar, arXiv 2408.06195). `Rollouts` is scratch: it is kept in `structure.memo`
to make an ask cheap, and can be derived again at any time. Which actions a rollout takes is not known here.
"""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.formulas.scores import uct
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

NEUTRAL = 0.5
"""The worth of a node below which no answer was found yet, its parent's neither."""


class Rollouts:
    """The rollouts so far.

    Args:
        last: The variant of *generate* that ends a rollout, with an answer or without.

    Attributes:
        votes: How often each answer was given; `below` the same at and below each node.
        answers: The nodes that give answers, each with the answer's normal form.
        closed: Nodes not to be entered (again): answers, and those with nothing left to try.
        tips: Open nodes that no call has settled on: where rollouts go on.
        judging: Whether answers are being put to the other model.
    """

    def __init__(self, last: str) -> None:
        self.last = last
        self.votes: Counter[str] = Counter()
        self.below: list[Counter[str] | None] = []
        self.answers: dict[int, str] = {}
        self.closed: set[int] = set()
        self.tips: dict[int, None] = {}
        self.judging = False
        self._continued = 0

    def take_in(self, structure: ReasoningStructure) -> None:
        """Count what has come since."""
        for node in range(len(self.below), len(structure)):
            self.below.append(None)
            if node == ROOT:
                continue
            self._leave(structure.parents[node][0])
            step = structure.steps[node]
            if step.answer is not None:
                self._count(structure, node, normalise(step.answer))
            if step.answer is not None or structure.hows[node] == self.last or step.status != "open":
                self.closed.add(node)
            else:
                self.tips[node] = None

    def _leave(self, node: int) -> None:
        if node in self.tips:
            del self.tips[node]
            self._continued += 1

    def _count(self, structure: ReasoningStructure, node: int, answer: str) -> None:
        self.answers[node] = answer
        self.votes[answer] += 1
        for ancestor in structure.ancestors(node):
            counts = self.below[ancestor]
            if counts is None:
                counts = self.below[ancestor] = Counter()
            counts[answer] += 1

    def fresh(self, structure: ReasoningStructure) -> list[int]:
        """Where rollouts are to go on now."""
        for node in [tip for tip in self.tips if ("generate", (tip,)) in structure.failures]:
            self._leave(node)
        return [tip for tip in self.tips if not structure.attempts("generate", (tip,))]

    def begun(self, structure: ReasoningStructure) -> int:
        """How many rollouts have begun: calls that do not continue one are the first of theirs."""
        failed = sum(count for (op, _), count in structure.failures.items() if op == "generate")
        flying = structure.calls_in_flight
        if self.judging:
            flying -= sum(structure.busy("evaluate", (node,)) for node in self.answers)
        continuing = sum(structure.busy("generate", (tip,)) > 0 for tip in self.tips)
        return len(structure) - 1 + failed + flying - self._continued - continuing

    def worth(self, node: int) -> float | None:
        """The mean share of the answers at and below a node; `None` while there is none."""
        counts = self.below[node]
        if counts is None:
            return None
        agreeing = sum(count * self.votes[answer] for answer, count in counts.items())
        return agreeing / (counts.total() * self.votes.total())

    def visits(self, structure: ReasoningStructure, node: int) -> int:
        """Rollouts through a node: those that came to an answer, and those under way."""
        counts = self.below[node]
        return structure.virtual[node] + (counts.total() if counts else 0)

    def uct(self, structure: ReasoningStructure, node: int, weight: float) -> float:
        """How urgent a node is among its siblings."""
        parent = structure.parents[node][0]
        known = self.worth(node)
        if known is None:
            known = self.worth(parent)
        q = NEUTRAL if known is None else known
        return uct(q, self.visits(structure, parent), self.visits(structure, node), weight)

    def candidates(self, structure: ReasoningStructure) -> list[int]:
        """The answers' nodes: one of the most frequent answer, one of the next, and so on, then the second of each."""
        groups = [
            [node for node, said in self.answers.items() if said == answer] for answer, _ in self.votes.most_common()
        ]
        return [node for row in zip_longest(*groups) for node in row if node is not None]
