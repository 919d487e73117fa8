"""Traces of every kind for the viewer's tests, and a browser where there is one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reflectree.rlm_ops.events import Answered, BackedUp, Began, Evaluated, Event, Failed, Grown, Pruned, to_row
from reflectree.rlm_ops.trace import Trace, append

GOLDEN = Path(__file__).resolve().parents[2] / "graphs" / "golden"

SPITE = (
    "</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 2'><!--<svg onload=window.hurt=3>"
    "<a href='javascript:hurt'>x</a> \u202egnirts\u2066 \x1b[31m\x00\x07 \u2028 \u2029 &amp; %%DATA%% ${hurt} \ud800"
)
"""Markup, marks that turn the direction of writing, controls, half a character: what a model may write."""


def numbered(events: list[Event], run_id: str = "made") -> Trace:
    """A trace of events that have no numbers yet."""
    return Trace.from_rows(append([], [[to_row(event) for event in events]]), run_id=run_id)


def spiteful() -> Trace:
    """A trace with spite in every field that a model, a task or a file could fill."""
    inner = numbered([Began(question=SPITE), Grown(nodes=(0,), text=SPITE), Answered(stop_reason=SPITE)], SPITE)
    began = Began(
        question=SPITE, context=SPITE, tools=(SPITE,), task_id=SPITE, blueprint={"name": SPITE, SPITE: [SPITE]},
        policy=SPITE, evaluator=SPITE, verifier=SPITE, arm="memory",
        recalled=({"id": SPITE, "kind": SPITE, "text": SPITE},),
    )  # fmt: skip
    return numbered(
        [
            began,
            Grown(nodes=(0,), text=SPITE, note=SPITE, how=SPITE, source=SPITE, answer=SPITE, status="terminal"),
            Grown(nodes=(0,), index=1, text="inside", run=SPITE, trace=inner.rows),
            Grown(op="aggregate", nodes=(1, 2), text=SPITE),
            Evaluated(node=1, value=0.5, note=SPITE, source=SPITE, how=SPITE, scores=(1.0, 2.0)),
            Evaluated(node=1, index=1, value=0.5, note=SPITE, aside=True, how=SPITE),
            BackedUp(node=1, value=0.5),
            Failed(of="generate", nodes=(1,), reason=SPITE, how=SPITE),
            Pruned(nodes=(3,), reason=SPITE),
            Answered(node=1, answer=SPITE, score=0.5, stop_reason=SPITE, selection=SPITE, correct=False),
        ],
        SPITE,
    )


def grown(nodes: int, width: int = 4) -> Trace:
    """A tree of so many nodes, all scored and backed up."""
    events: list[Event] = [Began(question="How many are there?", blueprint={"name": "wide"})]
    for node in range(1, nodes + 1):
        parent = (node - 1) // width
        value = node * 37 % 101 / 100
        events += [
            Grown(nodes=(parent,), index=(node - 1) % width, text=f"Thought {node} goes on from thought {parent}."),
            Evaluated(node=node, value=value),
            BackedUp(node=node, value=value),
        ]
    return numbered([*events, Answered(node=-1, stop_reason="budget:calls")], "wide")


def golden(name: str) -> Trace:
    """A golden trace of a named system."""
    return Trace.load(GOLDEN / f"{name}.jsonl")


def unpacked(chunk: dict[str, Any], name: str, default: Any) -> list[Any]:
    """A column as the page reads it."""
    column = chunk[name]
    if isinstance(column, list):
        return column
    cells = [default] * chunk["count"]
    for place, value in zip(column["at"], column["is"], strict=True):
        cells[place] = value
    return cells


def data_of(page: str) -> dict[str, Any]:
    """The data in a page."""
    text = page.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    return dict(json.loads(text))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium: the system's, or Playwright's own.

    It is closed with its module: while it is open, Playwright keeps an event loop running in the main thread.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        names = ("chromium", "chromium-browser", "google-chrome")
        path = next(filter(None, map(shutil.which, names)), str(own) if own.exists() else None)
        if path is None:
            pytest.skip("no Chromium on PATH: install one, or run `playwright install chromium`")
        opened = playwright.chromium.launch(executable_path=path)
        yield opened
        opened.close()
