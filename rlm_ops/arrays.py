"""What a reasoning structure is made of, and how it is read: arrays indexed by node id.

A strategy sees this side only. Nothing here changes anything: `reflectree.rlm_ops.structure` folds events in and keeps
the calls in flight.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from random import Random
from typing import Any

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Answered, Began, Row
from reflectree.rlm_ops.reflected import Reflected
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE, Usage

ROOT = 0
Key = tuple[str, tuple[int, ...]]
"""What calls are counted by: operator and nodes."""


class NodeArrays:
    """The state of a chain, tree, DAG or forest of steps. Node 0 is the task itself.

    Attributes:
        task: The task, without its verifier.
        parents: Parent ids of each node, the primary one first.
        children: Primary children of each node, in order of arrival.
        joined: Children of nodes that are not their primary parent: what was merged from them.
        steps: The step at each node.
        after: The node after whose path each node's text is read: its primary parent, unless it stands in another's
            place (see `Grown.after`).
        ops: The operator that grew each node (`task` for the root), and `hows` its variant.
        depth: Steps from the root to each node.
        priors: The policy's probability of each step, where known.
        visits: Backed-up evaluations at and below each node.
        value_sum: Their sum.
        backed: The value of each node under the run's backup rule, where that is not the mean.
        virtual: Calls in flight at and below each node (virtual visits).
        evaluations: Own evaluations of each node, `value_own` their sum and `least_own` the lowest of them.
        openings: How many nodes at and below each node a step could be added to right now.
        unscored: Nodes that want a first evaluation, none being in flight.
        unbacked: Evaluated values that want to be backed up: node to values.
        preferences: The chance that the first node of a pair is better than the second, by comparison.
        asides: Observations on a node by the variant that made them, such as `(0, "difficulty")`.
        scores: What the latest evaluation measured, by node and (for observations) variant, else "".
        remarks: The latest evaluator's reason, by the same.
        failures: Calls that came to nothing, by operator and nodes.
        left: Nodes the search has backtracked from.
        versions: How often a node was enriched, for those that were.
        notes: What was said beside a step: a critique, a thought, an observation.
        runs: The nested run a node holds, for those that hold one, and `traces` its events.
        reflected: What the run has learnt, by stage.
        terminals: Nodes with an answer, pruned and failed ones not counted.
        best_terminal: The terminal whose own evaluations have the highest mean, the older one of equals.
        usage: The bill so far.
        applied: Events folded so far.
        begun: Calls begun so far; of those of a process that is gone, the ones that settled.
        memo: Room for what strategies derive from the structure, by a key of their own. It may vanish at any time, so
            it may hold nothing that cannot be derived again.
    """

    def __init__(self) -> None:
        self.task = Task("(no task yet)")
        self.began: Began | None = None
        self.answered: Answered | None = None
        self.cursor = ROOT
        self.width = self.root_width = self.depth_limit = 1
        self.parents: list[tuple[int, ...]] = []
        self.children: list[list[int]] = []
        self.joined: dict[int, list[int]] = {}
        self.steps: list[Step] = []
        self.after: list[int] = []
        self.ops: list[str] = []
        self.hows: list[str] = []
        self.depth: list[int] = []
        self.priors: list[float | None] = []
        self.visits: list[int] = []
        self.value_sum: list[float] = []
        self.backed: list[float | None] = []
        self.virtual: list[int] = []
        self.evaluations: list[int] = []
        self.value_own: list[float] = []
        self.least_own: list[float] = []
        self.openings: list[int] = []
        self.unscored: dict[int, None] = {}
        self.unbacked: dict[int, list[float]] = {}
        self.preferences: dict[tuple[int, int], float] = {}
        self.asides: dict[tuple[int, str], float] = {}
        self.scores: dict[tuple[int, str], tuple[float, ...]] = {}
        self.remarks: dict[tuple[int, str], str] = {}
        self.failures: dict[Key, int] = {}
        self.left: dict[int, None] = {}
        self.versions: dict[int, int] = {}
        self.notes: dict[int, str] = {}
        self.runs: dict[int, str] = {}
        self.traces: dict[int, tuple[Row, ...]] = {}
        self.reflected: dict[int, Reflected] = {}
        self.terminals: dict[int, None] = {}
        self.best_terminal: int | None = None
        self.usage: Usage = NO_USAGE
        self.applied = 0
        self.begun = 0
        self.memo: dict[str, Any] = {}
        self._ops: tuple[str, ...] = ("generate",)
        self._is_open: list[bool] = []
        self._paths: dict[int, tuple[Step, ...]] = {ROOT: ()}
        self._settled: dict[Key, int] = {}
        self._in_flight: dict[Key, int] = {}
        self._has_priors = False
        self._recalled = ""
        """What the run was shown of earlier runs' records."""
        self.calls_in_flight = 0

    def __len__(self) -> int:
        return len(self.steps)

    def value(self, node: int) -> float | None:
        """Mean of the node's own evaluations; `None` while there is none."""
        count = self.evaluations[node]
        return self.value_own[node] / count if count else None

    def mean(self, node: int) -> float | None:
        """Mean of all values backed up at and below the node; `None` while there is none."""
        count = self.visits[node]
        return self.value_sum[node] / count if count else None

    def q(self, node: int) -> float | None:
        """The node's value under the run's backup rule; `None` while nothing was backed up to it."""
        return self.mean(node) if not self.has_backup_rule else self.backed[node]

    @property
    def has_backup_rule(self) -> bool:
        """Whether values are backed up by another rule than the mean."""
        return self.began is not None and bool(self.began.backup)

    def better(self, node: int, than: int) -> float | None:
        """The chance that a node is better than another, both orders of the comparison counted; `None` if unknown."""
        forth, back = self.preferences.get((node, than)), self.preferences.get((than, node))
        if forth is None:
            return None if back is None else 1.0 - back
        return forth if back is None else (forth + 1.0 - back) / 2

    def rng(self, label: str) -> Random:
        """Randomness for a choice, the same for the same seed and the same history."""
        seed = self.began.seed if self.began else 0
        return Random(zlib.crc32(f"{seed}:{label}:{self.applied}:{self.begun}".encode()))

    def width_of(self, node: int) -> int:
        """Most attempts to add a child to the node."""
        return self.width if node else self.root_width

    def attempts(self, op: str, nodes: tuple[int, ...]) -> int:
        """Calls of `op` on `nodes` that are settled or in flight."""
        key = (op, nodes)
        return (self._settled.get(key, 0) | self._in_flight.get(key, 0)).bit_count()

    def free_indices(self, op: str, nodes: tuple[int, ...], first: int, count: int) -> list[int]:
        """Those of `count` indices from `first` at which a call is neither settled nor in flight."""
        key = (op, nodes)
        used = (self._settled.get(key, 0) | self._in_flight.get(key, 0)) >> first & ((1 << count) - 1)
        if used == (1 << count) - 1:
            return []
        return [first + offset for offset in range(count) if not used >> offset & 1]

    def next_index(self, op: str, nodes: tuple[int, ...]) -> int:
        """The lowest index at which a call of `op` on `nodes` is neither settled nor in flight."""
        key = (op, nodes)
        used = self._settled.get(key, 0) | self._in_flight.get(key, 0)
        return (~used & (used + 1)).bit_length() - 1

    def is_settled(self, call: Call) -> bool:
        """Whether the call's outcome is in the structure."""
        return bool(self._settled.get((call.op, call.nodes), 0) >> call.index & 1)

    def is_in_flight(self, call: Call) -> bool:
        """Whether the call has begun and not settled."""
        return bool(self._in_flight.get((call.op, call.nodes), 0) >> call.index & 1)

    def busy(self, op: str, nodes: tuple[int, ...]) -> int:
        """Calls of `op` on `nodes` in flight."""
        return self._in_flight.get((op, nodes), 0).bit_count()

    def offspring(self, node: int, op: str) -> list[int]:
        """Those primary children that `op` grew."""
        return [child for child in self.children[node] if self.ops[child] == op]

    def can_grow(self, node: int) -> bool:
        """Whether a step may be added to the node now: open, scored (the root need not be), not full, not too deep.

        Where *refine* is among the run's growing operators, answers may grow too: by being refined.
        """
        status, ops = self.steps[node].status, self._ops if node else ("generate",)
        return (
            (status == "open" or (status == "terminal" and "refine" in ops))
            and (not node or self.evaluations[node] > 0)
            and self.depth[node] < self.depth_limit
            and node not in self.left
            and sum(self.attempts(op, (node,)) for op in ops) < self.width_of(node)
        )

    def is_open(self, node: int) -> bool:
        """`can_grow`, as kept up to date by the fold: what a selection asks at every level."""
        return self._is_open[node]

    def hyperedges(self) -> Iterator[tuple[tuple[int, ...], int]]:
        """The structure read as a directed hypergraph: for each node the set of nodes it was made of, and the node."""
        for node in range(ROOT + 1, len(self.parents)):
            yield self.parents[node], node

    def ancestors(self, node: int) -> Iterator[int]:
        """The node and its primary ancestors, up to the root."""
        while node != ROOT:
            yield node
            node = self.parents[node][0]
        yield ROOT

    def path_ids(self, node: int) -> list[int]:
        """Node ids from the first step to the node, along primary parents; the root is not part of it."""
        ids = [ancestor for ancestor in self.ancestors(node) if ancestor != ROOT]
        ids.reverse()
        return ids

    def path(self, node: int) -> Path:
        """What an evaluator scores and a prompt is built from."""
        notes = "\n".join(filter(None, (self._recalled, self.lessons))) if self._recalled else self.lessons
        return Path(self.task, self._steps_to(node), notes)

    @property
    def lessons(self) -> str:
        """What the run has learnt about the task so far: the root's text, once it was enriched."""
        return self.steps[ROOT].text if ROOT in self.versions else ""

    def read_ids(self, node: int) -> list[int]:
        """Node ids of the steps that the path of a node is read from, first step first."""
        ids = []
        while node != ROOT:
            ids.append(node)
            node = self.after[node]
        ids.reverse()
        return ids

    def _steps_to(self, node: int) -> tuple[Step, ...]:
        """The path's steps. A child's are its parent's and one more, so those asked for are kept."""
        steps = self._paths.get(node)
        if steps is None:
            known = self._paths.get(self.after[node])
            if known is None:
                known = tuple(self.steps[step] for step in self.read_ids(self.after[node]))
            steps = (*known, self.steps[node])
            self._paths[node] = steps
        return steps

    def repeats(self, node: int) -> bool:
        """Whether an older sibling says the same, word for word."""
        text = self.steps[node].text
        siblings = self.children[self.parents[node][0]]
        return any(self.steps[sibling].text == text for sibling in siblings if sibling < node)

    def sibling_priors(self, node: int) -> dict[int, float] | None:
        """The policy's probabilities of the node's children, normalised over them; `None` where none is known."""
        if not self._has_priors:
            return None
        known = {child: prior for child in self.children[node] if (prior := self.priors[child]) is not None}
        if not known:
            return None
        filler = sum(known.values()) / len(known)
        mass = filler * len(self.children[node])
        return {child: known.get(child, filler) / mass for child in self.children[node]}
