"""A trace as the page reads it: columns of numbers over a table of texts, an entry an event.

The page folds the events itself, so that it can stand at any of them; what it could not compute (values under another
backup rule than the mean, words for stop reasons) is computed here. More events may be added later, as of a run that
goes on: each addition is a chunk of its own, and the page joins them. Limits are told, never silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from reflectree.apps.report import why
from reflectree.apps.viewer.columns import OPS, STATUSES, Columns, Texts
from reflectree.apps.viewer.text import deep, visible
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
from reflectree.rlm_ops.reflected import Reflected
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import NO_USAGE

MOST_EVENTS = 200_000
"""Events of one run that are shown."""
MOST_CHARACTERS = 40_000_000
"""Characters of all texts of one page."""
MOST_BACKED = 4_000_000
"""Values of one run under another backup rule than the mean: each evaluation changes as many as its node is deep."""
DEEPEST = 8
"""Runs within runs within runs that are shown."""
_DIGITS = 5

Chunk: TypeAlias = dict[str, Any]
"""Some events in columns, with the texts that are new in them."""


class Encoder:
    """One run on its way to the page.

    Args:
        run_id: The run.
        level: How many runs it is nested in.

    Attributes:
        structure: The structure as far as the trace is sound.
        problems: What is wrong with the trace, and what was left out, in words.
    """

    def __init__(self, run_id: str = "", level: int = 0) -> None:
        self.run_id = run_id
        self.structure = ReasoningStructure()
        self.problems: list[str] = []
        self._level = level
        self._texts = Texts(MOST_CHARACTERS)
        self._backed_up = 0
        self._ended = False

    def add(self, events: Iterable[Event]) -> Chunk:
        """The chunk of the events after those that were added before; what is not sound is left out and said."""
        columns = Columns(self.structure.applied)
        nested: dict[int, Any] = {}
        for event in events:
            if self._ended:
                break
            if self.structure.applied >= MOST_EVENTS or self._texts.full or self._backed_up > MOST_BACKED:
                self._end(f"too large to be shown whole: the first {self.structure.applied:,} events are here")
                break
            try:
                self.structure.apply(event)
            except TraceError as error:
                self._end(f"unsound: {error}; what follows is left out")
                break
            self._write(event, columns)
            if isinstance(event, Grown) and event.run:
                nested[event.seq] = self._inside(event)
        chunk = columns.chunk() | self._texts.fresh() | {"run": self.header()}
        if nested:
            chunk["nested"] = nested
        return chunk

    def header(self) -> dict[str, Any]:
        """What is known of the run as a whole."""
        structure = self.structure
        usage, answered = structure.usage, structure.answered
        found: dict[str, Any] = {
            "id": visible(self.run_id)[:200],
            "problems": [visible(problem)[:500] for problem in self.problems],
            "usage": [usage.calls, usage.failed_calls, usage.prompt_tokens, usage.completion_tokens, usage.usd],
            "began": _began(structure.began) if structure.began is not None else None,
            "rule": structure.has_backup_rule,
        }
        if answered is not None:
            found["answered"] = {
                "node": answered.node,
                "answer": deep(answered.answer),
                "score": answered.score,
                "why": why(answered.stop_reason),
                "stop": visible(answered.stop_reason)[:200],
                "selection": visible(answered.selection)[:200],
                "correct": answered.correct,
                "in_structure": answered.in_structure,
                "way": structure.path_ids(answered.node) if ROOT < answered.node < len(structure) else [],
            }
        return found

    def _end(self, problem: str) -> None:
        self.problems.append(problem)
        self._ended = True

    def _write(self, event: Event, columns: Columns) -> None:
        """One event's entry in the columns."""
        entry = _entry(event)
        rare = entry.pop("rare", None)
        for name in ("text", "note", "how", "source", "answer"):
            entry[name] = self._texts.id(entry.get(name))
        usage = getattr(event, "usage", NO_USAGE)
        if usage is not NO_USAGE:
            entry["usage"] = usage.to_row()
        columns.add(OPS[event.op], entry, rare)
        if isinstance(event, BackedUp) and self.structure.has_backup_rule:
            backed = self._backed(event.node)
            self._backed_up += len(backed)
            columns.q += backed

    def _backed(self, node: int) -> list[float | None]:
        """What stands under the run's rule at the node and its primary ancestors now."""
        backed = (self.structure.backed[ancestor] for ancestor in self.structure.ancestors(node))
        return [None if value is None else round(value, _DIGITS) for value in backed]

    def _inside(self, event: Grown) -> Any:
        """The run that a step holds, for the page."""
        if self._level + 1 >= DEEPEST:
            return {"left_out": f"runs more than {DEEPEST} deep are not shown"}
        inner = Encoder(event.run, self._level + 1)
        try:
            return inner.add(Trace.from_rows(event.trace, run_id=event.run).events)
        except TraceError as error:
            return {"left_out": f"the run inside is damaged: {visible(str(error))[:300]}"}


