"""Which child a tree search goes down to: the selection formulas of the literature over a structure.

A formula sees three numbers of a child: Q, its value under the run's backup rule; N_c, its visits; and N_p, those of
its parent. Calls in flight count as visits (WU-UCT, Liu et al. 2020, arXiv 1810.11755: they raise N, never lower Q).
Whether a node's own evaluation is a visit of it, or only its first value, is where the systems differ (`own_visit`).
Nothing here knows when a node is expanded, or into what.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cached_property
from random import Random
from typing import Literal

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.backup import Backup
from reflectree.rlm_ops.formulas.priors import root_noise
from reflectree.rlm_ops.formulas.scores import lats_uct, puct, rest_mcts_uct, rstar_uct, uct, x1_selection
from reflectree.rlm_ops.strategies.base import Strategy
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

NEUTRAL = 0.5
"""The mean of a node of which nothing is known yet."""

Formula = Literal["puct", "uct", "x1", "rest", "lats", "rstar"]

SCORES: dict[str, Callable[[float, float, float, float], float]] = {
    "uct": uct,
    "x1": lambda q, parents, visits, c: x1_selection(q, parents, visits, c, low=0.0, high=1.0),
    "rest": rest_mcts_uct,
    "lats": lats_uct,
    "rstar": rstar_uct,
}
"""The formulas without a prior: `(Q, N_p, N_c, c)` to a score. Each has its own rule for a child without visits."""


class TreePolicy(Strategy):
    """Selection by a formula.

    Attributes:
        formula: `puct` (AlphaZero; priors from log-probabilities where there are any, else uniform), `uct`, `x1` (PUCT
            without a prior), `rest` (ReST-MCTS*: an unvisited child scores V + 1), `lats` (V), `rstar` (rStar-Math: 0).
        c: Exploration constant: `c_init` of PUCT, `c1` of x1, else `c`.
        c_base: PUCT's slow growth of exploration; x1 has 19652 always.
        unvisited: `puct`: Q of a child without visits: its parent's mean (`parent`), 0 (`zero`), 1 (`one`), or what it
            was evaluated at (`own`).
        own_visit: A node's own evaluation is its first visit, as in x1. Else it gives a value and no visit, and a child
            counts as unvisited until something below it was backed up (AlphaZero, OpenR, ReST-MCTS*, LATS).
        backup: The rule by which values are backed up, by name or with its parameters.
        root_noise: `puct`: weight of Dirichlet noise on the root's priors (AlphaZero takes 0.25). Each child's share is
            drawn once, from the run's seed alone.
        root_alpha: Its concentration; 0.3 is chess's.
    """

    formula: Formula = "puct"
    c: float = Field(default=1.25, ge=0)
    c_base: float = Field(default=19652.0, gt=0)
    unvisited: Literal["parent", "zero", "one", "own"] = "parent"
    own_visit: bool = True
    backup: Backup = Backup()
    root_noise: float = Field(default=0.0, ge=0, le=1)
    root_alpha: float = Field(default=0.3, gt=0)

    @property
    @override
    def backup_rule(self) -> Backup:
        return self.backup

    @cached_property
    def _is_plain(self) -> bool:
        """Whether Q is the running mean and N the visits, as the structure keeps them: the usual case, read at once."""
        return self.own_visit and self.backup.rule == "mean"

    def best_child(self, structure: ReasoningStructure, node: int) -> int:
        """The child with openings that the formula likes best; ties go to the older one; -1 where there is none."""
        openings, visits, virtual, sums = structure.openings, structure.visits, structure.virtual, structure.value_sum
        siblings, steps = structure.children[node], structure.steps
        plain = self._is_plain
        parent_visits = visits[node] + virtual[node]
        if not self.own_visit:
            parent_visits -= structure.evaluations[node]
        score_of, c = SCORES.get(self.formula), self.c
        priors = None if score_of else structure.sibling_priors(node)
        if self.root_noise and node == ROOT and not score_of:
            priors = self._noisy(structure, priors)
        # what puct multiplies a prior and 1 / (1 + N) by is the same for all siblings
        explore = 0.0 if score_of else puct(0.0, parent_visits, 0, 1.0, c, self.c_base)
        even = explore / len(siblings) if siblings else 0.0
        best, best_score = -1, float("-inf")
        for child in siblings:
            if not openings[child] or steps[child].status != "open":
                continue
            seen = visits[child]
            if plain and seen:
                q, count = sums[child] / seen, seen + virtual[child]
            else:
                q, count = self._read(structure, node, child)
            if score_of is None:
                score = q + (even if priors is None else explore * priors[child]) / (1 + count)
            else:
                score = score_of(q, parent_visits, count, c)
            if score > best_score or best < 0:
                best, best_score = child, score
        return best

    def _read(self, structure: ReasoningStructure, node: int, child: int) -> tuple[float, int]:
        """Q and N of a child of `node`, where they are not simply what the structure keeps."""
        q = structure.q(child)
        count = structure.visits[child]
        if not self.own_visit:
            count -= structure.evaluations[child]
        if q is None or (count < 1 and self.formula == "puct" and self.unvisited != "own"):
            q = self._unseen(structure, node)
        return q, count + structure.virtual[child]

    def _noisy(self, structure: ReasoningStructure, priors: dict[int, float] | None) -> dict[int, float]:
        """The root's priors with noise: the same at every selection, as long as no child is added."""
        children = structure.children[ROOT]
        key = (self.root_noise, self.root_alpha, len(children))
        known = structure.memo.get("root-noise")
        if known is not None and known[0] == key:
            noisy: dict[int, float] = known[1]
            return noisy
        seed = structure.began.seed if structure.began else 0
        rng = Random(zlib.crc32(f"{seed}:root-noise".encode()))
        clean = [1 / len(children) if priors is None else priors[child] for child in children]
        noisy = dict(zip(children, root_noise(clean, rng, self.root_noise, self.root_alpha), strict=True))
        structure.memo["root-noise"] = (key, noisy)
        return noisy

    def _unseen(self, structure: ReasoningStructure, node: int) -> float:
        """Q of a child without visits, or without a value."""
        if self.unvisited == "zero":
            return 0.0
        if self.unvisited == "one":
            return 1.0
        q = structure.q(node)
        return NEUTRAL if q is None else q
