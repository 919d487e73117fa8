"""What is kept of a search's budget for the test, and raised where a design that may win is dearer than was foreseen.

The search ends rather than go on with what the test of its best design so far will take. Nothing is chosen here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from reflectree.graphs.design_search.acceptance import LEVEL, Rule, accepts
from reflectree.graphs.design_search.designs import canonical
from reflectree.graphs.design_search.equal_cost import bill_of_test
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.structure import ReasoningStructure

if TYPE_CHECKING:
    from reflectree.graphs.design_search.examples import Examples

CAPS = ("calls", "tokens", "usd")


@dataclass
class Reserve:
    """What the search leaves for the test.

    Attributes:
        seed: The seed design.
        examples: What runs designs, and knows what they cost.
        test: Examples of the test part.
        whole: The caps of search and test together.
        search: The caps of the search as they were foreseen.
        rule: How sure one is that a design is better than the seed, and `level` how sure one has to be.
    """

    seed: Blueprint
    examples: Examples
    test: int
    whole: Budget
    search: Budget
    rule: Rule = "bootstrap"
    level: float = LEVEL
    _seen: int = 0
    _best: float = -1.0

    def review(self, structure: ReasoningStructure, account: Ledger) -> None:
        """Look at the designs measured since the last time, and lower the search's caps where one may win.

        Args:
            structure: The search.
            account: Its account, whose caps are lowered.
        """
        if all(getattr(self.whole, cap) is None for cap in CAPS):
            return
        first = self._seed_scores(structure)
        if first is None:
            return
        fresh = list(islice(structure.scores, self._seen, None))
        self._seen += len(fresh)
        for node, how in fresh:
            scores = structure.scores[node, how]
            mean = sum(scores) / len(scores) if scores else 0.0
            if how or mean <= self._best or len(scores) != len(first):
                continue
            if accepts(first, scores, self.rule, self.level):
                self._best = mean
                self._keep(structure.steps[node].answer or "", account)

    def _keep(self, design: str, account: Ledger) -> None:
        bill = bill_of_test(self.examples, self.seed, Blueprint.parse(json.loads(design)).digest, self.test)
        caps = {}
        for cap in CAPS:
            whole, foreseen = getattr(self.whole, cap), getattr(self.search, cap)
            if whole is not None:
                spare = self.examples.bound(cap)
                caps[cap] = max(0, min(foreseen, whole - getattr(bill, cap) - spare))
        account.budget = replace(account.budget, **caps)

    def _seed_scores(self, structure: ReasoningStructure) -> tuple[float, ...] | None:
        text = canonical(self.seed)
        for node, how in structure.scores:
            if not how and structure.steps[node].answer == text:
                return structure.scores[node, how]
        return None
