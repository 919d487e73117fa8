"""The reasoning structure: id-indexed arrays, folded from a trace.

`structure = fold(trace)`, and `fold(a + b) == fold(b, into=fold(a))`. Besides the fold it knows which calls are in
flight (they are not in the trace), so that a strategy reads everything it needs from here and holds nothing itself.
There is no recursion, no copying and no search for a node; every update costs at most the depth of the node.

A node may have several parents. The first is its *primary* parent: paths run along primary parents and values are
backed up along them, which keeps visits conserved in a DAG too: a node's visits are its own evaluations plus the
visits of its primary children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from reflectree.rlm_ops.arrays import ROOT
from reflectree.rlm_ops.backup import BackupRule, Node, backup_rule
from reflectree.rlm_ops.calls import GROWING, PURE
from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.events import (
    Answered,
    BackedUp,
    Backtracked,
    Began,
    Enriched,
    Evaluated,
    Event,
    Failed,
    Grown,
    Pruned,
)
from reflectree.rlm_ops.in_flight import InFlight
from reflectree.rlm_ops.reflected import REFLECT, Reflected, shown
from reflectree.rlm_ops.step import Step
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE, Usage


class ReasoningStructure(InFlight):
    """A chain, tree, DAG or forest of steps: what `NodeArrays` holds, kept up to date by events."""

    _back_up: BackupRule | None = None

    def __eq__(self, other: object) -> bool:
        """Equal in all that the trace determines; calls in flight are not part of it."""
        if not isinstance(other, ReasoningStructure):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _FOLDED)

    __hash__ = None  # type: ignore[assignment]

    def apply(self, event: Event) -> None:
        """Fold one event in.

        Raises:
            TraceError: The event is out of sequence, settled before, or refers to nodes that are not there.
        """
        if event.seq != self.applied:
            raise TraceError(
                f"event {event.seq} where event {self.applied} belongs: the trace has a gap or a duplicate"
            )
        if self.answered is not None:
            raise TraceError(f"event {event.seq} comes after the answer")
        if self.began is None and type(event) is not Began:
            raise TraceError("the trace does not begin with its task")
        _APPLY[type(event)](self, event)
        self.applied += 1

    def _settle(self, op: str, nodes: tuple[int, ...], index: int, usage: Usage) -> None:
        key, bit = (op, nodes), 1 << index
        settled = self._settled.get(key, 0)
        if settled & bit:
            raise TraceError(f"{op} on {nodes}, index {index}, settled twice")
        self._settled[key] = settled | bit
        if not self._land(op, nodes, index) and op not in PURE:
            self.begun += 1  # begun in a process that is gone: whoever replays draws as it would have
        if usage is not NO_USAGE:
            self.usage = self.usage + usage

    def _add_node(self, parents: tuple[int, ...], step: Step, prior: float | None) -> int:
        node = len(self.steps)
        if parents:
            self.children[parents[0]].append(node)
            self.depth.append(self.depth[parents[0]] + 1)
            for parent in parents[1:]:
                self.joined.setdefault(parent, []).append(node)
        else:
            self.depth.append(0)
        self.parents.append(parents)
        self.children.append([])
        self.steps.append(step)
        self.backed.append(None)
        self.priors.append(prior)
        self._has_priors = self._has_priors or prior is not None
        for counts in (self.visits, self.virtual, self.evaluations, self.openings):
            counts.append(0)
        self.value_sum.append(0.0)
        self.value_own.append(0.0)
        self.least_own.append(1.0)
        self._is_open.append(False)
        return node

    def _known(self, node: int, event: Event) -> int:
        if not 0 <= node < len(self.steps):
            raise TraceError(f"event {event.seq} refers to a node that is not there")
        return node

    def _set_status(self, node: int, step: Step) -> None:
        self.steps[node] = step
        self._forget_paths()
        self.unscored.pop(node, None)
        if node in self.terminals:
            del self.terminals[node]
            if node == self.best_terminal:
                self._rank(node)
        self._refresh(node)

    def _forget_paths(self) -> None:
        self._paths = {ROOT: ()}

    def _rank(self, node: int) -> None:
        """Keep `best_terminal` right after the node's value changed or it left the terminals."""
        best = self.best_terminal
        if best is None or (best != node and self._rank_of(node) > self._rank_of(best)):
            self.best_terminal = node
        elif best == node:
            scored = (terminal for terminal in self.terminals if self.evaluations[terminal])
            self.best_terminal = max(scored, key=self._rank_of, default=None)

    def _rank_of(self, node: int) -> tuple[float, int]:
        value = self.value(node)
        return (-1.0 if value is None else value, -node)

    def _on_began(self, event: Began) -> None:
        if self.began is not None:
            raise TraceError("a second task in one trace")
        self.began = event
        self.task = Task(event.question, event.context, event.examples, event.tools, id=event.task_id, form=event.form)
        self.width, self.root_width, self.depth_limit = event.width, event.root_width, event.depth
        self._ops = event.ops
        self._back_up = backup_rule(event.backup)
        self._recalled = shown(event.arm, event.recalled)
        self._add_node((), Step(event.question), None)
        self.after.append(ROOT)
        self.ops.append("task")
        self.hows.append("")
        self._refresh(ROOT)

    def _on_grown(self, event: Grown) -> None:
        if event.node != len(self.steps):
            raise TraceError(f"event {event.seq} adds node {event.node} where node {len(self.steps)} belongs")
        for parent in event.nodes:
            self._known(parent, event)
        if event.after != -1:
            self._known(event.after, event)
        self._settle(event.op, event.nodes, event.index, event.usage)
        step = Step(event.text, event.granularity, event.status, event.answer, event.confidence)
        node = self._add_node(event.nodes, step, event.prior)
        self.after.append(event.nodes[0] if event.after == -1 else event.after)
        self.ops.append(event.op)
        self.hows.append(event.how)
        if event.status in ("open", "terminal"):
            self.unscored[node] = None
        if event.status == "terminal":
            self.terminals[node] = None
        if event.note:
            self.notes[node] = event.note
        if event.run:
            self.runs[node] = event.run
            self.traces[node] = event.trace
        self._refresh(event.nodes[0])

    def _on_evaluated(self, event: Evaluated) -> None:
        node = self._known(event.node, event)
        if event.against != -1:
            pair = (node, self._known(event.against, event))
            self._settle("evaluate", pair, event.index, event.usage)
            self.preferences[pair] = event.value
            return
        self._settle("evaluate", (node,), event.index, event.usage)
        key = (node, event.how if event.aside else "")
        if event.scores:
            self.scores[key] = event.scores
        if event.note:
            self.remarks[key] = event.note
        if event.aside:
            self.asides[node, event.how] = event.value
            if self._wants_score(node):
                self.unscored[node] = None
            return
        self.evaluations[node] += 1
        self.value_own[node] += event.value
        self.least_own[node] = min(self.least_own[node], event.value)
        self.unscored.pop(node, None)
        self.unbacked.setdefault(node, []).append(event.value)
        if node in self.terminals:
            self._rank(node)
        self._refresh(node)

    def _on_backed_up(self, event: BackedUp) -> None:
        values = self.unbacked.get(event.node)
        if not values or values[0] != event.value:
            raise TraceError(f"event {event.seq} backs up a value that node {event.node} does not have")
        values.pop(0)
        if not values:
            del self.unbacked[event.node]
        visits, value_sum, parents, node = self.visits, self.value_sum, self.parents, event.node
        rule, backed, via = self._back_up, self.backed, None
        while True:
            visits[node] += 1
            value_sum[node] += event.value
            if rule is not None:
                values, counts, hows = [], [], []
                for child in self.children[node]:
                    value = backed[child]
                    if value is not None:
                        values.append(value)
                        counts.append(visits[child])
                        hows.append(self.hows[child])
                before, own = backed[node], self.value(node)
                via = backed[node] = rule(
                    Node(before, own, values, counts, via, self.hows[node], hows, self.least_own[node])
                )
            if node == ROOT:
                return
            node = parents[node][0]

    def _on_pruned(self, event: Pruned) -> None:
        for node in event.nodes:
            step = self.steps[self._known(node, event)]
            if step.status == "pruned":
                continue
            if node != ROOT:
                self._add_openings(self.parents[node][0], -self.openings[node])
            self._set_status(node, replace(step, status="pruned"))

    def _on_backtracked(self, event: Backtracked) -> None:
        self.cursor = self._known(event.to, event)
        node = self._known(event.node, event)
        if node != ROOT:
            self.left[node] = None
            self._refresh(node)

    def _on_enriched(self, event: Enriched) -> None:
        node = self._known(event.node, event)
        self._settle("enrich", (node,), event.index, event.usage)
        step = self.steps[node]
        self.versions[node] = self.versions.get(node, 0) + 1
        if event.note:
            self.notes[node] = event.note
        status = event.status or step.status
        new = Step(event.text, step.granularity, status, event.answer, step.confidence)
        if status == step.status or node == ROOT:
            self._forget_paths()
            self.steps[node] = new
            return
        self._set_status(node, new)
        if status == "terminal":
            self.terminals[node] = None
        if self._wants_score(node):
            self.unscored[node] = None
        elif node in self.terminals:
            self._rank(node)

    def _on_failed(self, event: Failed) -> None:
        node = next(self._known(node, event) for node in event.nodes)
        self._settle(event.of, event.nodes, event.index, event.usage)
        key = (event.of, event.nodes)
        self.failures[key] = self.failures.get(key, 0) + 1
        step = self.steps[node]
        lost = event.of == "evaluate" and len(event.nodes) == 1 and node != ROOT and not event.aside
        if lost and not self.evaluations[node] and step.status != "pruned":
            self._set_status(node, replace(step, status="failed"))
        elif event.of in GROWING:
            self._refresh(node)

    def _on_reflected(self, event: Reflected) -> None:
        self._settle(REFLECT, (ROOT,), event.index, event.usage)
        self.reflected[event.index] = event

    def _on_answered(self, event: Answered) -> None:
        self.answered = event