def encode(trace: Trace, problems: Sequence[str] = ()) -> Chunk:
    """A whole trace as one chunk; `problems` are told with it."""
    encoder = Encoder(trace.run_id)
    encoder.problems += [f"damaged: {trace.damage}"] if trace.damage else []
    encoder.problems += problems
    return encoder.add(trace.events)


def _began(event: Began) -> dict[str, Any]:
    """How the run was asked for."""
    names: Mapping[str, Any] = event.blueprint
    return {
        "question": deep(event.question),
        "context": deep(event.context),
        "examples": deep([[one.question, list(one.steps), one.answer] for one in event.examples]),
        "tools": deep(list(event.tools)),
        "task_id": deep(event.task_id),
        "form": event.form,
        "blueprint": deep(str(names.get("name") or "")),
        "about": deep(str(names.get("description") or "")),
        "paper": deep(str(names.get("source") or "")),
        "policy": deep(event.policy),
        "evaluator": deep(event.evaluator),
        "verifier": deep(event.verifier),
        "seed": event.seed,
        "oracle": event.oracle,
        "arm": event.arm,
        "recalled": deep(list(event.recalled)),
        "limits": {"width": event.width, "root_width": event.root_width, "depth": event.depth},
        "settings": deep(dict(event.blueprint)),
    }


def _entry(event: Event) -> dict[str, Any]:
    """An event's cells. `up` is the primary parent, what a node was compared with, or where the search went back to."""
    if isinstance(event, Grown):
        rare: dict[str, Any] = {"nodes": list(event.nodes)} if len(event.nodes) > 1 else {}
        first = _first(event.nodes)
        if event.after not in (-1, first):
            rare["after"] = event.after
        if event.confidence is not None:
            rare["confidence"] = event.confidence
        if event.granularity != "step":
            rare["granularity"] = event.granularity
        return {
            "node": event.node, "up": first, "value": event.prior, "text": event.text, "note": event.note,
            "how": event.how, "source": event.source, "status": STATUSES[event.status], "answer": event.answer,
            "index": event.index, "rare": rare,
        }  # fmt: skip
    if isinstance(event, Evaluated):
        rare = {"scores": list(event.scores[:1000])} if event.scores else {}
        if event.aside:
            rare["aside"] = True
        return {
            "node": event.node, "up": event.against, "value": event.value, "note": event.note, "how": event.how,
            "source": event.source, "index": event.index, "rare": rare,
        }  # fmt: skip
    if isinstance(event, Enriched):
        status = STATUSES[event.status] if event.status else -1
        return {
            "node": event.node, "text": event.text, "note": event.note, "how": event.how, "source": event.source,
            "status": status, "answer": event.answer, "index": event.index,
        }  # fmt: skip
    if isinstance(event, Failed):
        rare = {"nodes": list(event.nodes)} if len(event.nodes) > 1 else {}
        if event.aside:
            rare["aside"] = True
        return {
            "node": _first(event.nodes), "text": event.of, "note": event.reason, "how": event.how, "index": event.index,
            "rare": rare,
        }  # fmt: skip
    return _plain_entry(event)


def _plain_entry(event: Event) -> dict[str, Any]:
    """The cells of events that no model was called for, and of the last ones."""
    if isinstance(event, BackedUp):
        return {"node": event.node, "value": event.value}
    if isinstance(event, Pruned):
        rare: dict[str, Any] = {"nodes": list(event.nodes)} if len(event.nodes) != 1 else {}
        return {"node": _first(event.nodes), "note": event.reason, "rare": rare}
    if isinstance(event, Backtracked):
        return {"node": event.node, "up": event.to, "note": event.reason}
    if isinstance(event, Reflected):
        rare = {"items": deep(list(event.items))} if event.items else {}
        return {"node": ROOT, "note": event.note, "how": event.how, "source": event.source, "rare": rare}
    if isinstance(event, Answered):
        return {"node": event.node, "value": event.score, "answer": event.answer, "note": event.stop_reason}
    return {"node": ROOT, "text": event.question if isinstance(event, Began) else None}


def _first(nodes: Sequence[int]) -> int:
    return nodes[0] if nodes else ROOT
