"""What AB-MCTS knows of GEN, CONT and children: scores summed up as they come, and draws from what follows.

`Tally` is scratch kept in `structure.memo`: it takes in the nodes that are new since it last looked, so an ask does not
pass over the tree. Scores are summed as integers (a score is rounded to a millionth), which makes the sums exact: they
are the same in whatever order scores came, so a tally derived again from a resumed run is the very same.

It knows no operators and no models, and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
import numpy.typing as npt

from reflectree.rlm_ops.formulas.posteriors import Beta, Gaussian, Moments
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

UNIT = 1 << 20
"""Parts of a score of 1: the squares of millions of scores then add up within 64 bits."""
WIDE = 32
"""Children from which on their beliefs are drawn all at once: below, a loop is quicker than arrays."""

Prior = Gaussian | Beta
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Sums:
    """Count, sum and sum of squares of scores, in units, and what they let believe."""

    count: int = 0
    total: int = 0
    squares: int = 0
    _belief: Prior | None = None

    def add(self, score: int) -> None:
        """Take in one score."""
        self.count += 1
        self.total += score
        self.squares += score * score
        self._belief = None

    def belief(self, prior: Prior) -> Prior:
        """The belief after seeing the scores; the same prior must be given each time."""
        belief = self._belief
        if belief is None:
            belief = self._belief = prior.given(self.moments) if self.count else prior
        return belief

    @property
    def moments(self) -> Moments:
        """What a belief is made from."""
        count, total = self.count, self.total
        if not count:
            return Moments()
        return Moments(count, total / count / UNIT, max(0.0, self.squares - total * total / count) / (UNIT * UNIT))


@dataclass(slots=True)
class Tally:
    """The scores of a tree, by what they are evidence of.

    Attributes:
        prior: What is believed before any score.
        made: For each node the scores of its children, each as it was made: the evidence of GEN. A child that repeats
            a sibling counts as a score of 0: it brought nothing.
        continued: For each node the scores of all that lies below its children: the evidence of CONT.
        within: For each node its own score and those below it: the evidence of it as an arm.
        pending: How many children of a node have no score yet.
        by_arm: The scores of all nodes by the variant that made them, and `by_arm_at` those of one node's children.
    """

    prior: Prior
    made: list[Sums] = field(default_factory=list)
    continued: list[Sums] = field(default_factory=list)
    within: list[Sums] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    by_arm: dict[str, Sums] = field(default_factory=dict)
    by_arm_at: dict[tuple[int, str], Sums] = field(default_factory=dict)
    _waiting: dict[int, None] = field(default_factory=dict)
    _first: dict[tuple[int, str], int] = field(default_factory=dict)
    _position: list[int] = field(default_factory=list)
    _born: list[int] = field(default_factory=list)
    _tables: dict[int, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, structure: ReasoningStructure, prior: Prior) -> Tally:
        """The tally of a structure, up to date."""
        tally: Tally | None = structure.memo.get("ab-tally")
        if tally is None or tally.prior != prior:
            tally = structure.memo["ab-tally"] = cls(prior)
        tally._look(structure)
        return tally

    def repeats(self, structure: ReasoningStructure, node: int) -> bool:
        """Whether an older sibling says the same, word for word."""
        return self._first[structure.parents[node][0], structure.steps[node].text] != node

    def _look(self, structure: ReasoningStructure) -> None:
        """Take in nodes and scores that are new."""
        for node in range(len(self.within), len(structure)):
            self._add(structure, node)
        for node in [node for node in self._waiting if self._is_settled(structure, node)]:
            del self._waiting[node]

    def _add(self, structure: ReasoningStructure, node: int) -> None:
        for sums in (self.made, self.continued, self.within):
            sums.append(Sums())
        self.pending.append(0)
        self._born.append(0)
        if node == ROOT:
            self._position.append(0)
            return
        parent = structure.parents[node][0]
        self._position.append(self._born[parent])
        self._born[parent] += 1
        self._first.setdefault((parent, structure.steps[node].text), node)
        self._waiting[node] = None
        self.pending[parent] += 1

    def _is_settled(self, structure: ReasoningStructure, node: int) -> bool:
        """Whether nothing more is to come of a node that waits for its score; the score is taken in."""
        parent = structure.parents[node][0]
        if structure.evaluations[node]:
            self._score(structure, node, round((structure.value(node) or 0.0) * UNIT))
        elif structure.steps[node].status == "pruned":
            self.made[parent].add(0)
            self._arm(structure, node, 0)
        elif structure.steps[node].status != "failed":
            return False
        self.pending[parent] -= 1
        return True

    def _score(self, structure: ReasoningStructure, node: int, score: int) -> None:
        """Take in the score of a node, as evidence of its parent's GEN and of all CONT and arms above it."""
        parents = structure.parents
        self.made[parents[node][0]].add(score)
        self._arm(structure, node, score)
        above = parents[node][0]
        while True:
            self.within[node].add(score)
            if above in self._tables:
                self._write(above, node)
            if above == ROOT:
                return
            node, above = above, parents[above][0]
            self.continued[above].add(score)

    def _arm(self, structure: ReasoningStructure, node: int, score: int) -> None:
        how = structure.hows[node]
        self.by_arm.setdefault(how, Sums()).add(score)
        self.by_arm_at.setdefault((structure.parents[node][0], how), Sums()).add(score)

    # Children as an array of beliefs: only of nodes with many

    def table(self, structure: ReasoningStructure, node: int) -> Floats:
        """What is believed of a node's children, in their order: a column each, as `_column` says."""
        children = structure.children[node]
        table = self._tables.get(node)
        if table is None:
            table = self._tables[node] = _unknown(2 * len(children))
            for child in children:
                if self.within[child].count:
                    self._write(node, child)
        elif len(children) > table.shape[1]:
            table = self._widen(node)
        return table[:, : len(children)]

    def _widen(self, node: int) -> Floats:
        table = self._tables[node]
        self._tables[node] = np.concatenate([table, _unknown(table.shape[1])], axis=1)
        return self._tables[node]

    def _write(self, node: int, child: int) -> None:
        position, table = self._position[child], self._tables[node]
        while position >= table.shape[1]:
            table = self._widen(node)
        table[:, position] = _column(self.within[child].belief(self.prior))


