"""LATS in an environment: carried out before it is valued, and the right mean in the formula."""

from __future__ import annotations

import math
from random import Random
from typing import Literal

import pytest
from tests.support.drive import drive, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import BackedUp, Enriched, Evaluated, Failed, Grown, Pruned
from reflectree.rlm_ops.formulas.scores import uct
from reflectree.rlm_ops.strategies.lats_env import LatsEnv
from reflectree.rlm_ops.structure import fold


def grown(history: History, *commands: str, parent: int = 0) -> None:
    for command in commands:
        index = history.live.next_index("generate", (parent,))
        history.tell(Grown(nodes=(parent,), index=index, text=f"Thought: {index}.\nAction: {command}"))


def test_all_five_children_then_each_is_carried_out_and_only_then_valued() -> None:
    strategy = LatsEnv(rollout=0, reflections=0)
    history = started(strategy)
    live = history.live
    assert strategy.ask(live, 8) == [Call("generate", (0,), index) for index in range(5)]
    grown(history, "a", "b", "c", "d", "e")
    assert strategy.ask(live, 8) == [Call("enrich", (node,)) for node in range(1, 6)]
    history.tell(Enriched(node=1, text="Action: a\nObservation: x"))
    assert strategy.ask(live, 3) == [Call("evaluate", (1,)), Call("enrich", (2,)), Call("enrich", (3,))]


def test_what_is_being_carried_out_is_waited_for_and_the_rest_goes_on() -> None:
    strategy = LatsEnv(rollout=0, reflections=0, width=2, root_width=2)
    history = started(strategy)
    grown(history, "a", "b")
    for call in strategy.ask(history.live, 1):
        history.live.begin(call)
    assert strategy.ask(history.live, 8) == [Call("enrich", (2,))]


def test_together_a_child_is_carried_out_at_once_and_valued_when_all_samples_are_there() -> None:
    strategy = LatsEnv(rollout=0, reflections=0, width=3, root_width=3, expand="together")
    history = started(strategy)
    first, second, third = strategy.ask(history.live, 8)
    for call in (first, second, third):
        history.live.begin(call)
    history.tell(Grown(nodes=(0,), index=0, text="Action: a"))
    assert strategy.ask(history.live, 8) == [Call("enrich", (1,))]
    history.tell(Enriched(node=1, text="Action: a\nObservation: x"))
    assert strategy.ask(history.live, 8) == []
    history.tell(Failed(of="generate", nodes=(0,), index=1))
    assert strategy.ask(history.live, 8) == []
    history.tell(Grown(nodes=(0,), index=2, text="Action: a"))
    assert strategy.ask(history.live, 8) == [Call("prune", (2,))]
    history.tell(Pruned(nodes=(2,)))
    assert strategy.ask(history.live, 8) == [Call("evaluate", (1,))]


def test_a_command_that_a_sibling_gave_is_pruned_before_anything_is_carried_out() -> None:
    strategy = LatsEnv(rollout=0, reflections=0)
    history = started(strategy)
    grown(history, "go north", "'go north'.", "go south", "go north", "go west")
    calls = strategy.ask(history.live, 8)
    assert calls == [Call("prune", (2,)), Call("prune", (4,))]
    assert {call.reason for call in calls} == {"repeats a sibling's command"}
    kept = LatsEnv(rollout=0, reflections=0, distinct=False)
    assert [call.op for call in kept.ask(history.live, 8)] == ["enrich"] * 5


def test_what_could_not_be_carried_out_is_pruned() -> None:
    strategy = LatsEnv(rollout=0, reflections=0)
    history = started(strategy)
    grown(history, "a", "b", "c", "d", "e")
    history.tell(Failed(of="enrich", nodes=(2,)))
    (call,) = strategy.ask(history.live, 8)
    assert (call, call.reason) == (Call("prune", (2,)), "the command could not be carried out")


def test_at_the_depth_cap_the_episode_is_ended_before_it_is_valued() -> None:
    strategy = LatsEnv(rollout=0, reflections=0, depth=1)
    history = started(strategy)
    grown(history, "a", "b", "c", "d", "e")
    history.tell(Enriched(node=1, text="seen"))
    call = strategy.ask(history.live, 1)[0]
    assert (call, call.how) == (Call("enrich", (1,), 1), "end")
    history.tell(Enriched(node=1, index=1, how="end", text="ended", status="terminal", answer="a"))
    assert Call("evaluate", (1,)) in strategy.ask(history.live, 8)