_APPLY: dict[type[Any], Callable[[ReasoningStructure, Any], None]] = {
    Began: ReasoningStructure._on_began,
    Grown: ReasoningStructure._on_grown,
    Evaluated: ReasoningStructure._on_evaluated,
    BackedUp: ReasoningStructure._on_backed_up,
    Pruned: ReasoningStructure._on_pruned,
    Backtracked: ReasoningStructure._on_backtracked,
    Enriched: ReasoningStructure._on_enriched,
    Failed: ReasoningStructure._on_failed,
    Reflected: ReasoningStructure._on_reflected,
    Answered: ReasoningStructure._on_answered,
}

_FOLDED = (
    *("began", "answered", "cursor", "parents", "children", "steps", "depth", "priors", "visits", "value_sum"),
    *("evaluations", "value_own", "least_own", "unbacked", "runs", "terminals", "usage", "applied", "_settled"),
    *("joined", "after", "ops", "hows", "backed", "preferences", "asides", "failures", "left", "versions", "notes"),
    *("traces", "reflected", "scores", "remarks"),
)


def fold(events: Iterable[Event], into: ReasoningStructure | None = None) -> ReasoningStructure:
    """The structure a trace stands for; `into` continues one that already holds the events before.

    Raises:
        TraceError: A gap, a duplicate, or a reference to a node that is not there.
    """
    structure = ReasoningStructure() if into is None else into
    for event in events:
        structure.apply(event)
    return structure


def tell(structure: ReasoningStructure, events: Sequence[Event]) -> None:
    """Fold in those events the structure does not hold yet: telling twice equals telling once."""
    for event in events:
        if event.seq >= structure.applied:
            structure.apply(event)


__all__ = ["ROOT", "ReasoningStructure", "fold", "tell"]
