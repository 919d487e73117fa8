"""Reflexion: trials one after the other, a reflection after each that failed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from tests.support.drive import drive, good_outcome, started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Enriched, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.reflexion import Reflexion
from reflectree.rlm_ops.structure import ReasoningStructure


@pytest.mark.parametrize("seed", range(50))
def test_it_holds_to_the_rules_whatever_happens(seed: int) -> None:
    history = drive(Reflexion(trials=4), Random(seed))
    assert history.live.attempts("generate", (0,)) <= 4
    assert history.live.attempts("enrich", (0,)) <= 3


def never_right(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    event = good_outcome(call, structure, random)
    return replace(event, answer="a", status="terminal") if isinstance(event, Grown) else event


@pytest.mark.parametrize("seed", range(5))
def test_without_failures_it_reflects_between_any_two_trials(seed: int) -> None:
    history = drive(Reflexion(trials=4), Random(seed), outcome=never_right)
    ops = [event.op for event in history.events[1:]]
    assert ops == ["generate", "evaluate", "enrich"] * 3 + ["generate", "evaluate"]


def test_which_calls_in_which_order_for_which_values() -> None:
    strategy = Reflexion(trials=3, confidence=0.9)
    history = started(strategy)
    live = history.live
    assert strategy.ask(live, 8) == [Call("generate", (0,), 0)]
    history.tell(Grown(nodes=(0,), index=0, node=1, text="a", status="terminal", answer="a"))
    assert strategy.ask(live, 8) == [Call("evaluate", (1,))]
    history.tell(Evaluated(node=1, value=0.2))
    assert strategy.ask(live, 8) == [Call("enrich", (0,), 0)]
    history.tell(Enriched(node=0, index=0, text="Do better."))
    assert live.path(0).notes == "Do better."
    assert strategy.ask(live, 8) == [Call("generate", (0,), 1)]
    history.tell(Failed(of="generate", nodes=(0,), index=1, reason="cut"))
    assert strategy.ask(live, 8) == [Call("generate", (0,), 2)], "a trial that came to nothing teaches nothing"
    history.tell(Grown(nodes=(0,), index=2, node=2, text="b", status="terminal", answer="b"))
    history.tell(Evaluated(node=2, value=0.95))
    assert strategy.stop(live) == "confidence"
    assert strategy.ask(live, 8) == []


def test_it_ends_after_its_trials_without_a_last_reflection() -> None:
    strategy = Reflexion(trials=1)
    history = started(strategy)
    history.tell(Grown(nodes=(0,), index=0, node=1, text="a", status="terminal", answer="a"))
    history.tell(Evaluated(node=1, value=0.2))
    assert strategy.ask(history.live, 8) == []
