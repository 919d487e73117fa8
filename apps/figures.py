"""The figures of a trace, as data and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reflectree.apps.terminal import dollars, one_line, short
from reflectree.rlm_ops.events import Evaluated, Failed
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import NO_USAGE, Usage

if TYPE_CHECKING:
    from rich.table import Table

BINS = 10
"""Bars of the histogram of values, each a tenth of [0, 1]."""
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 24


def figures(trace: Trace, structure: ReasoningStructure) -> dict[str, Any]:
    """What a trace amounts to, as JSON values."""
    answered, began = trace.answered, trace.began
    usages: dict[str, Usage] = {}
    for event in trace:
        usage = getattr(event, "usage", NO_USAGE)
        if usage:
            op = event.of if isinstance(event, Failed) else event.op
            usages[op] = usages.get(op, NO_USAGE) + usage
    scores = [event for event in trace if isinstance(event, Evaluated)]
    values = [event.value for event in scores if event.against == -1 and not event.aside]
    return {
        "run_id": trace.run_id,
        "blueprint": began.blueprint.get("name") if began else None,
        "policy": began.policy if began else None,
        "stop_reason": answered.stop_reason if answered else None,
        "answer": answered.answer if answered else None,
        "events": dict(Counter(event.op for event in trace)),
        **_shape(structure),
        "usage": asdict(trace.usage),
        "usage_by_operator": {op: asdict(usage) for op, usage in usages.items()},
        "evaluations": len(values),
        "comparisons": sum(event.against != -1 for event in scores),
        "observations": {f"{event.how}: {event.value:.2f}": event.node for event in scores if event.aside},
        "mean_value": sum(values) / len(values) if values else None,
        "values": _histogram(values),
        "failures": dict(Counter(f"{e.of}: {one_line(e.reason, 120)}" for e in trace if isinstance(e, Failed))),
    }


def _shape(structure: ReasoningStructure) -> dict[str, Any]:
    nodes = range(ROOT + 1, len(structure))
    inner = [len(children) for children in structure.children if children]
    return {
        "nodes": len(nodes),
        "depth": max((structure.depth[node] for node in nodes), default=0),
        "branching": {"mean": sum(inner) / len(inner) if inner else 0.0, "max": max(inner, default=0)},
        "statuses": dict(Counter(structure.steps[node].status for node in nodes)),
        "answers": len({structure.steps[node].answer for node in structure.terminals}),
    }


def _histogram(values: list[float]) -> list[int]:
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(value * BINS))] += 1
    return counts


def as_table(found: Mapping[str, Any]) -> Table:
    """The figures for a person."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")

    def row(name: str, words: object) -> None:
        table.add_row(Text(name), Text(one_line(str(words))))

    row("run", " · ".join(str(found[name]) for name in ("run_id", "blueprint", "policy") if found[name]))
    row("stopped", found["stop_reason"] or "not finished")
    row("answer", "none" if found["answer"] is None else found["answer"])
    row("events", _counted(found["events"]))
    row("nodes", f"{found['nodes']:,}: {_counted(found['statuses'])}; {found['answers']} different answers")
    branching = found["branching"]
    row("shape", f"depth {found['depth']}, {branching['mean']:.1f} children a step (at most {branching['max']})")
    row("usage", _bill(found["usage"]))
    for op, usage in found["usage_by_operator"].items():
        row(f"  {op}", _bill(usage))
    if found["mean_value"] is not None:
        row("values", f"{found['evaluations']:,} evaluations, mean {found['mean_value']:.2f}")
        for position, count in enumerate(found["values"]):
            bounds = Text(f"  {position / BINS:.1f} to {(position + 1) / BINS:.1f}")
            table.add_row(bounds, _bar(count, max(found["values"])))
    for reason, count in found["failures"].items():
        row("failed", f"{reason} ({count:,} times)")
    return table


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _bill(usage: Mapping[str, Any]) -> str:
    failed = f" ({usage['failed_calls']:,} failed)" if usage["failed_calls"] else ""
    tokens = f"{short(usage['prompt_tokens'])} + {short(usage['completion_tokens'])} tokens"
    return f"{usage['calls']:,} calls{failed}, {tokens}, {dollars(usage['usd'])}"


def _bar(count: int, most: int) -> Any:
    from rich.text import Text

    eighths = round(count / most * _BAR_WIDTH * 8) if most else 0
    bar = "█" * (eighths // 8) + (_BLOCKS[eighths % 8] if eighths % 8 else "")
    return Text(bar or ("▏" if count else ""), style="cyan").append(f" {count:,}" if count else " ·", style="dim")
