"""What a person reads at the end of a run: the answer, and one compact block beneath it.

The answer goes to stdout and everything about it to stderr, so that `answer=$(reflectree solve ...)` holds the answer.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Any

import typer

from reflectree.apps.terminal import clean, console, dollars, duration, many, one_line, short
from reflectree.graphs.result import Result
from reflectree.rlm_ops.events import Failed

STOPPED = {
    "confidence": "certain of the answer",
    "complete": "nothing left to explore",
    "consensus": "enough agree",
    "stopped": "nothing promised a better answer",
    "budget:calls": "the cap on calls is reached",
    "budget:tokens": "the cap on tokens is reached",
    "budget:usd": "the cap on dollars is reached",
    "budget:seconds": "out of time",
}
"""Stop reasons in words."""


def why(stop_reason: str) -> str:
    """A stop reason in words."""
    if stop_reason.startswith("model:"):
        return f"the model failed ({stop_reason.removeprefix('model:')})"
    return STOPPED.get(stop_reason, one_line(stop_reason))


def print_json(result: Result, trace_path: str | None, measured: Mapping[str, Any] | None = None) -> None:
    """Exactly one object on stdout; `measured` are the figures of a problem's answer."""
    data = result.to_json(trace_path)
    typer.echo(json.dumps(data if measured is None else {**data, "report": measured}, ensure_ascii=False))


def print_result(result: Result, trace_path: str | None, *, quiet: bool = False) -> None:
    """The answer, and unless `quiet` the block about it."""
    if result.answer is not None:
        typer.echo(clean(result.answer))
    if quiet:
        return
    from rich.text import Text

    out = console(stderr=True)
    verdict = _verdict(result)
    for style, line in (
        (verdict[1], " · ".join(filter(None, (verdict[0], _score(result), why(result.stop_reason) + _remedy(result))))),
        ("", _bill(result)),
        ("dim", _trace(result, trace_path)),
    ):
        out.print(Text(f"  {line}", style=style), soft_wrap=True)


def _verdict(result: Result) -> tuple[str, str]:
    """Right or wrong, where a verifier knows; and the colour of it."""
    if result.answer is None:
        return "no answer", "yellow"
    oracle = " (the search saw the gold answer)" if result.oracle else ""
    if result.selected_correct is None:
        return oracle.strip(" ()"), ""
    if result.selected_correct:
        return f"✓ correct{oracle}", "green"
    return "✗ wrong" + (", though a right answer was found" if result.in_structure else "") + oracle, "red"


def _remedy(result: Result) -> str:
    """What to do about a run without an answer."""
    if result.answer is not None:
        return ""
    if result.usage.calls and result.usage.failed_calls == result.usage.calls:
        return _all_failed(result)
    kind, _, cap = result.stop_reason.partition(":")
    return f": raise --max-{cap}" if kind == "budget" else ": try another --blueprint, --model or --seed"


def _all_failed(result: Result) -> str:
    """Where nothing of use ever came back, a higher cap only buys more of it: what came instead, most often."""
    failures = (event for event in result.trace if isinstance(event, Failed) and event.usage.calls)
    reasons = Counter(event.reason for event in failures if not event.reason.startswith("the budget's cap"))
    if not reasons:
        return ", and every call failed: reflectree doctor --model MODEL says whether the model answers"
    return f", and every call failed: {one_line(reasons.most_common(1)[0][0], 200)}"


def _score(result: Result) -> str:
    return "" if result.score is None else f"score {result.score:.2f}"


def _bill(result: Result) -> str:
    usage = result.usage
    failed = f" ({usage.failed_calls} failed)" if usage.failed_calls else ""
    return " · ".join(
        (
            many(usage.calls, "call") + failed,
            f"{short(usage.tokens)} tokens",
            dollars(usage.usd),
            many(result.nodes, "node"),
            duration(result.wall_s),
        )
    )


def _trace(result: Result, trace_path: str | None) -> str:
    if trace_path is None:
        return f"run {one_line(result.run_id)} · see the tree with --trace FILE"
    return f"run {one_line(result.run_id)} · reflectree trace show {shlex.quote(trace_path)}"
