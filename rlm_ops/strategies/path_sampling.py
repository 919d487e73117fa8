"""Path sampling: whole paths drawn from the policy without replacement, leaning to where the values are high.

Independent samples write the same first steps again and again. Here a path starts at the root and takes, at each node,
either a step that is there, which costs nothing, or a new one, by the policy's chances times value ** power; what was
seen to its end is not entered again (incremental sampling without replacement, Shi et al. 2020, arXiv 2002.09067; the
lean to high values is ours). At `hold` steps a path is held; once `steps` were drawn, or a held node is `sure`, the
best held node is written to its end: one committed answer. Made for policies that leave known steps out
(`generate.diverse`) and say the chance of a whole step (`generate.whole_priors`); with others repeats are pruned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

WHOLE = "whole"
SPENT = 1e-3
"""What is left of a node's chances below which it is not entered again."""


@dataclass(slots=True)
class _Seen:
    """What is derived from the structure and kept between asks.

    Attributes:
        left: How much of each node's chances lies on paths that were not seen.
        waiting: Nodes that have no value yet.
        held: Nodes at the depth at which paths are held.
        best: The held node of the highest value.
    """

    left: list[float] = field(default_factory=lambda: [1.0])
    waiting: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    best: float = 0.0


class PathSampling(Strategy):
    """Paths without replacement.

    Attributes:
        steps: Steps drawn before the best held path is written to its end.
        hold: Steps of a held path.
        width: Most steps below one node, `root_width` below the root.
        power: How much the values count: 0 not at all, a high one takes the best.
        sure: A held node of this value ends the drawing.
    """

    name: ClassVar[str] = "path-sampling"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "evaluate"})
    steps: int = Field(default=30, ge=1)
    hold: int = Field(default=3, ge=1)
    width: int = Field(default=16, ge=1)
    root_width: int = Field(default=32, ge=1)
    power: float = Field(default=2.0, ge=0)
    sure: float | None = Field(default=None, gt=0, le=1)

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return [("generate", WHOLE)]

    @override
    def limits(self) -> Limits:
        return Limits(self.width, self.root_width, self.hold + 1)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        repeats = [node for node in structure.unscored if structure.repeats(node)]
        if repeats:
            return [Call("prune", (node,), reason="repeats a sibling") for node in repeats]
        calls = [Call("evaluate", (node,)) for node in structure.unscored][: max(0, slots)]
        free = slots - len(calls)
        if free < 1 or structure.terminals:
            return calls
        seen = self._seen(structure)
        sure = self.sure is not None and seen.best >= self.sure
        room = self.steps - self._drawn(structure)
        if room > 0 and not sure:
            calls += self._paths(structure, seen, min(free, room))
        return calls if calls or structure.calls_in_flight else self._commit(structure, seen)

    def _commit(self, structure: ReasoningStructure, seen: _Seen) -> list[Call]:
        """The best held path is written to its end; the next best where that came to nothing."""
        untried = [node for node in seen.held if not structure.attempts("generate", (node,))]
        best = max(untried, key=lambda node: structure.value(node) or 0.0, default=None)
        return [] if best is None else [Call("generate", (best,), 0, WHOLE)]

    def _drawn(self, structure: ReasoningStructure) -> int:
        """Steps drawn so far, those that came to nothing and those in flight included."""
        lost = sum(count for (op, _), count in structure.failures.items() if op == "generate")
        return len(structure) - 1 + lost + structure.calls_in_flight

    def _seen(self, structure: ReasoningStructure) -> _Seen:
        """What is known, brought up to date: only nodes that are new and their ancestors are looked at."""
        seen: _Seen = structure.memo.setdefault(f"{self.name}:{self.hold}", _Seen())
        for node in range(len(seen.left), len(structure)):
            seen.left.append(0.0)
            seen.waiting.append(node)
        waiting = [n for n in seen.waiting if n in structure.unscored or structure.busy("evaluate", (n,))]
        for node in sorted(set(seen.waiting).difference(waiting)):
            if structure.depth[node] == self.hold and structure.steps[node].status == "open":
                seen.held.append(node)
                seen.best = max(seen.best, structure.value(node) or 0.0)
            self._renew(structure, seen, node)
        seen.waiting = waiting
        return seen

    def _renew(self, structure: ReasoningStructure, seen: _Seen, node: int) -> None:
        """Work out again what is left of a node and of its ancestors."""
        for at in structure.ancestors(node):
            seen.left[at] = self._left_at(structure, seen, at)

    def _left_at(self, structure: ReasoningStructure, seen: _Seen, node: int) -> float:
        if structure.steps[node].status != "open" or structure.depth[node] >= self.hold:
            return 0.0
        if node != ROOT and structure.value(node) is None:  # its evaluation failed
            return 0.0
        below = sum(self._chance(structure, child) * seen.left[child] for child in structure.children[node])
        whole = below + (self._unseen(structure, node) if structure.is_open(node) else 0.0)
        return whole if whole > SPENT else 0.0

    def _paths(self, structure: ReasoningStructure, seen: _Seen, count: int) -> list[Call]:
        """Where the next paths leave what is there, as calls; one draw of chance a path."""
        rng = structure.rng(self.name)
        wanted: dict[int, int] = {}
        for _ in range(count):
            node = self._leave(structure, seen, wanted, rng)
            if node is not None:
                wanted[node] = wanted.get(node, 0) + 1
        return [call for node, number in wanted.items() for call in new_samples(structure, node, number)]

    def _leave(self, structure: ReasoningStructure, seen: _Seen, wanted: dict[int, int], rng: Random) -> int | None:
        """The node at which one path takes a new step; `None` where there is no such path now."""
        node = ROOT
        while True:
            children = [child for child in structure.children[node] if seen.left[child] > 0]
            values = [structure.value(child) or 0.0 for child in children]
            weights = [
                self._chance(structure, child) * seen.left[child] * value**self.power
                for child, value in zip(children, values, strict=True)
            ]
            room = structure.is_open(node) and structure.width_of(node) > wanted.get(node, 0) + structure.attempts(
                "generate", (node,)
            )
            level = sum(values) / len(values) if values else 1.0
            fresh = self._unseen(structure, node) * level**self.power if room else 0.0
            total = sum(weights) + fresh
            if total <= 0:
                if not room and not wanted.get(node):
                    self._renew(structure, seen, node)
                return node if room and not children else None
            if rng.random() * total < fresh:
                return node
            node = rng.choices(children, weights)[0]

    @staticmethod
    def _chance(structure: ReasoningStructure, node: int) -> float:
        prior = structure.priors[node]
        return 1.0 / (1 + len(structure.children[structure.parents[node][0]])) if prior is None else prior

    def _unseen(self, structure: ReasoningStructure, node: int) -> float:
        """The policy's chance of a step of the node that was not drawn yet."""
        children = structure.children[node]
        kept = [child for child in children if structure.steps[child].status != "pruned"]
        if children and structure.priors[children[0]] is None:
            return 1.0 / (1 + len(children))
        return max(0.0, 1.0 - sum(self._chance(structure, child) for child in kept))
