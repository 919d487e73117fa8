from __future__ import annotations

import math
from random import Random

import pytest
from tests.support.drive import any_outcome, drive, good_outcome, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.selection import Candidate, discriminated
from reflectree.rlm_ops.strategies.rstar import FOLLOWS, RStar
from reflectree.rlm_ops.structure import ReasoningStructure, fold


def outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """Whole solutions answer, nothing else does; the other model observes."""
    node = call.nodes[0]
    if call.op == "evaluate":
        return Evaluated(node=node, index=call.index, value=random.choice([0.0, 0.5, 1.0]), aside=True, how=call.how)
    answer = random.choice("ab") if call.how == "whole" else None
    status = "open" if answer is None else "terminal"
    text = f"{call.how} {len(structure)}"
    return Grown(nodes=call.nodes, index=call.index, how=call.how, text=text, status=status, answer=answer)  # type: ignore[arg-type]


def unlucky(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    if random.random() < 0.2:
        return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how)
    return outcome(call, structure, random)


def one(strategy: RStar, history: History, answer: str | None = None) -> tuple[int, str]:
    """Carry out the one call that is asked for; its parent and its variant."""
    (call,) = strategy.ask(history.live, 1)
    history.live.begin(call)
    status = "open" if answer is None else "terminal"
    history.tell(
        Grown(nodes=call.nodes, index=call.index, how=call.how, text="step", status=status, answer=answer)  # type: ignore[arg-type]
    )
    return call.nodes[0], call.how


def grow(history: History, parent: int, how: str, answer: str | None = None) -> int:
    index = history.live.next_index("generate", (parent,))
    status = "open" if answer is None else "terminal"
    history.tell(Grown(nodes=(parent,), index=index, how=how, text="step", status=status, answer=answer))  # type: ignore[arg-type]
    return len(history.live) - 1


def test_a_rollout_goes_on_to_an_answer_before_the_next_begins() -> None:
    strategy = RStar(depth=3, steps=1, subquestions=0, rephrasings=0, agains=0)
    history = started(strategy, seed=3)
    assert sorted(strategy.actions(history.live, 0)) == ["step", "whole"]
    parents = []
    while len(history.live.terminals) < 2:
        how = strategy.ask(history.live, 1)[0].how
        parents.append(one(strategy, history, "1" if how == "whole" else None))
    tips = [parent for parent, _ in parents]
    assert tips.count(0) == 2  # two rollouts began at the task; the others went on where one had come to
    assert parents[-1][1] == "whole"


def test_actions_follow_the_papers_order() -> None:
    strategy = RStar(depth=9)
    history = started(strategy)
    legal = {}
    for how in ("step", "whole", "subquestion", "rephrase"):
        legal[how] = set(strategy.actions(history.live, grow(history, 0, how)))
    again = grow(history, 3, "again")
    legal["again"] = set(strategy.actions(history.live, again))
    assert set(strategy.actions(history.live, 0)) == {"step", "whole", "subquestion", "rephrase"}
    assert legal == {
        "step": {"step", "whole"},
        "whole": set(),
        "subquestion": {"step", "whole", "subquestion", "again"},
        "rephrase": {"step", "whole", "subquestion"},
        "again": {"step", "whole", "subquestion"},
    }


def test_the_last_action_is_a_whole_solution_and_quotas_hold() -> None:
    strategy = RStar(depth=2, steps=2, subquestions=0)
    history = started(strategy)
    assert sorted(strategy.actions(history.live, 0)) == ["rephrase", "step", "step", "whole"]
    assert strategy.actions(history.live, grow(history, 0, "step")) == ["whole"]


def test_the_order_of_actions_is_chance_but_always_the_same() -> None:
    strategy = RStar()
    orders = [strategy.actions(started(strategy, seed=seed).live, 0) for seed in range(8)]
    assert len({tuple(order) for order in orders}) > 1
    live = started(strategy, seed=5).live
    live.begin(Call("generate", (0,), 0))
    assert strategy.actions(live, 0) == orders[5]


def test_the_worth_of_a_node_is_the_mean_share_of_its_answers() -> None:
    strategy = RStar(depth=4, rollouts=9)
    history = started(strategy)
    left, right = grow(history, 0, "step"), grow(history, 0, "step")
    grow(history, left, "whole", "1")
    grow(history, left, "whole", " 1.0 ")
    grow(history, right, "whole", "2")
    grow(history, right, "whole", "1")
    search = strategy._search(history.live)
    assert search.votes == {"1": 3, "2": 1}
    assert search.worth(left) == pytest.approx(3 / 4)
    assert search.worth(right) == pytest.approx((1 / 4 + 3 / 4) / 2)
    assert search.worth(0) == pytest.approx((3 * 3 + 1) / 16)
    assert search.uct(history.live, right, 2.0) == pytest.approx(0.5 + 2 * math.sqrt(math.log(4) / 2))


