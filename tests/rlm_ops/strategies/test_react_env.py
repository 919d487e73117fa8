"""ReAct in an environment: act, observe, and again, to the end of the episode or its cap."""

from __future__ import annotations

from random import Random

import pytest
from tests.support.drive import drive, good_outcome, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Enriched, Event, Failed, Grown
from reflectree.rlm_ops.strategies.episodes import CARRIED, REFUSED
from reflectree.rlm_ops.strategies.react import BAD_CALL
from reflectree.rlm_ops.strategies.react_env import ReActEnv
from reflectree.rlm_ops.structure import ReasoningStructure, fold


def carry_out(strategy: ReActEnv, history: History, note: str = CARRIED, done: bool = False) -> str:
    """Carry out the one call that is asked for; its variant, or `enrich`."""
    (call,) = strategy.ask(history.live, 4)
    history.live.begin(call)
    assert strategy.ask(history.live, 4) == [], "it is waited for"
    over = done or call.how == "end"
    if call.op == "enrich":
        history.tell(
            Enriched(
                node=call.nodes[0],
                index=call.index,
                how=call.how,
                text="seen",
                status="terminal" if over else "",
                answer="go" if over else None,
                note=note,
            )
        )
        return call.how or "enrich"
    history.tell(Grown(nodes=call.nodes, index=call.index, how=call.how, text="Action: go"))
    return call.how


def fail(strategy: ReActEnv, history: History) -> str:
    (call,) = strategy.ask(history.live, 4)
    history.live.begin(call)
    history.tell(Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how))
    return call.how or call.op


def test_act_observe_and_again_until_the_environment_says_it_is_over() -> None:
    strategy = ReActEnv()
    history = started(strategy)
    assert [carry_out(strategy, history) for _ in range(3)] == ["act", "enrich", "act"]
    assert carry_out(strategy, history, done=True) == "enrich"
    assert strategy.ask(history.live, 4) == []


def test_at_the_step_cap_the_episode_is_ended_and_nobody_is_asked_for_an_answer() -> None:
    strategy = ReActEnv(steps=2)
    history = started(strategy)
    assert [carry_out(strategy, history) for _ in range(5)] == ["act", "enrich", "act", "enrich", "end"]
    assert strategy.ask(history.live, 4) == []
    assert history.live.depth[2] == strategy.limits().depth == 2


def test_bad_and_refused_commands_in_a_row_end_the_episode_and_good_ones_between_do_not() -> None:
    strategy = ReActEnv(bad_calls=2)
    history = started(strategy)
    said = []
    for note in (f"{BAD_CALL} no", f"{CARRIED} yes", f"{REFUSED} never", f"{BAD_CALL} no"):
        said += [carry_out(strategy, history), carry_out(strategy, history, note)]
    assert said == ["act", "enrich"] * 4
    assert carry_out(strategy, history) == "end"
    assert strategy.ask(history.live, 4) == []


def test_a_step_that_fails_is_tried_with_the_action_alone_and_then_the_episode_is_ended() -> None:
    strategy = ReActEnv()
    history = started(strategy)
    assert fail(strategy, history) == "act"
    assert carry_out(strategy, history) == "action", "the first step, too"
    assert carry_out(strategy, history) == "enrich"
    assert [fail(strategy, history) for _ in range(4)] == ["act", "action", "action", "end"]
    assert strategy.ask(history.live, 4) == []


def test_a_command_that_cannot_be_carried_out_ends_the_episode() -> None:
    strategy = ReActEnv()
    history = started(strategy)
    carry_out(strategy, history)
    assert fail(strategy, history) == "enrich"
    assert carry_out(strategy, history) == "end"
    assert strategy.ask(history.live, 4) == []


def test_first_steps_that_all_fail_end_the_run() -> None:
    strategy = ReActEnv()
    history = started(strategy)
    assert [fail(strategy, history) for _ in range(3)] == ["act", "action", "action"]
    assert strategy.ask(history.live, 4) == []


def test_episodes_go_on_side_by_side() -> None:
    strategy = ReActEnv(chains=3)
    history = started(strategy)
    calls = strategy.ask(history.live, 8)
    assert calls == [Call("generate", (0,), index) for index in range(3)]
    assert {call.how for call in calls} == {"act"}
    for call in calls:
        history.tell(Grown(nodes=(0,), index=call.index, how="act", text="Action: go"))
    assert strategy.ask(history.live, 2) == [Call("enrich", (1,)), Call("enrich", (2,))]


@pytest.mark.parametrize("seed", range(50))
def test_it_holds_to_the_rules_whatever_happens(seed: int) -> None:
    strategy = ReActEnv(chains=3, steps=4, bad_calls=2)
    history = drive(strategy, Random(seed))
    live = history.live
    assert len(live.children[0]) <= 3
    assert max(live.depth) <= 4
    assert strategy.ask(fold(history.events), 8) == strategy.ask(live, 8), "what it remembers can be derived"


def endless(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    event = good_outcome(call, structure, random)
    if isinstance(event, Grown):
        return Grown(nodes=event.nodes, index=event.index, how=event.how, text=event.text)
    assert isinstance(event, Enriched)
    status = "terminal" if call.how == "end" else ""
    return Enriched(node=event.node, index=event.index, how=event.how, text="x", status=status, answer="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_without_failures_every_episode_has_an_end(seed: int) -> None:
    history = drive(ReActEnv(chains=2, steps=3), Random(seed), outcome=endless)
    assert len(history.live.terminals) == 2
    assert all(history.live.depth[node] == 3 for node in history.live.terminals)
