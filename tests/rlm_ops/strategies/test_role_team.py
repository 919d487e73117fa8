"""Roles take turns: plan, solution, score, revision, until the verifier is satisfied or the turns are over."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pytest
from tests.support.drive import PAID, apply_pure, drive, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Enriched, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.role_team import RoleTeam, best

PLAN, SOLVE, SCORE, REVISE = "generate planner", "generate solver", "evaluate verifier", "refine critic"


def outcome(history: History, call: Call, value: float) -> Event:
    """What comes of a call that does not fail."""
    node, live = call.nodes[0], history.live
    if call.op == "evaluate":
        return Evaluated(node=node, index=call.index, how=call.how, value=value, usage=PAID)
    if call.op == "enrich":
        text, answer = live.steps[node].text + "\nPerson: mind the sign", live.steps[node].answer
        return Enriched(
            node=node, index=call.index, how=call.how, text=text, answer=answer, source="human", note="sign"
        )
    planned = call.how == "planner"
    return Grown(
        op=call.op,  # type: ignore[arg-type]
        nodes=call.nodes,
        index=call.index,
        how=call.how,
        text=f"text {len(live)}",
        granularity="step" if planned else "solution",
        status="open" if planned else "terminal",
        answer=None if planned else f"a{len(live)}",
        after=live.after[node] if call.op == "refine" else -1,
        usage=PAID,
    )


def play(
    strategy: RoleTeam, values: Mapping[int, float] | None = None, fails: Mapping[int, str] | None = None
) -> tuple[History, list[str]]:
    """Play to the end; node k is worth values[k], and the calls of those numbers (from 0) fail."""
    history = started(strategy)
    asked: list[str] = []
    while strategy.stop(history.live) is None and (calls := strategy.ask(history.live, 4)):
        if calls[0].op in PURE:
            apply_pure(history, calls)
            continue
        (call,) = calls
        failing = (fails or {}).get(len(asked))
        asked.append(f"{call.op} {call.how}")
        history.begin(call)
        assert strategy.ask(history.live, 4) == [], "roles take turns"
        assert strategy.stop(history.live) is None
        history.flying.remove(call)
        if failing:
            assert failing == asked[-1]
            history.tell(Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, usage=PAID))
        else:
            history.tell(outcome(history, call, (values or {}).get(call.nodes[0], 0.1)))
    return history, asked


def test_it_is_revised_until_the_verifier_is_satisfied() -> None:
    history, asked = play(RoleTeam(), {2: 0.3, 3: 0.5, 4: 0.95})
    assert asked == [PLAN, SOLVE, SCORE, REVISE, SCORE, REVISE, SCORE]
    live = history.live
    assert live.after == [0, 0, 1, 1, 1], "a revision stands in the solution's place, below the plan"
    assert live.parents[4] == (3,)
    assert RoleTeam().stop(live) == "confidence"
    assert live.best_terminal == 4


def test_it_ends_after_its_turns() -> None:
    history, asked = play(RoleTeam(turns=2), {2: 0.3, 3: 0.2})
    assert asked == [PLAN, SOLVE, SCORE, REVISE, SCORE]
    assert best(history.live) == 2


def test_where_a_revision_comes_to_nothing_the_next_solution_is_fresh() -> None:
    history, asked = play(RoleTeam(turns=4), {2: 0.3}, {3: REVISE})
    assert asked == [PLAN, SOLVE, SCORE, REVISE, SOLVE, SCORE, REVISE, SCORE]
    assert history.live.parents[3] == (1,)


def test_without_a_plan_the_solver_works_from_the_task() -> None:
    history, asked = play(RoleTeam(turns=1), {}, {0: PLAN, 1: PLAN})
    assert asked == [PLAN, PLAN, SOLVE, SCORE]
    assert history.live.parents[1] == (0,)
    _, asked = play(RoleTeam(turns=1, plan=False))
    assert asked == [SOLVE, SCORE]
    _, asked = play(RoleTeam(turns=2, plan=False), {}, {0: SOLVE, 1: SOLVE})
    assert asked == [SOLVE, SOLVE]


def test_a_failed_solution_costs_a_turn_and_a_failed_score_the_solution() -> None:
    _, asked = play(RoleTeam(turns=2), {}, {1: SOLVE})
    assert asked == [PLAN, SOLVE, SOLVE, SCORE]
    history, asked = play(RoleTeam(turns=2), {}, {2: SCORE})
    assert asked == [PLAN, SOLVE, SCORE, SOLVE, SCORE]
    assert history.live.steps[2].status == "failed"


def test_a_cap_on_tokens_ends_it() -> None:
    history, asked = play(RoleTeam(tokens=11))
    assert asked == [PLAN, SOLVE, SCORE]
    assert history.live.usage.tokens == 15
    assert list(history.live.terminals) == [2]


def test_a_person_has_the_last_word() -> None:
    strategy = RoleTeam(ask_person=True)
    history, asked = play(strategy, {2: 0.95})
    assert asked == [PLAN, SOLVE, SCORE, "enrich human", "refine person"]
    assert list(history.live.terminals) == [3], "the revised solution is the answer"
    assert strategy.ask(history.live, 4) == []


def test_a_person_is_shown_the_best_answer_when_the_turns_are_over() -> None:
    strategy = RoleTeam(ask_person=True, turns=2)
    history, asked = play(strategy, {2: 0.5, 3: 0.2})
    assert asked[-2:] == ["enrich human", "refine person"]
    assert history.live.versions == {2: 1}
    assert history.live.parents[4] == (2,)


@pytest.mark.parametrize("failing", [{3: "enrich human"}, {4: "refine person"}])
def test_where_nothing_comes_of_a_person_the_answer_stands(failing: dict[int, str]) -> None:
    strategy = RoleTeam(ask_person=True)
    history, asked = play(strategy, {2: 0.95}, failing)
    assert asked == [PLAN, SOLVE, SCORE, "enrich human", "refine person"][: 1 + max(failing)]
    assert list(history.live.terminals) == [2]
    assert strategy.stop(history.live) == "confidence"


def test_a_planner_must_be_defined() -> None:
    with pytest.raises(BadInput, match="asks for the variant 'planner'"):
        Blueprint.parse({"name": "x", "scheme": {"strategy": "role-team"}})


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    random = Random(seed)
    strategy = RoleTeam(
        turns=random.randrange(1, 6),
        plan=random.random() < 0.7,
        ask_person=random.random() < 0.5,
        tokens=random.choice([None, None, 30]),
    )
    history = drive(strategy, random)
    grown = [event for event in history.events if isinstance(event, Grown) and event.how not in ("planner", "person")]
    assert len(grown) <= strategy.turns
    asked = [event for event in history.events if isinstance(event, Enriched)]
    assert len(asked) <= int(strategy.ask_person)
