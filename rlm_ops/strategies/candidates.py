"""What strategies over whole candidates share: a candidate is scored once, and kept by what it is worth.

A node is a whole candidate: its answer is a line or a program. One that states nothing is taken out, and so is one that
an older one has said already; all others are measured. Nothing here knows why a candidate was proposed.
"""

from __future__ import annotations

from bisect import insort
from itertools import islice

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


def form_of(structure: ReasoningStructure, node: int) -> str:
    """The form in which candidates are compared: a normalised answer, or a program without white space at line ends."""
    answer = structure.steps[node].answer or ""
    if structure.task.form == "code":
        return "\n".join(line.rstrip() for line in answer.splitlines() if line.strip())
    return normalise(answer)


def settle(structure: ReasoningStructure, slots: int, *, apart: bool = False) -> list[Call] | None:
    """Calls that take out what is no new candidate and score the others; `None` where nothing waits for that.

    Args:
        structure: Where the candidates stand.
        slots: Most evaluations to ask for.
        apart: Whether candidates of different variants (`how`) may say the same.
    """
    waiting = [node for node in structure.unscored if structure.ops[node] != "task"]
    if not waiting:
        return None
    known: _Known = structure.memo.setdefault("candidates", _Known())
    known.read(structure, apart)
    idle = [(node, why) for node in waiting if (why := known.idle(structure, node, apart))]
    if idle:
        return [Call("prune", (node,), reason=why) for node, why in idle]
    return [Call("evaluate", (node,)) for node in waiting[: max(0, slots)]]


class _Known:
    """Who was the first to say what."""

    def __init__(self) -> None:
        self._read = ROOT + 1
        self._first: dict[tuple[str, str], int] = {}

    def read(self, structure: ReasoningStructure, apart: bool) -> None:
        for node in range(self._read, len(structure)):
            step = structure.steps[node]
            if step.answer is not None and step.status != "pruned":
                self._first.setdefault(self._key(structure, node, apart), node)
        self._read = len(structure)

    def idle(self, structure: ReasoningStructure, node: int, apart: bool) -> str:
        """Why a node is no candidate, or nothing."""
        if structure.steps[node].answer is None:
            return "states no candidate"
        first = self._first[self._key(structure, node, apart)]
        return f"repeats node {first}" if first != node else ""

    def _key(self, structure: ReasoningStructure, node: int, apart: bool) -> tuple[str, str]:
        return structure.hows[node] if apart else "", form_of(structure, node)


class Book:
    """The measured candidates, worst first. It is read up to date only while nothing is in flight."""

    def __init__(self) -> None:
        self._nodes = ROOT + 1
        self._failures = 0
        self._ranked: list[tuple[float, int]] = []

    def read(self, structure: ReasoningStructure) -> None:
        """Take in what is new."""
        for node in range(self._nodes, len(structure)):
            self.see(structure.ops[node], structure.parents[node])
            value = structure.value(node)
            if value is not None and node in structure.terminals:
                insort(self._ranked, (value, -node))
        self._nodes = len(structure)
        for op, nodes in islice(structure.failures, self._failures, None):
            self.see(op, nodes)
        self._failures = len(structure.failures)

    def see(self, op: str, nodes: tuple[int, ...]) -> None:
        """Take note of calls of `op` on `nodes`."""

    def best(self, count: int) -> tuple[int, ...]:
        """The best candidates in ascending order of value, the older one of equals last."""
        return tuple(-node for _, node in self._ranked[-count:])


class Asked:
    """How many candidates were asked for, failed ones and those in flight included.

    Merges whose calls have all settled are counted once; only the few others are counted anew.
    """

    def __init__(self) -> None:
        self._counted: dict[tuple[int, ...], int] | None = None
        self._open: dict[tuple[int, ...], None] = {}
        self._total = 0

    def open(self, nodes: tuple[int, ...]) -> None:
        """Say that `nodes` are about to be merged."""
        if self._counted is not None:
            self._total -= self._counted.pop(nodes, 0)
        self._open[nodes] = None

    def total(self, structure: ReasoningStructure) -> int:
        """Calls of *generate* at the root and of *aggregate*."""
        if self._counted is None:
            self._counted = {}
            grown = zip(structure.ops, structure.parents, strict=True)
            self._open |= dict.fromkeys(nodes for op, nodes in (*grown, *structure.failures) if op == "aggregate")
        under_way = 0
        for nodes in list(self._open):
            count = structure.attempts("aggregate", nodes)
            if structure.busy("aggregate", nodes):
                under_way += count
            else:
                del self._open[nodes]
                self._counted[nodes] = count
                self._total += count
        return structure.attempts("generate", (ROOT,)) + self._total + under_way
