"""Which operator is worth trying where: priors over operators, and how they are learnt from traces.

A node is described by `features`: what it is, how deep it stands, what it is worth. A table of priors holds weights of
operators by these descriptions, from the exact one (`answer/shallow/low`) over what the node is (`answer`) to weights
for all nodes alike. A `Transition` is one operator applied once, described likewise, with what came of it: they are
read off any trace (trace-based supervision, arXiv 2501.11223), whichever strategy made it.

What a table cannot say: that stopping is right. No trace shows what would have come of not stopping, so `stop` is not
learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reflectree.rlm_ops.events import Backtracked, Event, Grown
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

Table = Mapping[str, float | Mapping[str, float]]
"""Weights of operators: for all nodes (`{refine: 0.5}`), or by description (`{answer: {refine: 0.7}}`)."""

UNLEARNED: dict[str, float | dict[str, float]] = {}
"""The table of which nothing was learnt: all operators alike."""

SHALLOW, MIDDLE = 2, 5
"""The greatest depths that are called shallow and middle."""
LOW, HIGH = 1 / 3, 2 / 3
"""The values below which a node is called low, and from which on high."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One operator applied once, and what came of it.

    Attributes:
        features: The description of the node it was applied to.
        operator: The operator, and `how` its variant.
        node: The node it was applied to (the first of several).
        made: The node it made; -1 for *backtrack*, which makes none.
        gain: By how much answers found at or below what it made, then or later, exceeded the best answer known at the
            time, in [0, 1]. For *backtrack*: answers found later below the node it went back to, but not below the one
            it left.
    """

    features: str
    operator: str
    how: str
    node: int
    made: int
    gain: float


def features(structure: ReasoningStructure, node: int) -> str:
    """What a node is, how deep it stands and what it is worth by its own evaluation: `step/shallow/high`.

    None of it changes once the node is scored, so a finished trace tells it as the search saw it.
    """
    if node == ROOT:
        return "root"
    kind = "answer" if structure.steps[node].answer is not None else "step"
    depth, value = structure.depth[node], structure.value(node)
    deep = "shallow" if depth <= SHALLOW else "middle" if depth <= MIDDLE else "deep"
    worth = "unknown" if value is None else "low" if value < LOW else "middling" if value < HIGH else "high"
    return f"{kind}/{deep}/{worth}"


def probabilities(table: Table, description: str, operators: Sequence[str]) -> dict[str, float]:
    """Probabilities of the operators that are possible at a node; they add up to 1.

    An operator that the table does not weigh has the mean weight of those that it does.
    """
    weights = _weights(table, description)
    known = [weights[operator] for operator in operators if operator in weights]
    filler = sum(known) / len(known) if known else 1.0
    found = [weights.get(operator, filler) for operator in operators]
    total = sum(found)
    if total <= 0:
        return dict.fromkeys(operators, 1.0 / max(1, len(operators)))
    return {operator: weight / total for operator, weight in zip(operators, found, strict=True)}


def _weights(table: Table, description: str) -> Mapping[str, float]:
    for key in (description, description.partition("/")[0]):
        row = table.get(key)
        if isinstance(row, Mapping):
            return row
    return {operator: weight for operator, weight in table.items() if not isinstance(weight, Mapping)}


def transitions(trace: Iterable[Event]) -> list[Transition]:
    """Every application of an operator in a trace that made a node or went back, oldest first.

    Repetitions that were pruned unscored are among them, with a gain of 0; calls that failed are not.
    """
    events = list(trace)
    structure = ReasoningStructure()
    known = 0.0  # the value of the best answer so far
    moments: list[tuple[Event, float, int]] = []
    for event in events:
        if isinstance(event, Grown | Backtracked):
            moments.append((event, known, len(structure)))
        structure.apply(event)
        best = structure.best_terminal
        known = max(known, 0.0 if best is None else structure.value(best) or 0.0)
    best_below = _best_below(structure)
    found = []
    for event, before, count in moments:
        if isinstance(event, Grown):
            description = features(structure, event.nodes[0])
            gain = max(0.0, best_below[event.node] - before)
            found.append(Transition(description, event.op, event.how, event.nodes[0], event.node, gain))
        elif isinstance(event, Backtracked) and event.node != ROOT:
            later = _best_elsewhere(structure, event.node, event.to, count)
            gain = max(0.0, later - before)
            found.append(Transition(features(structure, event.node), "backtrack", "", event.node, -1, gain))
    return found


def _answer_value(structure: ReasoningStructure, node: int) -> float:
    """The value of the answer a node holds; 0 without a scored answer."""
    return (structure.value(node) or 0.0) if structure.steps[node].answer is not None else 0.0


def _best_below(structure: ReasoningStructure) -> list[float]:
    """For each node the value of the best answer at or below it, along all parents: children come after them."""
    best = [_answer_value(structure, node) for node in range(len(structure))]
    for node in range(len(structure) - 1, ROOT, -1):
        for parent in structure.parents[node]:
            best[parent] = max(best[parent], best[node])
    return best


def _best_elsewhere(structure: ReasoningStructure, left: int, to: int, since: int) -> float:
    """The best answer among the nodes from id `since` on that lie below `to` and not below `left`."""
    best = 0.0
    for node in range(since, len(structure)):
        above = set(structure.ancestors(node))
        if to in above and left not in above:
            best = max(best, _answer_value(structure, node))
    return best


def learn_priors(traces: Iterable[Iterable[Event]], *, smoothing: float = 1.0) -> dict[str, dict[str, float]]:
    """A table of priors from what operators came to.

    An operator's weight at a description is its mean gain there, drawn towards the mean gain of all operators as by
    `smoothing` further applications; weights of a row add up to 1. There is a row for each description that occurs and
    one for each kind of node. Where nothing ever gained anything the table is empty: `UNLEARNED`.

    Args:
        traces: Traces of runs, of any strategy whose answers were scored.
        smoothing: How many applications the mean over all operators is worth; above 0, so that none is ruled out.
    """
    if not smoothing > 0:
        raise ValueError(f"smoothing={smoothing}: give a number above 0, else an operator never tried is never tried")
    gains: dict[str, dict[str, list[float]]] = {}
    every: list[float] = []
    for trace in traces:
        for transition in transitions(trace):
            every.append(transition.gain)
            for key in {transition.features, transition.features.partition("/")[0]}:
                gains.setdefault(key, {}).setdefault(transition.operator, []).append(transition.gain)
    overall = sum(every) / len(every) if every else 0.0
    if overall <= 0:
        return {}
    return {key: _row(gains[key], overall, smoothing) for key in sorted(gains)}


def _row(gains: Mapping[str, Sequence[float]], overall: float, smoothing: float) -> dict[str, float]:
    weights = {
        operator: (sum(found) + smoothing * overall) / (len(found) + smoothing)
        for operator, found in sorted(gains.items())
    }
    total = sum(weights.values())
    return {operator: weight / total for operator, weight in weights.items()}
