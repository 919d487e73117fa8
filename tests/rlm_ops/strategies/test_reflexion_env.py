"""Reflexion in an environment: episodes one after the other, a reflection after each that failed."""

from __future__ import annotations

from random import Random

import pytest
from tests.support.drive import drive, good_outcome, started

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Enriched, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.reflexion_env import ReflexionEnv
from reflectree.rlm_ops.structure import ReasoningStructure, fold


def test_which_calls_in_which_order_for_which_values() -> None:
    strategy = ReflexionEnv(trials=3, steps=2, confidence=0.9)
    history = started(strategy)
    live = history.live
    assert strategy.ask(live, 8) == [Call("generate", (0,), 0)]
    history.tell(Grown(nodes=(0,), index=0, how="act", text="Action: jump"))
    assert strategy.ask(live, 8) == [Call("enrich", (1,))]
    history.tell(Enriched(node=1, text="lost", status="terminal", answer="jump"))
    assert strategy.ask(live, 8) == [Call("evaluate", (1,))], "only the end of an episode is judged"
    history.tell(Evaluated(node=1, value=0.2))
    (call,) = strategy.ask(live, 8)
    assert (call, call.how) == (Call("enrich", (0,), 0), "reflect")
    history.tell(Enriched(node=0, how="reflect", text="Do not jump."))
    assert live.path(0).notes == "Do not jump."
    assert strategy.ask(live, 8) == [Call("generate", (0,), 1)]
    history.tell(Grown(nodes=(0,), index=1, how="act", text="Action: go"))
    history.tell(Enriched(node=2, text="went"))
    history.tell(Grown(nodes=(2,), how="act", text="Action: go on"))
    history.tell(Enriched(node=3, text="went on"))
    (call,) = strategy.ask(live, 8)
    assert (call, call.how) == (Call("enrich", (3,), 1), "end"), "an unfinished episode is ended, and judged as it is"
    history.tell(Enriched(node=3, index=1, how="end", text="ended", status="terminal", answer="go\ngo on"))
    assert strategy.ask(live, 8) == [Call("evaluate", (3,))]
    history.tell(Evaluated(node=3, value=0.95))
    assert strategy.stop(live) == "confidence"
    assert strategy.ask(live, 8) == []


def test_what_could_not_be_judged_or_reflected_on_is_left_and_the_next_trial_begins() -> None:
    strategy = ReflexionEnv(trials=3)
    history = started(strategy)
    live = history.live
    history.tell(Grown(nodes=(0,), index=0, how="act", text="a"))
    history.tell(Enriched(node=1, text="lost", status="terminal", answer="a"))
    history.tell(Failed(of="evaluate", nodes=(1,)))
    assert strategy.ask(live, 8) == [Call("generate", (0,), 1)]
    history.tell(Grown(nodes=(0,), index=1, how="act", text="b"))
    history.tell(Enriched(node=2, text="lost", status="terminal", answer="b"))
    history.tell(Evaluated(node=2, value=0.1))
    history.tell(Failed(of="enrich", nodes=(0,), how="reflect"))
    assert strategy.ask(live, 8) == [Call("generate", (0,), 2)]


def test_after_the_last_trial_nothing_is_reflected_on() -> None:
    strategy = ReflexionEnv(trials=1)
    history = started(strategy)
    history.tell(Grown(nodes=(0,), index=0, how="act", text="a"))
    history.tell(Enriched(node=1, text="lost", status="terminal", answer="a"))
    history.tell(Evaluated(node=1, value=0.1))
    assert strategy.ask(history.live, 8) == []


@pytest.mark.parametrize("seed", range(50))
def test_it_holds_to_the_rules_whatever_happens(seed: int) -> None:
    strategy = ReflexionEnv(trials=3, steps=4)
    history = drive(strategy, Random(seed))
    assert len(history.live.children[0]) <= 3
    assert history.live.attempts("enrich", (0,)) <= 2
    assert strategy.ask(fold(history.events), 8) == strategy.ask(history.live, 8)


def lost(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    if call.op == "enrich" and call.nodes[0]:
        return Enriched(node=call.nodes[0], index=call.index, text="lost", status="terminal", answer="a")
    event = good_outcome(call, structure, random)
    return Grown(nodes=(0,), index=event.index, how=event.how, text="a") if isinstance(event, Grown) else event


@pytest.mark.parametrize("seed", range(5))
def test_without_failures_it_reflects_between_any_two_trials(seed: int) -> None:
    history = drive(ReflexionEnv(trials=3, confidence=None), Random(seed), outcome=lost)
    ops = [event.op for event in history.events[1:]]
    assert ops == ["generate", "enrich", "evaluate", "enrich"] * 2 + ["generate", "enrich", "evaluate"]