def two_children(strategy: LatsEnv) -> History:
    """The good child (mean .9, 9 visits) and the bad one (mean .3, 3 visits), below a root of 13."""
    history = started(strategy)
    grown(history, "good", "bad", "other")
    for node, value, count in ((1, 0.9, 9), (2, 0.3, 3), (3, 0.0, 1)):
        history.tell(Enriched(node=node, text=f"{node}"))
        for index in range(count):
            history.tell(Evaluated(node=node, index=index, value=value))
            history.tell(BackedUp(node=node, value=value))
    history.tell(Pruned(nodes=(3,)))
    return history


@pytest.mark.parametrize("formula", ["uct", "lats"])
def test_the_value_is_divided_by_the_visits_once(formula: str) -> None:
    """The recipe that is copied about divides twice and then prefers the bad child (1.024653 to 0.633849)."""
    strategy = LatsEnv(formula=formula, c=1.0, own_visit=True, width=3, root_width=3)  # type: ignore[arg-type]
    live = two_children(strategy).live
    assert live.visits[0] == 13
    scores = [uct(live.q(node) or 0.0, 13, live.visits[node], 1.0) for node in (1, 2)]
    assert scores == [pytest.approx(1.433849, abs=1e-6), pytest.approx(1.224653, abs=1e-6)]
    wrong = [mean / count + math.sqrt(math.log(13) / count) for mean, count in ((0.9, 9), (0.3, 3))]
    assert wrong == [pytest.approx(0.633849, abs=1e-6), pytest.approx(1.024653, abs=1e-6)]
    assert strategy.best_child(live, 0) == 1


def test_reflections_follow_failures_and_are_three_at_most() -> None:
    strategy = LatsEnv(rollout=0, reflect_below=0.5, confidence=None)
    history = started(strategy)
    grown(history, "a", "b", "c", "d", "e")
    for node in range(1, 6):
        history.tell(Enriched(node=node, text=f"{node}", status="terminal", answer=f"{node}"))
        history.tell(Evaluated(node=node, value=0.1))
        history.tell(BackedUp(node=node, value=0.1))
    for index in range(3):
        (call,) = strategy.ask(history.live, 4)
        assert (call, call.how) == (Call("enrich", (0,), index), "reflect")
        history.tell(Enriched(node=0, index=index, how="reflect", text="lesson"))
    assert strategy.ask(history.live, 4) == []


def test_a_rollout_is_carried_out_step_by_step() -> None:
    strategy = LatsEnv(reflections=0, rollout=2, width=2, root_width=2)
    history = started(strategy)
    grown(history, "a", "b")
    for node, value in ((1, 0.2), (2, 0.6)):
        history.tell(Enriched(node=node, text=f"{node}"))
        history.tell(Evaluated(node=node, value=value))
        history.tell(BackedUp(node=node, value=value))
    (call,) = strategy.ask(history.live, 1)
    assert (call, call.how) == (Call("generate", (2,), 2), "rollout")
    history.tell(Grown(nodes=(2,), index=2, how="rollout", text="Action: c"))
    assert strategy.ask(history.live, 1) == [Call("enrich", (3,))]


@pytest.mark.parametrize("seed", range(40))
def test_it_holds_to_the_rules_whatever_happens(seed: int) -> None:
    expand: Literal["one", "all", "together"] = ("one", "all", "together", "all")[seed % 4]
    strategy = LatsEnv(depth=3, iterations=40, rollout=seed % 3, expand=expand)
    history = drive(strategy, Random(seed))
    live = history.live
    valued = [node for node in range(1, len(live)) if live.evaluations[node] and live.steps[node].status == "open"]
    assert all(node in live.versions for node in valued), "no step is valued that was not carried out"
    assert live.attempts("enrich", (0,)) <= 3
    assert [*strategy.ask(fold(history.events), 8)] == [*strategy.ask(live, 8)]
