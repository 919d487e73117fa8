from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib import resources
from random import Random
from typing import Any, cast

import pytest
import yaml
from pydantic import ValidationError
from tests.support.drive import any_outcome, apply_pure, drive, land, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import BackedUp, Evaluated, Event, Failed, GrowingOp, Grown
from reflectree.rlm_ops.strategies.operator_arms import going_back, mates, next_cut, past
from reflectree.rlm_ops.strategies.operator_mcts import ACTIONS, Action, OperatorMCTS
from reflectree.rlm_ops.structure import ReasoningStructure, fold

NO_CRITIC: tuple[Action, ...] = ("generate", "aggregate", "restructure", "backtrack", "stop")
SETTINGS: list[dict[str, Any]] = [
    {},
    {"actions": NO_CRITIC},
    {"actions": ("generate", "refine"), "depth": 3},
    {"actions": ("generate", "aggregate"), "merges": 3, "merge": 2},
    {"actions": ("generate", "restructure", "backtrack")},
    {"actions": ("generate",), "generate": ("whole",), "depth": 1},
    {"epsilon": 0.5, "noise": 0.0, "refine_steps": True},
    {"width": 1, "root_width": 2, "widen": 0.5, "distinct": False},
    {"priors": {"refine": 0.0, "answer": {"aggregate": 1.0, "refine": 0.0}}, "confidence": None},
]


def grow(
    history: History, parent: int, value: float | None, op: GrowingOp = "generate", how: str = "", **changes: Any
) -> int:
    """Add a child, scored and backed up where a value is given; an answer unless told otherwise."""
    live = history.live
    node, nodes = len(live), changes.pop("nodes", (parent,))
    fields = {"text": f"text {node}", "status": "terminal", "answer": "7", **changes}
    history.tell(Grown(op=op, nodes=nodes, index=live.next_index(op, nodes), how=how, **fields))
    if value is not None:
        history.tell(Evaluated(node=node, value=value))
        history.tell(BackedUp(node=node, value=value))
    return node


def step(history: History, parent: int, value: float | None, how: str = "step", **changes: Any) -> int:
    """Add a step that holds no answer."""
    return grow(history, parent, value, how=how, status="open", answer=None, **changes)


