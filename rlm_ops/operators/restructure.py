"""*restructure*: another shape of what is there; nothing new is thought, so no model is asked.

`call.how` says which way; a number after a colon is its parameter:

- `best-path`: the way to the node as a chain of its own, and `journey:K` the same with K failed attempts at each step;
- `split`: a step of several lines into a chain of one-line steps, so that search can branch at each;
- `branch:J`: the first J lines of a step as a new step beside it, from which search goes on (chain to tree);
- `thought`: the hidden thought beside a step as a chain of steps;
- `collapse`: the subtree below a node into one step that holds it as a nested run.

New nodes stand below the node they were made of, and are read from where it is read (`Grown.after`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Answered, Began, Evaluated, Event, Grown, Pruned, Row, to_row
from reflectree.rlm_ops.operators.linearise import journey
from reflectree.rlm_ops.splitting import split_thought
from reflectree.rlm_ops.step import Step
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.rlm_ops.trace import number


def restructure(structure: ReasoningStructure, call: Call) -> list[Event]:
    """The events that give `call.nodes[0]` another shape.

    Raises:
        BadInput: There is no such way.
    """
    way, _, parameter = call.how.partition(":")
    if way not in WAYS or (parameter and not parameter.isdigit()):
        raise BadInput(f"no way to restructure called {call.how!r}: use one of {', '.join(WAYS)}")
    return WAYS[way](structure, call, int(parameter or 0))


def _chain(structure: ReasoningStructure, call: Call, steps: Sequence[Step], after: int) -> list[Event]:
    """Steps one below the other: the first below the call's node, read after `after`."""
    events: list[Event] = []
    nodes, index = call.nodes, call.index
    for position, step in enumerate(steps):
        events.append(
            Grown(
                op="restructure",
                nodes=nodes,
                index=index,
                text=step.text,
                granularity="step",
                status=step.status,
                answer=step.answer,
                after=after if position == 0 else -1,
                how=call.how,
            )
        )
        nodes, index = (len(structure) + position,), 0
    return events


def _best_path(structure: ReasoningStructure, call: Call, _: int) -> list[Event]:
    return _journey(structure, call, 0)


def _journey(structure: ReasoningStructure, call: Call, failures: int) -> list[Event]:
    node = call.nodes[0]
    moments = journey(structure, node, failures)
    last = structure.steps[node]
    steps = [Step(moment.text) for moment in moments]
    if steps:
        steps[-1] = Step(steps[-1].text, status=last.status, answer=last.answer)
    return _chain(structure, call, steps, ROOT)


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _split(structure: ReasoningStructure, call: Call, _: int) -> list[Event]:
    node = call.nodes[0]
    whole = structure.steps[node]
    lines = _lines(whole.text)
    steps = [Step(line) for line in lines[:-1]]
    steps.append(Step(lines[-1] if lines else whole.text, status=whole.status, answer=whole.answer))
    return _chain(structure, call, steps, structure.after[node])


def _branch(structure: ReasoningStructure, call: Call, count: int) -> list[Event]:
    node = call.nodes[0]
    lines = _lines(structure.steps[node].text)
    if not 0 < count < len(lines):
        raise BadInput(f"cannot branch after line {count}: the step has {len(lines)} lines")
    return _chain(structure, call, [Step("\n".join(lines[:count]))], structure.after[node])


def _thought(structure: ReasoningStructure, call: Call, _: int) -> list[Event]:
    node = call.nodes[0]
    thought = structure.notes.get(node, "")
    parts = [" ".join(part.split()) for part in split_thought(thought)]
    steps = [Step(part) for part in parts if part] or [Step(thought)]
    return _chain(structure, call, steps, structure.after[node])


def _collapse(structure: ReasoningStructure, call: Call, _: int) -> list[Event]:
    node = call.nodes[0]
    members = _below(structure, node)
    best = max(members, key=lambda member: _worth(structure, member), default=node)
    step = structure.steps[best]
    above = set(structure.read_ids(node)) - {node}
    text = "\n".join(structure.steps[member].text for member in structure.read_ids(best) if member not in above)
    grown = Grown(
        op="restructure",
        nodes=call.nodes,
        index=call.index,
        text=text or step.text,
        granularity="step",
        status="terminal" if step.status == "terminal" else "open",
        answer=step.answer,
        after=structure.after[node] if node != ROOT else ROOT,
        how=call.how,
        run=f"collapsed-{node}-{call.index}",
        trace=tuple(subtrace(structure, node)),
    )
    pruned = Pruned(nodes=tuple(structure.children[node]), reason=f"collapsed into node {len(structure)}")
    return [grown, pruned] if pruned.nodes else [grown]


def _worth(structure: ReasoningStructure, node: int) -> tuple[bool, float, int]:
    value = structure.q(node)
    return structure.steps[node].status == "terminal", -1.0 if value is None else value, -node


def _below(structure: ReasoningStructure, node: int) -> list[int]:
    """The primary descendants of a node, oldest first."""
    found, stack = [], list(structure.children[node])
    while stack:
        child = stack.pop()
        found.append(child)
        stack.extend(structure.children[child])
    return sorted(found)


def subtrace(structure: ReasoningStructure, node: int) -> list[Row]:
    """The subtree below a node as a trace of its own: its task is the task as far as the node has come."""
    task = structure.task
    so_far = structure.path(node).text if node != ROOT else ""
    events: list[Event] = [Began(question=task.question, context=so_far or task.context, width=1 << 20, depth=1 << 20)]
    ids = {node: ROOT}
    counts: dict[tuple[int, ...], int] = {}
    terminals = []
    for member in _below(structure, node):
        step = structure.steps[member]
        ids[member] = len(ids)
        parents = tuple(ids[parent] for parent in structure.parents[member] if parent in ids)
        first = ids.get(structure.after[member], ROOT)
        index = counts[parents] = counts.get(parents, -1) + 1
        status = step.status if step.status in ("open", "terminal") else "terminal" if step.answer else "open"
        events.append(
            Grown(
                op=structure.ops[member],  # type: ignore[arg-type]
                nodes=parents,
                index=index,
                text=step.text,
                granularity=step.granularity,
                status=status,
                answer=step.answer,
                after=-1 if first == parents[0] else first,
                how=structure.hows[member],
            )
        )
        value = structure.value(member)
        if value is not None:
            events.append(Evaluated(node=ids[member], value=value, source="collapsed"))
        if step.answer is not None:
            terminals.append((_worth(structure, member), ids[member], step.answer))
    if terminals:
        _, chosen, answer = max(terminals)
        events.append(Answered(node=chosen, answer=answer, stop_reason="collapsed"))
    return number([to_row(event) for event in events], 0, 1)


WAYS: dict[str, Callable[[ReasoningStructure, Call, int], list[Event]]] = {
    "best-path": _best_path,
    "journey": _journey,
    "split": _split,
    "branch": _branch,
    "thought": _thought,
    "collapse": _collapse,
}
"""The ways to restructure, by name."""
