"""Graph of thoughts: carry out a plan of operations over thoughts, merges included.

Source: Besta et al. 2023 (arXiv 2308.09687). The release runs a fixed graph; here operations may be skipped or repeated
by what the values turn out to be (`When`, `until`). Which nodes an operation came to is read off the structure: those
it made carry its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field, field_validator
from typing_extensions import override

from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_calls
from reflectree.rlm_ops.strategies.plan import Operation, When, check_plan
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

UNBOUNDED = 1 << 20

DEFAULT_PLAN = (
    Operation(id="draft", op="generate", n=5),
    Operation(id="score", op="evaluate", inputs=("draft",)),
    Operation(id="best", op="keep_best", inputs=("score",), n=3),
    Operation(id="merge", op="aggregate", inputs=("best",), n=2, when=When(of="score", below=0.9)),
    Operation(id="check", op="evaluate", inputs=("merge", "best")),
    Operation(id="last", op="keep_best", inputs=("check",)),
)


@dataclass(slots=True)
class _Progress:
    """How far one operation has come: derived from the structure, kept so that it is not derived at every ask."""

    base: int
    inputs: list[int] | None = None
    first: int = 0
    skipped: bool = False
    outputs: list[int] | None = None
    current: dict[int, int] = field(default_factory=dict)


class GraphOfThoughts(Strategy):
    """A plan of operations.

    Attributes:
        plan: The operations. Those that wait for nothing unfinished are carried out side by side.
    """

    name: ClassVar[str] = "got"
    plan: tuple[Operation, ...] = Field(default=DEFAULT_PLAN, min_length=1)

    @field_validator("plan")
    @classmethod
    def _runs(cls, plan: tuple[Operation, ...]) -> tuple[Operation, ...]:
        check_plan(plan)
        return plan

    @override
    def uses(self) -> frozenset[str]:
        asked = {operation.op for operation in self.plan}
        return frozenset(asked & {"generate", "evaluate", "refine", "aggregate"})

    @override
    def limits(self) -> Limits:
        return Limits(UNBOUNDED, UNBOUNDED, len(self.plan) + max(operation.n for operation in self.plan))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        memo: dict[str, _Progress] = structure.memo.setdefault(f"got:{hash(self.plan)}", {})
        calls: list[Call] = []
        finished = True
        for operation in self.plan:
            if len(calls) >= slots > 0:
                return calls
            progress = memo.setdefault(operation.id, _Progress(self._base(operation)))
            if progress.outputs is None:
                calls += self._advance(structure, operation, progress, memo, slots - len(calls))
                finished = finished and progress.outputs is not None
        if not calls and finished and not structure.calls_in_flight:
            return self._only_outcomes(structure, memo)
        return calls

    def _advance(
        self,
        structure: ReasoningStructure,
        operation: Operation,
        progress: _Progress,
        memo: dict[str, _Progress],
        slots: int,
    ) -> list[Call]:
        """Calls for an operation whose inputs are there; its outputs once it is done."""
        if progress.inputs is None and not self._take_inputs(structure, operation, progress, memo):
            return []
        inputs = progress.inputs
        assert inputs is not None
        if progress.skipped:
            progress.outputs = inputs
            return []
        if operation.op in ("keep_best", "keep_valid"):
            progress.outputs = _kept(structure, operation, inputs)
            return []
        if operation.op == "aggregate":
            calls, done = _merges(structure, operation, progress, slots)
        elif operation.op == "refine":
            calls, done = _refinements(structure, operation, progress, slots)
        else:
            calls, done = _each(structure, operation, progress, slots)
        if done:
            progress.outputs = _outputs(structure, operation, progress)
        return calls

    def _base(self, operation: Operation) -> int:
        """The first index of the calls an operation makes: two that draw from one node must not share any."""
        if operation.op == "evaluate":
            return 0
        earlier = self.plan[: self.plan.index(operation)]
        return sum(other.n for other in earlier if other.op == operation.op)

    def _take_inputs(
        self, structure: ReasoningStructure, operation: Operation, progress: _Progress, memo: dict[str, _Progress]
    ) -> bool:
        """Whether all the operation waits for is done; then its inputs are fixed."""
        condition = operation.when
        waited = [*operation.inputs, *([condition.of] if condition else [])]
        if any(memo.get(name) is None or memo[name].outputs is None for name in waited):
            return False
        nodes = [ROOT] if not operation.inputs else []
        for name in operation.inputs:
            nodes += [node for node in memo[name].outputs or () if node not in nodes]
        progress.inputs = nodes
        progress.skipped = condition is not None and not _holds(structure, condition, memo[condition.of].outputs or [])
        return True

    def _only_outcomes(self, structure: ReasoningStructure, memo: dict[str, _Progress]) -> list[Call]:
        """Answers on the way that are no outcome of the plan are pruned, so that none of them is selected."""
        needed = {name for operation in self.plan for name in operation.inputs}
        outcomes = {
            node for operation in self.plan if operation.id not in needed for node in memo[operation.id].outputs or ()
        }
        if not any(node in structure.terminals for node in outcomes):
            return []  # an answer on the way is better than none
        stray = tuple(node for node in structure.terminals if node not in outcomes)
        return [Call("prune", stray, reason="no outcome of the plan")] if stray else []


def _value(structure: ReasoningStructure, node: int) -> float:
    value = structure.value(node)
    return -1.0 if value is None else value


def _holds(structure: ReasoningStructure, condition: When, nodes: Sequence[int]) -> bool:
    best = max((_value(structure, node) for node in nodes), default=-1.0)
    if condition.below is not None and not best < condition.below:
        return False
    return condition.at_least is None or best >= condition.at_least


def _kept(structure: ReasoningStructure, operation: Operation, nodes: Sequence[int]) -> list[int]:
    if operation.op == "keep_valid":
        return [node for node in nodes if _value(structure, node) >= operation.until]
    ranked = sorted(nodes, key=lambda node: (-_value(structure, node), node))
    return ranked[: operation.n]


def _alive(structure: ReasoningStructure, node: int) -> bool:
    return structure.steps[node].status in ("open", "terminal")


def _each(
    structure: ReasoningStructure, operation: Operation, progress: _Progress, slots: int
) -> tuple[list[Call], bool]:
    """Calls on each input, in order: n new nodes of it, or one evaluation."""
    nodes = progress.inputs or []
    op: Operator = "generate" if operation.op == "generate" else "evaluate"
    count = operation.n if op == "generate" else 1
    calls: list[Call] = []
    waiting = False
    for position in range(progress.first, len(nodes)):
        node = nodes[position]
        free = structure.free_indices(op, (node,), progress.base, count) if _alive(structure, node) else []
        if not free and not structure.busy(op, (node,)):
            if position == progress.first:
                progress.first += 1
            continue
        waiting = True
        if len(calls) >= slots:
            break
        calls += [Call(op, (node,), index, operation.id) for index in free[: slots - len(calls)]]
    return calls, not waiting


def _merges(
    structure: ReasoningStructure, operation: Operation, progress: _Progress, slots: int
) -> tuple[list[Call], bool]:
    """So many merges of all inputs; with fewer than two there is nothing to merge."""
    nodes = _mergeable(structure, progress.inputs or [])
    if len(nodes) < 2:
        return [], True
    free = structure.free_indices("aggregate", nodes, progress.base, operation.n)
    calls = [Call("aggregate", nodes, index, operation.id) for index in free[: max(0, slots)]]
    return calls, not free and not structure.busy("aggregate", nodes)


def _mergeable(structure: ReasoningStructure, nodes: Sequence[int]) -> tuple[int, ...]:
    return tuple(node for node in nodes if _alive(structure, node) and node != ROOT)


def _refinements(
    structure: ReasoningStructure, operation: Operation, progress: _Progress, slots: int
) -> tuple[list[Call], bool]:
    """One refinement after the other below each input, each scored, until it is good enough or n were tried."""
    calls: list[Call] = []
    done = True
    for start in progress.inputs or []:
        if start == ROOT or not _alive(structure, start):
            continue
        node = progress.current.setdefault(start, start)
        steps = structure.depth[node] - structure.depth[start]
        refined = [child for child in structure.offspring(node, "refine") if structure.hows[child] == operation.id]
        if structure.busy("refine", (node,)) or structure.busy("evaluate", (node,)):
            done = False
        elif node != start and node in structure.unscored and "evaluate" in _used(structure):
            done = False
            calls += new_calls(structure, "evaluate", (node,), 1, operation.id)
        elif refined:
            progress.current[start] = refined[-1]
            done = False
            more, _ = _refinements(structure, operation, progress, slots)
            return more[:slots], False
        elif (
            _value(structure, node) < operation.until
            and steps < operation.n
            and not structure.attempts("refine", (node,))
        ):
            done = False
            calls += new_calls(structure, "refine", (node,), 1, operation.id)
    return calls[: max(0, slots)], done


def _used(structure: ReasoningStructure) -> frozenset[str]:
    """Whether the run evaluates at all: a plan without evaluate has no evaluator."""
    began = structure.began
    return frozenset({"evaluate"}) if began is not None and began.evaluator else frozenset()


def _outputs(structure: ReasoningStructure, operation: Operation, progress: _Progress) -> list[int]:
    """The nodes an operation came to."""
    inputs = progress.inputs or []
    if operation.op == "evaluate":
        return [node for node in inputs if _alive(structure, node)]
    if operation.op == "generate":
        return [child for node in inputs for child in structure.children[node] if structure.hows[child] == operation.id]
    if operation.op == "aggregate":
        nodes = _mergeable(structure, inputs)
        if len(nodes) < 2:
            return list(nodes)
        return [child for child in structure.children[nodes[0]] if structure.hows[child] == operation.id]
    best = []
    for start in inputs:
        chain, node = [start], start
        while refined := [c for c in structure.offspring(node, "refine") if structure.hows[c] == operation.id]:
            node = refined[-1]
            chain.append(node)
        best.append(max(chain, key=lambda node: _value(structure, node)))
    return best
