"""ReAct: thought, action, observation, and again, up to an answer (Yao et al. 2022, arXiv 2210.03629).

Each step is a node: the policy writes a thought and an action, *enrich* adds what was observed. A chain ends with the
policy's answer, or is made to give one: at the step cap, or after bad calls in a row. Which tools there are, and how an
action reads, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

ACT, ACTION, FORCE = "act", "action", "force"
"""The variants of *generate*: thought and action; the action alone, where none could be read; the answer now."""
BAD_CALL = "bad call:"
"""How the note of an observation begins that no tool made, because the action did not fit; no tool can write it."""

_NORMAL = (ACT, ACTION, FORCE, FORCE)
_THOUGHT_ONLY = (ACTION, FORCE, FORCE)
_ENDING = (FORCE, FORCE)


class ReAct(Strategy):
    """Chains of thought, action and observation.

    Attributes:
        chains: Independent chains, of which the most frequent answer is taken.
        steps: Most steps of a chain; then it is made to answer.
        bad_calls: Actions in a row that fit no tool after which a chain is made to answer.
    """

    name: ClassVar[str] = "react"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "enrich"})
    chains: int = Field(default=1, ge=1)
    steps: int = Field(default=7, ge=1)
    bad_calls: int = Field(default=3, ge=1)

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return [("generate", how) for how in (ACT, ACTION, FORCE)]

    @override
    def limits(self) -> Limits:
        return Limits(len(_NORMAL), self.chains * len(_NORMAL), self.steps + 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        calls = self._begin(structure, slots)
        for tip in self._tips(structure):
            if len(calls) >= slots:
                break
            call = self._next(structure, tip)
            if call is not None:
                calls.append(call)
        return calls

    def _begin(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        """The first steps of chains that have none; a failed one is tried again in other ways, at most three times."""
        nodes = (ROOT,)
        missing = self.chains - len(structure.children[ROOT]) - structure.busy("generate", nodes)
        left = self.chains * len(_NORMAL) - structure.attempts("generate", nodes)
        calls: list[Call] = []
        index = structure.next_index("generate", nodes)
        while len(calls) < min(slots, missing, left):
            call = Call("generate", nodes, index, _NORMAL[min(index // self.chains, len(_NORMAL) - 1)])
            if not (structure.is_settled(call) or structure.is_in_flight(call)):
                calls.append(call)
            index += 1
        return calls

    def _tips(self, structure: ReasoningStructure) -> list[int]:
        """The last step of each chain."""
        tips = []
        known: dict[int, int] = structure.memo.setdefault(self.name, {})
        for first in structure.children[ROOT]:
            tip = known.get(first, first)
            while structure.children[tip]:
                tip = structure.children[tip][-1]
            known[first] = tip
            tips.append(tip)
        return tips

    def _next(self, structure: ReasoningStructure, tip: int) -> Call | None:
        """What a chain wants; `None` once it is done, or while it is waited for."""
        nodes = (tip,)
        if structure.steps[tip].status != "open" or structure.hows[tip] == FORCE:
            return None
        if not structure.attempts("enrich", nodes):
            return Call("enrich", nodes)
        if structure.busy("enrich", nodes) or structure.busy("generate", nodes):
            return None
        ways = self._ways(structure, tip)
        tried = structure.attempts("generate", nodes)
        if tried >= len(ways):
            return None
        return Call("generate", nodes, structure.next_index("generate", nodes), ways[tried])

    def _ways(self, structure: ReasoningStructure, tip: int) -> tuple[str, ...]:
        """How to go on, the first way first and the others where it failed."""
        if structure.depth[tip] >= self.steps or self._bad_in_a_row(structure, tip) >= self.bad_calls:
            return _ENDING
        return _NORMAL if tip in structure.versions else _THOUGHT_ONLY

    def _bad_in_a_row(self, structure: ReasoningStructure, tip: int) -> int:
        """How many of the latest steps came to no observation."""
        count = 0
        for node in structure.ancestors(tip):
            seen = structure.notes.get(node, "") if node in structure.versions else BAD_CALL
            if node == ROOT or not seen.startswith(BAD_CALL):
                break
            count += 1
        return count
