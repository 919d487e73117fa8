"""A folder's traces as rows of a table: what each was asked, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflectree.apps.viewer.text import visible
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.trace import Trace

_MOST_QUESTION = 400


def row_of(file: Path, folder: Path, at: int) -> dict[str, Any]:
    """One trace's row; a file that cannot be read says why."""
    row: dict[str, Any] = {
        "at": at, "file": visible(str(file.relative_to(folder))), "date": file.stat().st_mtime, "question": "",
        "blueprint": "", "answer": "", "verdict": "", "kind": "none", "nodes": 0, "tokens": 0,
    }  # fmt: skip
    try:
        trace = Trace.load(file)
        began = trace.began
        if began is None:
            raise ReflectreeError("no event in it")
    except ReflectreeError as error:
        return row | {"problem": visible(str(error))[:300], "verdict": "unreadable", "kind": "wrong"}
    answered = trace.answered
    kind, verdict = _verdict(trace)
    return row | {
        "question": visible(began.question[:_MOST_QUESTION]),
        "blueprint": visible(str(began.blueprint.get("name") or ""))[:100],
        "answer": visible((answered.answer or "")[:200]) if answered else "",
        "verdict": verdict,
        "kind": kind,
        "nodes": trace.nodes,
        "tokens": trace.usage.tokens,
    }


def rows_of(files: Sequence[Path], folder: Path) -> list[dict[str, Any]]:
    """The rows of some traces."""
    return [row_of(file, folder, at) for at, file in enumerate(files)]


def _verdict(trace: Trace) -> tuple[str, str]:
    """Whether the answer is right, where a verifier knows: a kind for colour, and words."""
    answered = trace.answered
    if answered is None:
        return "unfinished", "damaged" if trace.damage else "not finished"
    if answered.answer is None:
        return "none", "no answer"
    if answered.correct is None:
        return "unknown", "not verified"
    return ("right", "correct") if answered.correct else ("wrong", "wrong")