def several_lines(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """Anything that may come of a call, in several lines."""
    event = any_outcome(call, structure, random)
    lines = [random.choice("uvwxyz") for _ in range(random.randrange(1, 6))]
    return replace(event, text="\n".join(lines)) if isinstance(event, Grown) else event


def anew(history: History) -> ReasoningStructure:
    structure = fold(history.events)
    for call in history.flying:
        structure.begin(call)
    structure.begun = history.live.begun
    return structure


@pytest.mark.parametrize("changes", SETTINGS)
def test_whatever_happens_it_comes_to_an_end_and_visits_are_conserved(changes: dict[str, Any]) -> None:
    asked = OperatorMCTS(**{"width": 3, "root_width": 4, "depth": 4, "patience": 12, **changes})
    for seed in range(50):
        live = drive(asked, Random(seed), outcome=several_lines).live
        for node in range(len(live)):
            below = sum(live.visits[child] for child in live.children[node])
            waiting = len(live.unbacked.get(node, ()))  # what came in after the stop
            assert live.visits[node] + waiting == live.evaluations[node] + below
        assert not any(live.virtual)
        grown = set(live.ops) - {"task"}
        assert grown <= set(asked.actions)
        assert ("backtrack" in asked.actions) or all(live.steps[node].text for node in live.left)


@pytest.mark.parametrize("changes", [SETTINGS[0], SETTINGS[3], SETTINGS[6]])
def test_what_is_kept_is_what_can_be_derived_again(changes: dict[str, Any]) -> None:
    asked, random = OperatorMCTS(**{"patience": 1000, **changes}), Random(1)
    history = started(asked, seed=3)
    for _ in range(400):
        calls = asked.ask(history.live, 4 - len(history.flying))
        again = asked.ask(anew(history), 4 - len(history.flying))
        assert [(call, call.how, call.reason) for call in calls] == [(call, call.how, call.reason) for call in again]
        if calls and calls[0].op in PURE:
            apply_pure(history, calls)
            continue
        for call in calls:
            history.begin(call)
        if not history.flying:
            break
        if not calls or random.random() < 0.3:
            land(history, random, several_lines)
    assert len(history.live) > 30


def test_every_operator_comes_to_be_used() -> None:
    ops, left = Counter[str](), 0
    for seed in range(10):
        live = drive(OperatorMCTS(patience=150), Random(seed), outcome=several_lines).live
        ops.update(live.ops)
        left += len(live.left)
    assert all(ops[op] > 10 for op in ("generate", "refine", "aggregate", "restructure"))
    assert left > 10


def played(pays: str) -> tuple[Counter[str], float]:
    """How often operators are used where one makes things a little better, and the others come out low, at random.

    Returns:
        The counts, and the mean value of the best answer.
    """

    def outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        event = several_lines(call, structure, random)
        if isinstance(event, Grown):
            done = call.how != "step"
            answer, status = ("7", "terminal") if done else (None, "open")
            return replace(event, text=f"{event.text}\n{len(structure)}", status=cast(Any, status), answer=answer)
        if not isinstance(event, Evaluated):
            return event
        node = call.nodes[0]
        before = structure.value(structure.parents[node][0]) or 0.2
        return replace(event, value=min(0.9, before + 0.1) if structure.ops[node] == pays else random.uniform(0.1, 0.3))

    ops, best = Counter[str](), 0.0
    for seed in range(8):
        live = drive(OperatorMCTS(patience=60), Random(seed), outcome=outcome).live
        ops.update(live.ops)
        assert live.best_terminal is not None
        best += (live.value(live.best_terminal) or 0.0) / 8
    return ops, best


def test_the_search_finds_out_which_operator_pays() -> None:
    nothing, low = played("")
    refined, high = played("refine")
    assert refined["refine"] / refined.total() > 1.3 * nothing["refine"] / nothing.total()
    assert high > low + 0.25
    assert played("aggregate")[1] > low + 0.1


def test_parallel_samples_of_the_task_take_the_variants_in_turn() -> None:
    asked = OperatorMCTS()
    history = started(asked)
    for _ in range(4):
        (call,) = asked.ask(history.live, 1)
        assert (call.op, call.nodes) == ("generate", (0,))
        history.begin(call)
    assert [call.how for call in history.flying] == ["step", "whole", "step", "whole"]
    assert asked.ask(history.live, 0) == []


def test_the_variant_that_did_better_is_taken() -> None:
    history = started(OperatorMCTS())
    for _ in range(2):
        step(history, 0, 0.1)
        grow(history, 0, 0.9, how="whole")
    asked = OperatorMCTS(actions=("generate",))
    arm = past(history.live, 0)["generate"]
    assert asked._grain(history.live, 0, arm) == "whole"
    grow(history, 0, 0.9, how="whole")
    arm = past(history.live, 0)["generate"]
    assert OperatorMCTS(c=100)._grain(history.live, 0, arm) == "step"


def test_where_one_step_fits_it_is_the_last_variant() -> None:
    asked = OperatorMCTS(depth=1)
    assert asked.ask(started(asked).live, 1)[0].how == "whole"


def possible(asked: OperatorMCTS, history: History, node: int) -> set[str]:
    return {arm.op for arm in asked._arms(history.live, node) if arm.nodes}


def test_what_is_possible_where() -> None:
    asked = OperatorMCTS()
    history = started(asked)
    assert possible(asked, history, 0) == {"generate"}
    first = grow(history, 0, 0.5, text="one line")
    assert possible(asked, history, first) == {"refine"}  # nothing to merge with, nothing to split
    second = grow(history, 0, 0.6, text="two\nlines")
    assert possible(asked, history, first) == {"refine", "aggregate"}
    assert possible(asked, history, second) == {"refine", "aggregate", "restructure"}
    third = step(history, 0, 0.4)
    assert possible(asked, history, third) == {"generate"}  # no other unfinished step
    assert possible(OperatorMCTS(refine_steps=True), history, third) == {"generate", "refine"}
    assert possible(OperatorMCTS(actions=NO_CRITIC), history, first) == {"aggregate"}
    step(history, third, 0.1)
    assert possible(asked, history, third) == {"generate", "backtrack"}
    assert possible(OperatorMCTS(actions=("generate",)), history, third) == {"generate"}


def test_a_merge_takes_the_best_siblings_alive_that_say_something_else() -> None:
    history = started(OperatorMCTS())
    for value in (0.2, 0.9, 0.5, 0.9):
        grow(history, 0, value)
    grow(history, 0, 0.95, text="text 1")  # says what node 1 says
    grow(history, 0, None)
    step(history, 0, 0.99)
    assert mates(history.live, 1, 3) == (1, 2, 4)
    assert mates(history.live, 2, 2) == (2, 4)
    apply_pure(history, [Call("prune", (2,))])
    assert mates(history.live, 1, 3) == (1, 4, 3)
    assert mates(history.live, 7, 3) == ()


def test_a_merge_is_begun_once_from_a_node_even_if_it_fails_or_is_in_flight() -> None:
    asked = OperatorMCTS()
    history = started(asked)
    for value in (0.2, 0.9, 0.5):
        grow(history, 0, value)
    assert "aggregate" in possible(asked, history, 1)
    history.begin(Call("aggregate", (1, 2, 3)))
    assert past(history.live, 1)["aggregate"].attempts == 1
    assert "aggregate" not in possible(asked, history, 1)
    history.flying.clear()
    history.tell(Failed(of="aggregate", nodes=(1, 2, 3), index=0))
    assert past(history.live, 1)["aggregate"].attempts == 1
    assert "aggregate" not in possible(asked, history, 1)
    assert "aggregate" in possible(asked, history, 2)


def test_the_weakest_line_is_found_by_bisection() -> None:
    asked = OperatorMCTS()
    history = started(asked)
    node = grow(history, 0, 0.5, text="\n".join("abcdefgh"))
    sound_until = 5  # the flaw is in line 6
    cuts = []
    while (cut := next_cut(history.live, node)) is not None:
        cuts.append(cut)
        worth = 0.8 if cut <= sound_until else 0.2
        step(history, node, worth, f"branch:{cut}", op="restructure", text="\n".join("abcdefgh"[:cut]))
    assert cuts == [4, 6, 5]


def test_a_branch_is_the_lines_before_the_doubt() -> None:
    asked = OperatorMCTS(actions=("generate", "restructure"))
    history = started(asked)
    node = grow(history, 0, 0.5, text="a\nb\nc\nd", how="whole")
    (arm,) = (arm for arm in asked._arms(history.live, node) if arm.nodes)
    call = Call("restructure", arm.nodes, 0, arm.how, arm.reason)
    assert (call.nodes, call.how, call.reason) == ((node,), "branch:2", "what comes after line 2 is in doubt")
    apply_pure(history, [call])
    made = history.live.steps[2]
    assert (made.text, made.status, history.live.after[2]) == ("a\nb", "open", 0)
    assert asked.ask(history.live, 1) == [Call("evaluate", (2,))]
    history.tell(Evaluated(node=2, value=0.6))
    history.tell(BackedUp(node=2, value=0.6))
    assert possible(asked, history, 2) == {"generate"}


def test_going_back_needs_something_tried_and_a_value_below_the_parents() -> None:
    asked = OperatorMCTS(c=0.0, actions=("generate", "backtrack"))
    history = started(asked)
    first = step(history, 0, 0.4)
    step(history, 0, 0.9)
    assert going_back(history.live, first) == ""
    step(history, first, 0.1)
    assert going_back(history.live, first) == "value 0.25 below 0.467 of node 0"
    arms = asked._arms(history.live, first)
    arm = asked._best(history.live, first, arms, Random(0))
    assert (arm.op, arm.nodes) == ("backtrack", (first, 0))
    apply_pure(history, [Call("backtrack", arm.nodes, reason=arm.reason)])
    assert history.live.cursor == 0
    assert not history.live.is_open(first)
    assert history.events[-1].reason == "value 0.25 below 0.467 of node 0"  # type: ignore[union-attr]
    best = step(history, 2, 0.95)
    assert going_back(history.live, best) == ""


def test_where_nothing_can_be_done_the_node_is_left() -> None:
    asked = OperatorMCTS(actions=NO_CRITIC, root_width=1)
    history = started(asked)
    grow(history, 0, 0.5, text="one line")
    (call,) = asked.ask(history.live, 1)
    assert (call, call.reason) == (Call("backtrack", (1, 0)), "there is nothing more to do here")
    apply_pure(history, [call])
    assert asked.ask(history.live, 1) == []


def test_an_operator_is_worth_what_it_made() -> None:
    asked = OperatorMCTS(c=0.0)
    history = started(asked)
    node = grow(history, 0, 0.5, text="a\nb\nc")
    grow(history, 0, 0.6)
    grow(history, node, 0.2, "refine")
    grow(history, node, 0.8, "aggregate", nodes=(node, 2))
    deeper = step(history, node, 0.4, "branch:1", op="restructure")
    grow(history, deeper, 0.9)
    arms = {arm.op: arm for arm in asked._arms(history.live, node)}
    assert {op: arm.q(0.0) for op, arm in arms.items() if op != "backtrack"} == pytest.approx(
        {"refine": 0.2, "aggregate": 0.8, "restructure": 0.65}
    )
    assert {op: arm.visits for op, arm in arms.items() if op != "backtrack"} == {
        "refine": 1,
        "aggregate": 1,
        "restructure": 2,
    }
    assert asked._best(history.live, node, list(arms.values()), Random(0)).op == "aggregate"


def test_failures_and_calls_in_flight_count_as_tries() -> None:
    asked = OperatorMCTS(c=2.0, noise=0.0)
    history = started(asked)
    node = grow(history, 0, 0.5, text="a\nb\nc")
    grow(history, 0, 0.5)

    def best() -> str:
        return asked._best(history.live, node, asked._arms(history.live, node), Random(0)).op

    assert best() == "refine"
    history.tell(Failed(of="refine", nodes=(node,), index=0))
    assert best() == "aggregate"
    history.begin(Call("aggregate", (node, 2)))
    assert best() == "restructure"
    assert past(history.live, node)["refine"].attempts == 1


def test_priors_shift_the_choice() -> None:
    history = started(OperatorMCTS())
    node = grow(history, 0, 0.5, text="a\nb\nc")
    grow(history, 0, 0.5)

    def best(**priors: Any) -> str:
        asked = OperatorMCTS(priors=priors)
        return asked._best(history.live, node, asked._arms(history.live, node), Random(0)).op

    assert best() == "refine"
    assert best(restructure=0.5, refine=0.2) == "restructure"
    assert best(restructure=0.5, answer={"aggregate": 3.0, "refine": 1.0, "restructure": 1.0}) == "aggregate"
    assert (
        best(**{"answer": {"aggregate": 9.0}, "answer/shallow/middling": {"refine": 9, "aggregate": 0.0}}) == "refine"
    )


def test_epsilon_takes_any_arm() -> None:
    asked = OperatorMCTS(epsilon=1.0)
    history = started(asked)
    node = grow(history, 0, 0.5, text="a\nb\nc")
    grow(history, 0, 0.5)
    rng, arms = Random(0), asked._arms(history.live, node)
    assert {asked._best(history.live, node, arms, rng).op for _ in range(50)} == {"refine", "aggregate", "restructure"}


def test_noise_at_the_root_spreads_the_search() -> None:
    history = started(OperatorMCTS())
    for value in (0.5, 0.6, 0.5, 0.4):
        step(history, 0, value)
    for noise, least, most in ((0.0, 1, 1), (1.0, 2, 4)):
        asked = OperatorMCTS(noise=noise)
        arm, rng = past(history.live, 0)["generate"], Random(0)
        found = {asked._best_of(history.live, 0, arm, rng) for _ in range(100)}
        assert least <= len(found) <= most


def test_it_stops_when_the_best_answer_stays_the_best() -> None:
    asked = OperatorMCTS(patience=4)
    history = started(asked)
    grow(history, 0, 0.6)
    assert asked.stop(history.live) is None
    for _ in range(4):
        step(history, 0, 0.3)
    assert asked.stop(history.live) == "stopped"
    assert OperatorMCTS(patience=4, actions=("generate", "refine")).stop(history.live) is None
    assert OperatorMCTS(patience=5).stop(history.live) is None
    grow(history, 0, 0.7)  # a better one: patience begins anew
    assert asked.stop(history.live) is None


def test_it_does_not_stop_at_a_bad_answer_while_the_rest_is_better() -> None:
    asked = OperatorMCTS(patience=2)
    history = started(asked)
    grow(history, 0, 0.0)
    for _ in range(5):
        step(history, 0, 0.9)
    assert asked.stop(history.live) is None


def test_what_says_nothing_new_is_pruned_unscored() -> None:
    asked = OperatorMCTS()
    history = started(asked)
    node = grow(history, 0, 0.5, text="same")
    grow(history, node, None, "refine", text="same", after=0)
    (call,) = asked.ask(history.live, 1)
    assert (call, call.reason) == (Call("prune", (2,)), "says nothing new")
    assert OperatorMCTS(distinct=False).ask(history.live, 1) == [Call("evaluate", (2,))]


def test_it_asks_only_for_what_it_says_it_uses() -> None:
    assert OperatorMCTS().uses() == {"generate", "evaluate", "refine", "aggregate"}
    assert OperatorMCTS(actions=("generate", "restructure", "stop")).uses() == {"generate", "evaluate"}
    assert list(OperatorMCTS(generate=("whole",)).variants()) == [("generate", "whole")]
    assert set(ACTIONS) >= {"generate", "refine", "aggregate", "restructure", "backtrack", "stop"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"actions": ("refine",)}, "add it"),
        ({"actions": ("think",)}, "generate"),
        ({"priors": {"refine": -1.0}}, "a number from 0"),
        ({"priors": {"answer": {"refine": float("nan")}}}, "finite number"),
    ],
)
def test_parameters_that_cannot_run_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        OperatorMCTS(**wrong)


def test_a_blueprint_holds_it() -> None:
    scheme = {"structure": "dag", "strategy": OperatorMCTS(priors={"answer": {"refine": 0.5}})}
    generate = {"variants": {"step": {"granularity": "step"}, "whole": {"granularity": "solution"}}}
    data = cast(Any, {"name": "mine", "scheme": scheme, "operators": {"generate": generate}})
    blueprint = Blueprint.model_validate(data)
    assert isinstance(hash(blueprint), int)
    tree = {**data, "scheme": {**scheme, "structure": "tree"}}
    with pytest.raises(ValidationError, match="merges nodes"):
        Blueprint.model_validate(tree)


def test_the_shipped_blueprint_is_this_strategy_with_its_defaults() -> None:
    text = resources.files("reflectree.graphs.blueprints").joinpath("operator-mcts.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    assert data["scheme"]["strategy"].pop("name") == OperatorMCTS.name
    data["scheme"]["strategy"] = OperatorMCTS.model_validate(data["scheme"]["strategy"])
    assert Blueprint.parse(data).scheme.strategy == OperatorMCTS()
    assert len(text.splitlines()) <= 30
