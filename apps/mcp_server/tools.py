"""The tools: `reason`, `list_blueprints`, `show_trace` and `verify_answer`.

What a client sends is data; what goes wrong is a tool error of one line. It knows nothing of transports.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from mcp import types
from pydantic import BaseModel

from reflectree.apps.drawing import LEGEND, Drawing, Limits, failures_by_node
from reflectree.apps.mcp_server.arguments import (
    BlueprintEntry,
    Checked,
    ListArguments,
    Listed,
    ReasonArguments,
    Reasoned,
    Spent,
    TraceArguments,
    VerifyArguments,
    read,
    schema,
)
from reflectree.apps.mcp_server.offer import Offer
from reflectree.apps.mcp_server.reasoning import Reasoner
from reflectree.apps.mcp_server.surface import Asking, ServedTool
from reflectree.apps.terminal import clean, many, one_line
from reflectree.graphs.result import Result
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.structure import fold
from reflectree.rlm_ops.task import Task, Verifier
from reflectree.rlm_ops.trace import Trace

_READS = types.ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_WIDTH = 160

_COUNTDOWN = re.compile(r"\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9}){0,19})\s*=\s*([0-9]{1,9})\s*")


def _countdown(expected: str) -> Verifier:
    """The rules of one game."""
    match = _COUNTDOWN.fullmatch(expected)
    if match is None:
        raise BadInput("expected: write numbers with commas, an equals sign and the target, as in 3,5,7,8=24")
    return verifiers.countdown([int(number) for number in match[1].split(",")], int(match[2]))


_KINDS: Mapping[str, Callable[[str], Verifier]] = {
    "countdown": _countdown,
    "exact": verifiers.exact,
    "numeric": verifiers.numeric,
}
"""None of them reads a file, imports a module, or parses more than numbers: what they are told comes from clients."""


def tools(reasoner: Reasoner) -> list[ServedTool]:
    """The tools of a server."""
    return [_reason(reasoner), _list_blueprints(reasoner.offer), _show_trace(reasoner), _verify_answer()]


def _reason(reasoner: Reasoner) -> ServedTool:
    offer = reasoner.offer

    async def call(given: dict[str, Any], asking: Asking) -> types.CallToolResult:
        asked = read(ReasonArguments, given)
        blueprint = offer.blueprint(asked.blueprint)
        budget = offer.budget(calls=asked.max_calls, tokens=asked.max_tokens, seconds=asked.max_seconds)
        task = Task(asked.question, asked.context, form="text")
        result = await reasoner.reason(task, blueprint, budget, asking.report, asking.gone)
        return _told(_reasoned(result, blueprint.name))

    shown = types.Tool(
        name="reason",
        title="Reason about a question",
        description="Think hard about one question: search over several lines of reasoning, judge them, and give the "
        "best answer. For questions where a first thought is often wrong: mathematics, planning, puzzles, code, "
        "careful reading. It takes seconds to minutes and costs model calls. The question must be complete in itself: "
        "this tool sees nothing of the conversation.",
        input_schema=schema(ReasonArguments, blueprint=_names(offer), **_caps(offer)),
        output_schema=schema(Reasoned),
        annotations=types.ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=False, open_world_hint=True
        ),
    )
    return ServedTool(shown, call)


def _list_blueprints(offer: Offer) -> ServedTool:
    async def call(given: dict[str, Any], asking: Asking) -> types.CallToolResult:
        words = read(ListArguments, given).search.casefold().split()
        found = [
            BlueprintEntry(name=name, description=blueprint.description, source=blueprint.source)
            for name, blueprint in offer.blueprints.items()
            if all(word in f"{name} {blueprint.description} {blueprint.source}".casefold() for word in words)
        ]
        lines = [f"{entry.name}: {entry.description}" for entry in found] or ["no blueprint here has these words"]
        return _structured(Listed(blueprints=found, default=offer.default), "\n".join(lines))

    shown = types.Tool(
        name="list_blueprints",
        title="List reasoning systems",
        description="The reasoning systems that reason can use here, what each does and where it comes from.",
        input_schema=schema(ListArguments),
        output_schema=schema(Listed),
        annotations=_READS,
    )
    return ServedTool(shown, call)


def _show_trace(reasoner: Reasoner) -> ServedTool:
    async def call(given: dict[str, Any], asking: Asking) -> types.CallToolResult:
        asked = read(TraceArguments, given)
        trace = await reasoner.runs.trace(asked.run_id)
        drawn = await asyncio.to_thread(_drawn, trace, asked.nodes)
        return types.CallToolResult(content=[types.TextContent(text=drawn)])

    shown = types.Tool(
        name="show_trace",
        title="Show how an answer was found",
        description="Draw the search of an earlier run as a tree: what was tried, how each step was valued, what was "
        "given up, and the way to the answer.",
        input_schema=schema(TraceArguments),
        annotations=_READS,
    )
    return ServedTool(shown, call)


def _verify_answer() -> ServedTool:
    async def call(given: dict[str, Any], asking: Asking) -> types.CallToolResult:
        asked = read(VerifyArguments, given)
        verifier = _KINDS[asked.kind](asked.expected)
        score = await asyncio.to_thread(verifier.score, asked.answer)
        checked = Checked(correct=score >= 1.0, score=score)
        return _structured(checked, "correct" if checked.correct else f"not correct (score {score:g})")

    shown = types.Tool(
        name="verify_answer",
        title="Check an answer",
        description="Check an answer by rule, without a model: a Countdown expression by the rules of the game, a "
        "number within one part in a million, or words.",
        input_schema=schema(VerifyArguments),
        output_schema=schema(Checked),
        annotations=_READS,
    )
    return ServedTool(shown, call)


def _names(offer: Offer) -> dict[str, Any]:
    return {"enum": list(offer.blueprints), "default": offer.default}


def _caps(offer: Offer) -> dict[str, dict[str, Any]]:
    """What the schema says of caps: the server's own are the most, and what holds where nothing is asked."""
    caps = {f"max_{name}": getattr(offer.caps, name) for name in ("calls", "tokens", "seconds")}
    return {name: {"maximum": cap, "default": cap} for name, cap in caps.items() if cap is not None}


