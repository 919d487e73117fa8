"""Prompts rebuilt from traces are those that were sent."""

from __future__ import annotations

from typing import Any

import pytest
from tests.apps.viewer.conftest import golden, numbered, spiteful
from tests.support.bad_models import Speaker, good
from tests.support.engine import Oracle, search, value_of

from reflectree.apps.viewer import prompts
from reflectree.apps.viewer.data import encode
from reflectree.apps.viewer.prompts import attach, rebuilt
from reflectree.models.base import Request
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Answered, Began, Grown


def said(found: dict[str, Any], seq: int) -> list[tuple[str, str]]:
    """A rebuilt conversation as text."""
    return [(role, "".join(found["texts"][line] for line in lines)) for role, lines in found[str(seq)]["turns"]]


def sent(request: Request) -> list[tuple[str, str]]:
    """A conversation as it was sent."""
    begun = [("assistant", request.prefill)] if request.prefill else []
    return [*((turn.role, turn.content) for turn in request.messages), *begun]


@pytest.mark.parametrize("name", ["mcts", "cot", "best-of-n", "got", "debate", "tot-bfs", "self-refine", "beam"])
async def test_each_rebuilt_prompt_was_sent(name: str) -> None:
    policy = Speaker(good)
    result = await search(
        policy, blueprint=name, evaluator=None, models={"critic": policy}, budget=Budget(calls=16), concurrency=3
    )
    found = rebuilt(result.trace)
    asked = [sent(request) for request in policy.requests]
    events = [event.seq for event in result.trace if isinstance(event, Grown)]
    shown = [seq for seq in events if str(seq) in found]
    assert shown == events
    for seq in found.keys() - {"note", "texts", "why"}:
        assert said(found, int(seq)) in asked, (name, seq)
    assert "why" not in found


async def test_lines_are_sent_once() -> None:
    result = await search(Oracle(), blueprint="mcts", evaluator=value_of, budget=Budget(calls=40))
    found = rebuilt(result.trace)
    assert len(found["texts"]) == len(set(found["texts"]))
    assert len(found["texts"]) < 80


def test_runs_inside_have_their_own_prompts() -> None:
    trace = golden("forest")
    chunk = attach(encode(trace), trace)
    inner = chunk["nested"][1]["prompts"]
    assert len(inner) > 20
    assert "why" not in inner
    assert "1" not in chunk["prompts"]  # what a nested run makes was not asked of a model at once


def test_what_cannot_be_rebuilt_is_said() -> None:
    found = rebuilt(spiteful())
    assert set(found) == {"note", "texts", "why"}
    assert found["why"].startswith("Not in the trace, and not rebuilt: BadInput")
    assert rebuilt(numbered([])) == {"note": prompts.NOTE, "texts": []}
    empty = rebuilt(numbered([Began(question="q"), Grown(nodes=(0,), text="x"), Answered()]))
    assert "why" in empty


def test_prompts_end_where_the_page_would_grow_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "MOST_CHARACTERS", 500)
    found = rebuilt(golden("mcts"))
    assert 3 < len(found) < 40
    assert "up to 500 characters" in found["why"]
