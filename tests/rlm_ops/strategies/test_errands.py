from __future__ import annotations

from typing import Any

from tests.support.drive import started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import BackedUp, Backtracked, Enriched, Evaluated, Failed, Grown
from reflectree.rlm_ops.step import Status
from reflectree.rlm_ops.strategies import MCTS


def begun(**parameters: Any) -> tuple[MCTS, History]:
    strategy = MCTS.model_validate({"width": 2, "root_width": 2, "depth": 6, **parameters})
    return strategy, started(strategy)


def come(history: History, call: Call, value: float | None, answer: str | None = None) -> int:
    """Let a call to generate come to a step, scored and backed up where a value is given."""
    node = len(history.live)
    status: Status = "open" if answer is None else "terminal"
    history.tell(
        Grown(nodes=call.nodes, index=call.index, how=call.how, text=f"step {node}", status=status, answer=answer)
    )
    if value is not None:
        history.tell(Evaluated(node=node, value=value))
        history.tell(BackedUp(node=node, value=value))
    return node


def rollout(node: int, index: int = 2) -> Call:
    return Call("generate", (node,), index, "rollout")


def expanded(history: History, strategy: MCTS, *values: float) -> None:
    for call, value in zip(strategy.ask(history.live, 4), values, strict=True):
        come(history, call, value)


def test_a_rollout_goes_down_from_the_best_of_an_expansion() -> None:
    strategy, history = begun(expand="all", rollout=2)
    expanded(history, strategy, 0.4, 0.6)
    live = history.live
    assert strategy.ask(live, 1) == [rollout(2)]
    assert strategy.ask(live, 1)[0].how == "rollout"
    assert come(history, rollout(2), 0.3) == 3
    assert strategy.ask(live, 1) == [rollout(3)]
    assert come(history, rollout(3), 0.9) == 4
    assert strategy.ask(live, 4)[0].how == "", "after two steps the search goes on"


def test_a_rollout_waits_for_the_values_of_all_children() -> None:
    strategy, history = begun(expand="all", rollout=2)
    first, second = strategy.ask(history.live, 4)
    come(history, first, 0.4)
    history.begin(second)
    assert all(call.how == "" for call in strategy.ask(history.live, 4))
    come(history, second, None)
    assert strategy.ask(history.live, 4) == [Call("evaluate", (2,))]


def test_a_rollout_ends_at_an_answer_and_at_a_failure() -> None:
    strategy, history = begun(expand="all", rollout=3)
    expanded(history, strategy, 0.4, 0.6)
    come(history, rollout(2), 0.5, answer="42")
    assert all(call.how == "" for call in strategy.ask(history.live, 4))
    strategy, history = begun(expand="all", rollout=3)
    expanded(history, strategy, 0.4, 0.6)
    history.tell(Failed(of="generate", nodes=(2,), index=2, how="rollout"))
    assert all(call.how == "" for call in strategy.ask(history.live, 4))


def test_an_answer_that_is_the_best_child_needs_no_rollout() -> None:
    strategy, history = begun(expand="all", rollout=3)
    first, second = strategy.ask(history.live, 4)
    come(history, first, 0.4)
    come(history, second, 0.9, answer="42")
    assert [call.how for call in strategy.ask(history.live, 4)] == ["", ""]


def test_the_first_step_of_a_rollout_counts_among_the_children() -> None:
    strategy, history = begun(expand="all", rollout=1, formula="lats", c=0.0)
    expanded(history, strategy, 0.4, 0.6)
    come(history, rollout(2), 0.6)
    assert strategy.ask(history.live, 4) == [Call("generate", (2,), 0)]


def test_children_that_come_one_by_one_are_each_rolled_out() -> None:
    strategy, history = begun(rollout=1)
    expanded(history, strategy, 0.4)
    assert strategy.ask(history.live, 1) == [rollout(1)]
    come(history, rollout(1), 0.2)
    assert strategy.ask(history.live, 1) == [Call("generate", (0,), 1)]


