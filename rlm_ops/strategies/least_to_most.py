"""Least-to-most prompting: sub-questions first, then their answers in order (Zhou et al. 2022, arXiv 2205.10625).

One call lists the sub-questions; each is then answered with all earlier ones and their answers before it, for the path
holds them; the last one is the task itself. Where no list can be had, or the chain breaks, the task is solved whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.parsing import parse_subquestions
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

DECOMPOSE, SUBQUESTION, FORCE, WHOLE = "decompose", "subquestion", "force", "whole"
"""The variants of *generate*: the list, the next sub-question's answer, the task's answer now, the task in one go."""
TRIES = 2
"""How often a call is tried that failed."""


class LeastToMost(Strategy):
    """Sub-questions in order, the last of which is the task.

    Attributes:
        most: Most sub-questions that are answered; after them the answer is asked for.
    """

    name: ClassVar[str] = "least-to-most"
    most: int = Field(default=8, ge=1)

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return [("generate", how) for how in (DECOMPOSE, SUBQUESTION, FORCE, WHOLE)]

    @override
    def limits(self) -> Limits:
        return Limits(2 * TRIES, 2 * TRIES, self.most + 2)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if slots < 1 or structure.terminals or structure.calls_in_flight:
            return []
        tip = self._tip(structure)
        ways = self._ways(structure, tip)
        tried = structure.attempts("generate", (tip,))
        if tried < len(ways):
            return [Call("generate", (tip,), tried, ways[tried])]
        return self._in_one_go(structure)

    def _tip(self, structure: ReasoningStructure) -> int:
        """The last step of the chain; the task itself where there is none."""
        tip = ROOT
        for child in structure.children[ROOT]:
            if structure.hows[child] == DECOMPOSE:
                tip = child
        while tip and structure.children[tip]:
            tip = structure.children[tip][-1]
        return tip

    def _ways(self, structure: ReasoningStructure, tip: int) -> tuple[str, ...]:
        """How to go on, the first way first and the others where it failed."""
        if tip == ROOT:
            return (DECOMPOSE,)
        if structure.hows[tip] == FORCE:
            return ()
        asked = parse_subquestions(structure.steps[structure.path_ids(tip)[0]].text)
        if not asked:
            return ()
        answered = structure.depth[tip] - 1
        if answered >= min(len(asked), self.most):
            return (FORCE,) * TRIES
        return (SUBQUESTION,) * TRIES + (FORCE,) * TRIES

    def _in_one_go(self, structure: ReasoningStructure) -> list[Call]:
        """The task without its parts, once the chain has come to no answer."""
        nodes = (ROOT,)
        if structure.attempts("generate", nodes) >= 1 + TRIES or WHOLE in map(
            structure.hows.__getitem__, structure.children[ROOT]
        ):
            return []
        return [Call("generate", nodes, structure.next_index("generate", nodes), WHOLE)]