def test_rollouts_under_way_spread() -> None:
    strategy = RStar(depth=4, steps=2, wholes=1, subquestions=0, rephrasings=0, agains=0)
    history = started(strategy)
    for _ in range(2):
        step = grow(history, 0, "step")
        grow(history, step, "whole", "1")
    grow(history, 0, "whole", "1")
    live = history.live
    nodes = []
    for _ in range(4):
        (call,) = strategy.ask(live, 1)
        live.begin(call)
        nodes.append(call.nodes[0])
    assert nodes == [1, 3, 1, 3]


def test_exactly_as_many_rollouts_as_asked_for() -> None:
    for seed in range(10):
        history = drive(RStar(rollouts=7, depth=4), Random(seed), outcome=outcome)
        assert len(history.live.terminals) == 7


def test_a_small_tree_ends_before_its_rollouts() -> None:
    strategy = RStar(rollouts=50, depth=2, steps=2, subquestions=0, rephrasings=0, candidates=0)
    history = drive(strategy, Random(1), outcome=outcome)
    assert len(history.live.terminals) == 3  # one at once, and one below each of two steps
    assert {call.op for call in strategy.ask(history.live, 4)} == set()


def test_answers_of_each_kind_are_put_to_the_other_model_in_turn() -> None:
    strategy = RStar(rollouts=4, depth=3, candidates=3)
    history = started(strategy)
    for answer in ("1", "1", "1", "2"):
        grow(history, 0, "whole", answer)
    calls = strategy.ask(history.live, 8)
    assert [(call.op, call.nodes, call.how) for call in calls] == [
        ("evaluate", (1,), "discriminate"),
        ("evaluate", (4,), "discriminate"),
        ("evaluate", (2,), "discriminate"),
    ]
    for call in calls:
        history.live.begin(call)
    assert strategy.ask(history.live, 8) == []
    for call, value in zip(calls, (0.0, 1.0, 0.25), strict=True):
        history.tell(Evaluated(node=call.nodes[0], value=value, aside=True, how="discriminate"))
    assert strategy.ask(history.live, 8) == []
    live = history.live
    chosen = discriminated(
        [
            Candidate(node, live.steps[node].answer or "", agreed=live.asides.get((node, "discriminate")))
            for node in live.terminals
        ]
    )
    assert chosen is not None
    assert chosen.answer == "2"


def test_the_other_model_is_not_asked_where_all_agree_or_rollouts_are_under_way() -> None:
    strategy = RStar(rollouts=2, depth=3)
    history = started(strategy)
    grow(history, 0, "whole", "1")
    history.live.begin(Call("generate", (0,), 1, "whole"))
    assert strategy.ask(history.live, 4) == []
    history.tell(Grown(nodes=(0,), index=1, how="whole", text="x", status="terminal", answer="1.0"))
    assert strategy.ask(history.live, 4) == []


def test_what_it_remembers_can_be_derived_again() -> None:
    for seed in range(10):

        def forgetful(call: Call, structure: ReasoningStructure, random: Random) -> Event:
            structure.memo.clear()
            return unlucky(call, structure, random)

        strategy = RStar(rollouts=6)
        plain = drive(strategy, Random(seed), outcome=unlucky)
        forgot = drive(strategy, Random(seed), outcome=forgetful)
        assert plain.events == forgot.events


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("how", [any_outcome, good_outcome, unlucky])
def test_it_ends_whatever_happens(seed: int, how: object) -> None:
    random = Random(seed)
    strategy = RStar(
        rollouts=random.randint(1, 12),
        depth=random.randint(1, 5),
        steps=random.randint(0, 3),
        subquestions=random.randint(0, 2),
        schedule=random.choice(["const", "lin", "exp"]),
        candidates=random.choice([None, 0, 2]),
    )
    history = drive(strategy, random, outcome=how)  # type: ignore[arg-type]
    live = history.live
    assert fold(history.events) == live
    assert max(live.depth) <= strategy.depth
    for node in range(1, len(live)):
        assert live.hows[node] in FOLLOWS[live.hows[live.parents[node][0]]]
    assert strategy._search(live).begun(live) <= strategy.rollouts