def test_a_finished_step_is_left_and_asked_for_its_answer() -> None:
    strategy, history = begun(finish_check=True)
    expanded(history, strategy, 0.4)
    live = history.live
    assert strategy.ask(live, 1) == [Call("evaluate", (1,), 1)]
    assert strategy.ask(live, 1)[0].how == "finished"
    history.tell(Evaluated(node=1, index=1, value=0.9, aside=True, how="finished"))
    (call,) = strategy.ask(live, 1)
    assert (call.op, call.nodes) == ("backtrack", (1,))
    assert "finished" in call.reason
    history.tell(Backtracked(node=1, to=0, reason=call.reason))
    (call,) = strategy.ask(live, 1)
    assert (call.nodes, call.how) == ((1,), "answer")
    come(history, call, 0.8, answer="42")
    assert strategy.ask(live, 1) == [Call("generate", (0,), 1)]
    assert live.mean(1) == 0.6000000000000001, "the observation was not backed up"


def test_an_unfinished_step_or_one_that_cannot_be_checked_goes_on() -> None:
    strategy, history = begun(finish_check=True, root_width=1)
    expanded(history, strategy, 0.4)
    history.tell(Evaluated(node=1, index=1, value=0.1, aside=True, how="finished"))
    assert strategy.ask(history.live, 1) == [Call("generate", (1,), 0)]
    strategy, history = begun(finish_check=True, root_width=1)
    expanded(history, strategy, 0.4)
    history.tell(Failed(of="evaluate", nodes=(1,), index=1, how="finished"))
    assert strategy.ask(history.live, 1) == [Call("generate", (1,), 0)]


def fail(history: History, answer: str, value: float = 0.2) -> None:
    index = history.live.next_index("generate", (0,))
    come(history, Call("generate", (0,), index), value, answer)


def reflections(strategy: MCTS, history: History) -> list[Call]:
    return [call for call in strategy.ask(history.live, 8) if call.op == "enrich"]


def test_failed_answers_are_reflected_on_each_of_them_once() -> None:
    strategy, history = begun(reflections=2, root_width=9)
    fail(history, "41", value=0.7)
    assert reflections(strategy, history) == []
    fail(history, "42")
    (call,) = reflections(strategy, history)
    assert (call.nodes, call.index, call.how) == ((0,), 0, "reflect")
    history.begin(call)
    fail(history, "43")
    assert reflections(strategy, history) == [], "one at a time"
    history.tell(Enriched(node=0, index=0, text="Check the sum.", how="reflect"))
    (call,) = reflections(strategy, history)
    history.tell(Enriched(node=0, index=1, text="Check the sum.\nCheck signs.", how="reflect"))
    fail(history, "44")
    assert reflections(strategy, history) == [], "two are enough"


def test_the_same_wrong_answer_teaches_nothing_new() -> None:
    strategy, history = begun(reflections=3, root_width=9)
    fail(history, "42")
    history.tell(Enriched(node=0, index=0, text="Check the sum.", how="reflect"))
    fail(history, "42")
    assert reflections(strategy, history) == []
    fail(history, "43")
    assert len(reflections(strategy, history)) == 1


def test_a_reflection_that_fails_is_not_made_again_for_the_same_answers() -> None:
    strategy, history = begun(reflections=3, root_width=9)
    fail(history, "42")
    history.tell(Failed(of="enrich", nodes=(0,), index=0, how="reflect"))
    assert reflections(strategy, history) == []


def test_what_is_asked_for_is_said() -> None:
    assert list(MCTS().variants()) == []
    assert MCTS().uses() == {"generate", "evaluate"}
    assert MCTS(reflections=1).uses() == {"generate", "evaluate", "enrich"}
    assert set(MCTS(rollout=1, finish_check=True, reflections=1).variants()) == {
        ("generate", "rollout"),
        ("evaluate", "finished"),
        ("generate", "answer"),
        ("enrich", "reflect"),
    }
