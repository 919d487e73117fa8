"""The reasoning structure recomputed from a trace the slow, obvious way: what the incremental fold is held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reflectree.rlm_ops.calls import GROWING
from reflectree.rlm_ops.events import BackedUp, Backtracked, Began, Enriched, Evaluated, Event, Failed, Grown, Pruned
from reflectree.rlm_ops.structure import ReasoningStructure


@dataclass
class Slow:
    """Everything a structure knows, by definition and not by increments."""

    events: Sequence[Event]
    parents: list[tuple[int, ...]] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    backed: list[tuple[int, float]] = field(default_factory=list)
    own: dict[int, list[float]] = field(default_factory=dict)
    settled: Counter[tuple[str, tuple[int, ...]]] = field(default_factory=Counter)
    left: set[int] = field(default_factory=set)
    versions: Counter[int] = field(default_factory=Counter)
    preferences: dict[tuple[int, int], float] = field(default_factory=dict)
    asides: dict[tuple[int, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for event in self.events:
            self._read(event)

    def _read(self, event: Event) -> None:
        match event:
            case Began():
                self.limits = (event.width, event.root_width, event.depth)
                self.ops = event.ops
                self.parents.append(())
                self.status.append("open")
            case Grown():
                self.parents.append(event.nodes)
                self.status.append(event.status)
                self.settled[event.op, event.nodes] += 1
            case Evaluated(against=against) if against != -1:
                self.settled["evaluate", (event.node, against)] += 1
                self.preferences[event.node, against] = event.value
            case Evaluated(aside=True):
                self.settled["evaluate", (event.node,)] += 1
                self.asides[event.node, event.how] = event.value
            case Evaluated():
                self.own.setdefault(event.node, []).append(event.value)
                self.settled["evaluate", (event.node,)] += 1
            case BackedUp():
                self.backed.append((event.node, event.value))
            case Pruned():
                for node in event.nodes:
                    self.status[node] = "pruned"
            case Backtracked():
                if event.node:
                    self.left.add(event.node)
            case Enriched():
                self.settled["enrich", (event.node,)] += 1
                self.versions[event.node] += 1
                if event.status and event.node:
                    self.status[event.node] = event.status
            case Failed():
                self.settled[event.of, event.nodes] += 1
                node = event.nodes[0]
                lost = event.of == "evaluate" and len(event.nodes) == 1 and node and not event.aside
                if lost and node not in self.own and self.status[node] != "pruned":
                    self.status[node] = "failed"

    def up(self, node: int) -> list[int]:
        """The node and its primary ancestors, the root last."""
        line = [node]
        while line[-1]:
            line.append(self.parents[line[-1]][0])
        return line

    def can_grow(self, node: int) -> bool:
        width, root_width, depth = self.limits
        ops = self.ops if node else ("generate",)
        return (
            (self.status[node] == "open" or (self.status[node] == "terminal" and "refine" in ops))
            and (node == 0 or node in self.own)
            and len(self.up(node)) - 1 < depth
            and node not in self.left
            and sum(self.settled[op, (node,)] for op in ops) < (width if node else root_width)
        )

    def expected(self) -> dict[str, Any]:
        """Attribute by attribute what a structure with nothing in flight must hold."""
        nodes = range(len(self.parents))
        lines = [self.up(node) for node in nodes]
        open_nodes = [node for node in nodes if self.can_grow(node)]
        # a pruned node hides what grows below it from its ancestors, and shows it to itself
        openings = [0] * len(nodes)
        for node in open_nodes:
            for ancestor in lines[node]:
                openings[ancestor] += 1
                if self.status[ancestor] == "pruned":
                    break
        backed = Counter(node for node, _ in self.backed)
        unbacked = {node: values[backed[node] :] for node, values in self.own.items() if len(values) > backed[node]}
        terminals = [node for node in nodes if self.status[node] == "terminal"]
        return {
            "parents": self.parents,
            "children": [[child for child in nodes if child and self.parents[child][0] == node] for node in nodes],
            "depth": [len(line) - 1 for line in lines],
            "visits": [sum(node in lines[at] for at, _ in self.backed) for node in nodes],
            "virtual": [0] * len(nodes),
            "evaluations": [len(self.own.get(node, ())) for node in nodes],
            "openings": openings,
            "_is_open": [node in open_nodes for node in nodes],
            "unscored": {
                node for node in nodes if node and node not in self.own and self.status[node] in ("open", "terminal")
            },
            "unbacked": unbacked,
            "terminals": set(terminals),
            "best_terminal": max(
                (node for node in terminals if node in self.own),
                key=lambda node: (sum(self.own[node]) / len(self.own[node]), -node),
                default=None,
            ),
            "left": self.left,
            "versions": dict(self.versions),
            "preferences": self.preferences,
            "asides": self.asides,
            "calls_in_flight": 0,
            "_in_flight": {},
        }


def check_against_brute_force(structure: ReasoningStructure, events: Sequence[Event]) -> None:
    """Fail unless every array of `structure`, private ones included, is what the events say."""
    slow = Slow(events)
    for name, wanted in slow.expected().items():
        held = getattr(structure, name)
        if isinstance(wanted, set):
            held = set(held)
        assert held == wanted, f"{name}: {held} instead of {wanted}"
    for node in range(len(structure)):
        below = [value for at, value in slow.backed if node in slow.up(at)]
        assert abs(structure.value_sum[node] - sum(below)) < 1e-9
        own = slow.own.get(node, [])
        assert abs(structure.value_own[node] - sum(own)) < 1e-9
        assert structure.attempts("generate", (node,)) == slow.settled["generate", (node,)]
        assert structure.visits[node] == sum(at == node for at, _ in slow.backed) + sum(
            structure.visits[child] for child in structure.children[node]
        ), "visits are not conserved"
    assert structure.steps[0].status == slow.status[0]
    assert [step.status for step in structure.steps] == slow.status
    assert {op for op, _ in slow.settled} <= GROWING | {"evaluate", "enrich"}