def _reasoned(result: Result, blueprint: str) -> Reasoned:
    return Reasoned(
        answer=result.answer,
        score=result.score,
        stop_reason=result.stop_reason,
        usage=Spent(**asdict(result.usage)),
        run_id=result.run_id,
        blueprint=blueprint,
        steps=result.nodes,
        seconds=round(result.wall_s, 3),
    )


def _told(reasoned: Reasoned) -> types.CallToolResult:
    """The answer by itself, then a line about the run; without an answer an error that says why, and what was spent."""
    score = "" if reasoned.score is None else f"score {reasoned.score:.2f}, "
    about = f"{score}{reasoned.blueprint}, {many(reasoned.usage.calls, 'call')}, run {reasoned.run_id}"
    if reasoned.answer is None:
        said = f"no answer ({reasoned.stop_reason}): ask with a larger budget or another blueprint ({about})"
        return _structured(reasoned, said, is_error=True)
    return _structured(reasoned, reasoned.answer, about)


def _structured(data: BaseModel, *texts: str, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(text=text) for text in texts],
        structured_content=json.loads(data.model_dump_json()),
        is_error=is_error,
    )


def _drawn(trace: Trace, nodes: int) -> str:
    """The tree in lines of plain text, with the task above and the legend below."""
    structure = fold(trace)
    began, answered = trace.began, trace.answered
    ended = "not finished" if answered is None else f"ended by {answered.stop_reason}"
    head = f"run {trace.run_id}: {many(trace.nodes, 'step')}, {many(trace.usage.calls, 'call')}, {ended}"
    lines = [one_line(began.question if began is not None else "", _WIDTH), head]
    drawing = Drawing(structure, failures_by_node(tuple(trace)), Limits(nodes))
    lines += [_cut(line.plain) for line in drawing.lines()]
    return "\n".join([*lines, LEGEND])


def _cut(line: str) -> str:
    """A drawn line, cut to a width; its indent stays."""
    line = clean(line)
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