def _unknown(count: int) -> Floats:
    """Columns of children that have no score."""
    table = np.ones((4, count))
    table[0], table[3] = -np.inf, 0.0
    return table


def _column(belief: Prior) -> tuple[float, float, float, float]:
    """A belief as numbers."""
    if isinstance(belief, Gaussian):
        return belief.mean, belief.kappa, belief.nu, belief.tau2
    return belief.a, belief.b, 0.0, 1.0


def draw(belief: Prior, flying: int, rng: Random) -> float:
    """A mean reward drawn from a belief, with calls in flight.

    A call in flight counts as a score at the mean that is believed in: it adds weight and moves nothing (the virtual
    visits of WU-UCT, arXiv 1810.11755, for Thompson sampling), so that the luck of a draw does not send every parallel
    call to the arm of which least is known.
    """
    if isinstance(belief, Beta):
        weight = 1.0 + flying / (belief.a + belief.b)
        return rng.betavariate(belief.a * weight, belief.b * weight)
    # the mean's marginal is Student's t, drawn exactly from two uniforms (Bailey 1994): Gaussian.draw in a tenth of
    # the time; calls in flight leave nu * tau2, the sum of squares, as it is
    nu = belief.nu + flying
    radius = math.expm1(min(_MOST, -2.0 * math.log(1.0 - rng.random()) / nu))
    spread = math.sqrt(belief.nu * belief.tau2 * radius / (belief.kappa + flying))
    return belief.mean + spread * math.cos(_CIRCLE * rng.random())


def draw_many(table: Floats, flying: Sequence[int] | None, rng: Random, beta: bool) -> Floats:
    """`draw` for the columns of a table at once; a child without a score draws minus infinity."""
    more = 0.0 if flying is None else np.asarray(flying, dtype=np.float64)
    if beta:
        chance = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
        a, b = np.where(table[3] == 1.0, table[0], 1.0), table[1]
        weight = 1.0 + more / (a + b)
        return np.where(table[3] == 1.0, chance.beta(a * weight, b * weight), -np.inf)
    mean, kappa, nu, tau2 = table
    count = len(mean)
    bits = np.frombuffer(rng.randbytes(16 * count), dtype="<u8") >> np.uint64(11)
    first, second = (bits * 2.0**-53).reshape(2, count)
    radius = np.expm1(np.minimum(_MOST, -2.0 * np.log(1.0 - first) / (nu + more)))
    return np.asarray(mean + np.sqrt(nu * tau2 * radius / (kappa + more)) * np.cos(_CIRCLE * second))


_MOST = 700.0
"""Where the exponential of a double overflows."""
_CIRCLE = 2.0 * math.pi
