"""Implicit: a whole reply, and its visible thought as steps."""

from __future__ import annotations

from random import Random

import pytest
from tests.support.drive import apply_pure, drive, started

from reflectree.rlm_ops.events import Grown
from reflectree.rlm_ops.strategies.implicit import Implicit


def test_visible_thought_becomes_a_chain_and_hidden_thought_does_not() -> None:
    history = started(Implicit(n=2))
    live = history.live
    history.tell(Grown(nodes=(0,), text="Answer: 42", status="terminal", answer="42", note="6 * 7.\n\nWait, it is 42."))
    history.tell(Grown(nodes=(0,), index=1, text="Answer: 41", status="terminal", answer="41"))
    apply_pure(history, Implicit(n=2).ask(live, 8))
    assert [live.ops[node] for node in range(1, len(live))] == ["generate", "generate", "restructure", "restructure"]
    assert live.path(4).text == "6 * 7.\nWait, it is 42."
    assert list(live.terminals) == [1, 2], "the thought has no vote"
    assert Implicit(n=2).ask(live, 8) == []


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    drive(Implicit(n=1 + seed % 3), Random(seed))
