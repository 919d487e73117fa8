from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from random import Random
from types import FrameType
from typing import Any

import numpy as np
import pytest
import yaml
from tests.support.drive import any_outcome, apply_pure, drive, good_outcome, land, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import BackedUp, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.formulas.posteriors import Beta, Gaussian, Moments
from reflectree.rlm_ops.strategies.ab_mcts import ABMCTS
from reflectree.rlm_ops.strategies.ab_tally import WIDE, Prior, Sums, Tally, draw, draw_many
from reflectree.rlm_ops.structure import ReasoningStructure, fold

SETTINGS: list[dict[str, Any]] = [
    {},
    {"refine": False, "depth": 4},
    {"prior": "beta"},
    {"arms": ("a", "b"), "learn_arms": "tree"},
    {"arms": ("a", "b"), "learn_arms": "node", "prior": "beta", "refine": False},
    {"distinct": False, "depth": 2, "failures": 1},
    {"max_nodes": 1},
]


def strategy(**changes: Any) -> ABMCTS:
    return ABMCTS(**{"max_nodes": 40, **changes})


def grow(history: History, parent: int, value: float | None, how: str = "", text: str = "", answer: str = "7") -> int:
    live = history.live
    node, op = len(live), "refine" if parent else "generate"
    history.tell(
        Grown(
            op=op,  # type: ignore[arg-type]
            nodes=(parent,),
            index=live.next_index(op, (parent,)),
            text=text or f"solution {node}",
            status="terminal",
            answer=answer,
            how=how,
        )
    )
    if value is not None:
        history.tell(Evaluated(node=node, value=value))
        history.tell(BackedUp(node=node, value=value))
    return node


def anew(history: History) -> ReasoningStructure:
    """The same structure from the trace alone, with the same calls in flight."""
    structure = fold(history.events)
    for call in history.flying:
        structure.begin(call)
    structure.begun = history.live.begun
    return structure


def choices(asked: ABMCTS, history: History, times: int = 400) -> Counter[tuple[str, int]]:
    """What is asked for in many runs that differ by chance alone."""
    live, found = history.live, Counter[tuple[str, int]]()
    for begun in range(times):
        live.begun = begun
        (call,) = asked.ask(live, 1)
        found[call.op, call.nodes[0]] += 1
    return found


@pytest.mark.parametrize("changes", SETTINGS)
def test_whatever_happens_it_comes_to_an_end_and_visits_are_conserved(changes: dict[str, Any]) -> None:
    asked = strategy(**changes)
    for seed in range(50):
        live = drive(asked, Random(seed)).live
        for node in range(len(live)):
            below = sum(live.visits[child] for child in live.children[node])
            assert live.visits[node] == live.evaluations[node] + below
        assert not any(live.virtual)
        assert len(live) - 1 <= (asked.max_nodes or 0)


@pytest.mark.parametrize("changes", SETTINGS[:5])
def test_what_is_kept_is_what_can_be_derived_again(changes: dict[str, Any]) -> None:
    asked, random = strategy(**changes, max_nodes=120), Random(1)
    history = started(asked, seed=3)
    for _ in range(700):
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
            land(history, random, any_outcome)
    assert len(history.live) > 20


def test_the_first_calls_make_solutions_and_score_them() -> None:
    asked = strategy()
    history = started(asked)
    assert asked.ask(history.live, 1) == [Call("generate", (0,), 0)]
    grow(history, 0, None)
    assert asked.ask(history.live, 0) == []
    assert asked.ask(history.live, 1) == [Call("evaluate", (1,))]
    history.tell(Evaluated(node=1, value=0.5))
    assert asked.ask(history.live, 0) == [Call("backpropagate", (1,))]


def test_below_the_root_solutions_are_refined_or_steps_generated() -> None:
    for refine, op in ((True, "refine"), (False, "generate")):
        asked = strategy(refine=refine)
        history = started(asked)
        if refine:
            grow(history, 0, 0.6)
        else:
            history.tell(Grown(nodes=(0,), text="a step"))
            history.tell(Evaluated(node=1, value=0.6))
            history.tell(BackedUp(node=1, value=0.6))
        assert set(choices(asked, history)) == {("generate", 0), (op, 1)}
        assert asked.limits().ops == (op,)
        assert ("refine" in asked.uses()) == refine


def test_good_refinements_draw_the_search_deeper_and_bad_ones_wider() -> None:
    counts = {}
    for name, score in (("good", 0.95), ("bad", 0.05)):
        history = started(strategy())
        for _ in range(4):
            grow(history, 0, 0.5)
        for _ in range(6):
            grow(history, 4, score)
        counts[name] = choices(strategy(), history)["generate", 0] / 400
    assert counts["bad"] > 0.75
    assert counts["good"] < 0.25


@pytest.mark.parametrize("prior", [Gaussian(), Beta()])
def test_the_choice_is_thompson_sampling_of_the_papers_posteriors(prior: Prior) -> None:
    asked = strategy(prior="gaussian" if isinstance(prior, Gaussian) else "beta")
    history = started(asked)
    for value in (0.2, 0.7, 0.4):
        grow(history, 0, value)
    grow(history, 2, 0.9)
    grow(history, 2, 0.3)
    rng, wider = Random(5), 0
    gen, cont = prior.given(Moments.of([0.2, 0.7, 0.4])), prior.given(Moments.of([0.9, 0.3]))
    for _ in range(4000):
        wider += gen.draw(rng) >= cont.draw(rng)
    assert choices(asked, history, 3000)["generate", 0] / 3000 == pytest.approx(wider / 4000, abs=0.04)


def test_evidence_is_counted_where_it_belongs() -> None:
    history = started(strategy())
    one, two = grow(history, 0, 0.25), grow(history, 0, 0.5)
    grow(history, two, 0.75)
    last = grow(history, grow(history, two, 1.0), 0.0)
    tally = Tally.of(history.live, Gaussian())

    def seen(sums: Sums) -> tuple[int, float]:
        return sums.count, round(sums.moments.mean, 5)

    assert seen(tally.made[0]) == (2, 0.375)
    assert seen(tally.continued[0]) == (3, 0.58333)
    assert seen(tally.within[one]) == (1, 0.25)
    assert seen(tally.within[two]) == (4, 0.5625)
    assert seen(tally.made[two]) == (2, 0.875)
    assert seen(tally.continued[two]) == (1, 0.0)
    assert seen(tally.within[last]) == (1, 0.0)


def test_a_repetition_is_pruned_unscored_and_counts_against_going_wider() -> None:
    asked = strategy()
    history = started(asked)
    grow(history, 0, 0.9, text="same")
    grow(history, 0, None, text="same")
    calls = asked.ask(history.live, 4)
    assert calls == [Call("prune", (2,))]
    before = choices(asked, fresh(history, 1))["generate", 0]
    apply_pure(history, calls)
    assert choices(asked, history)["generate", 0] < before
    assert asked.ask(history.live, 4) != [Call("prune", (2,))]


def fresh(history: History, nodes: int) -> History:
    """The history up to when it had so many nodes besides the root."""
    shorter = started(strategy())
    for event in history.events[1:]:
        if isinstance(event, Grown) and event.node > nodes:
            break
        shorter.tell(event)
    return shorter


def test_calls_in_flight_spread_the_search() -> None:
    """They weigh like scores at the mean that is believed in: no arm looks worse, and luck counts for less."""
    asked = strategy()
    history = started(asked)
    for value in (0.5, 0.5, 0.5):
        grow(history, 0, value)
    grow(history, 1, 0.6)
    before = choices(asked, history)
    for _ in range(8):
        history.begin(Call("refine", (2,), history.live.next_index("refine", (2,))))
    after = choices(asked, history)
    assert after["refine", 2] < before["refine", 2]
    assert after["refine", 3] > 0


def test_draws_follow_the_beliefs() -> None:
    rng, n = Random(0), 20_000
    gaussian, beta = Gaussian(0.3, 4.0, 12.0, 0.1), Beta(1.7, 1.3)
    draws = [draw(gaussian, 0, rng) for _ in range(n)]
    # the mean's marginal is Student's t: variance tau2 / kappa * nu / (nu - 2)
    assert np.mean(draws) == pytest.approx(0.3, abs=0.005)
    assert np.var(draws) == pytest.approx(0.1 / 4 * 12 / 10, rel=0.05)
    flying = [draw(gaussian, 8, rng) for _ in range(n)]
    assert np.mean(flying) == pytest.approx(0.3, abs=0.005)
    assert np.var(flying) == pytest.approx(12 * 0.1 / 20 / 12 * 20 / 18, rel=0.05)
    assert np.mean([draw(beta, 0, rng) for _ in range(n)]) == pytest.approx(1.7 / 3, abs=0.005)
    assert np.mean([draw(beta, 30, rng) for _ in range(n)]) == pytest.approx(1.7 / 3, abs=0.005)
    assert all(math.isfinite(draw(Gaussian(nu=1e-6), 0, rng)) for _ in range(100))


@pytest.mark.parametrize("prior", [Gaussian(), Beta()])
def test_many_draws_at_once_are_the_same_as_one_by_one(prior: Prior) -> None:
    asked = strategy(prior="gaussian" if isinstance(prior, Gaussian) else "beta")
    history = started(asked)
    for child in range(WIDE + 3):
        grow(history, 0, None if child == 4 else (child % 5) / 4)
    for _ in range(9):
        grow(history, 2, 0.5)
    tally, rng = Tally.of(history.live, prior), Random(2)
    table = tally.table(history.live, 0)
    for _ in range(WIDE * 2):  # the table grows with the children and keeps up with scores
        grow(history, 0, 0.5)
    grow(history, 1, 1.0)
    table = Tally.of(history.live, prior).table(history.live, 0)
    assert table.shape == (4, WIDE * 3 + 3)
    flying = [3 if child == 0 else 0 for child in range(table.shape[1])]
    many = np.array([draw_many(table, flying, rng, isinstance(prior, Beta)) for _ in range(4000)])
    assert np.all(np.isneginf(many[:, 4]))
    for child in (0, 1, 7):
        belief = tally.within[history.live.children[0][child]].belief(prior)
        one = [draw(belief, flying[child], rng) for _ in range(4000)]
        assert np.median(many[:, child]) == pytest.approx(np.median(one), abs=0.03)
        quartiles = (np.subtract(*np.percentile(sample, [75, 25])) for sample in (many[:, child], one))
        assert next(quartiles) == pytest.approx(next(quartiles), rel=0.15)


def test_a_wide_node_goes_on_with_children_that_can_grow() -> None:
    asked = strategy(depth=2, max_nodes=None)
    history = started(asked)
    for child in range(WIDE + 4):
        grow(history, 0, 0.9 if child != 5 else 0.1)
    for node in range(1, WIDE + 5):
        if node != 6:
            history.tell(Failed(of="refine", nodes=(node,), index=0))
            apply_pure(history, [Call("backtrack", (node, 0))])
    for _ in range(30):
        grow(history, 6, 0.99)
    assert set(choices(asked, history)) <= {("generate", 0), ("refine", 6)}
    assert choices(asked, history)["refine", 6] > 0


@pytest.mark.parametrize("learn_arms", ["tree", "node"])
def test_the_better_model_is_asked_more_often(learn_arms: str) -> None:
    asked = strategy(arms=("a", "b"), learn_arms=learn_arms)
    assert set(asked.variants()) == {("generate", "a"), ("generate", "b"), ("refine", "a"), ("refine", "b")}
    history = started(asked)
    for _ in range(6):
        grow(history, 0, 0.2, "a")
        grow(history, 0, 0.9, "b")
    counts = Counter[str]()
    for begun in range(200):
        history.live.begun = begun
        (call,) = asked.ask(history.live, 1)
        counts[f"{call.op} {call.how}"] += 1
    assert counts["generate b"] > 5 * max(1, counts["generate a"])
    if learn_arms == "tree":
        assert counts["refine b"] > counts["refine a"]
    assert strategy(arms=("a",)).ask(started(strategy()).live, 1)[0].how == "a"


def test_a_node_whose_refinements_fail_is_left_with_a_reason() -> None:
    asked = strategy(failures=2, mean=0.0)
    history = started(asked)
    grow(history, 0, 0.5)
    for index in range(2):
        history.tell(Failed(of="refine", nodes=(1,), index=index))
    found = choices(asked, history)
    assert set(found) == {("generate", 0), ("backtrack", 1)}
    apply_pure(history, [Call("backtrack", (1, 0), reason="refine comes to nothing here")])
    assert set(choices(asked, history)) == {("generate", 0)}


def test_it_ends_with_its_nodes_and_with_certainty() -> None:
    asked = strategy(max_nodes=2)
    history = started(asked)
    grow(history, 0, 0.5)
    history.tell(Failed(of="generate", nodes=(0,), index=1))
    assert asked.ask(history.live, 4) == []
    assert asked.stop(history.live) is None
    grow(history, 0, 1.0)
    assert asked.stop(history.live) == "confidence"


@pytest.mark.slow
def test_the_cost_of_an_ask_does_not_grow_with_the_tree() -> None:
    """Counted, not timed: functions called for the same number of turns, with 300 nodes and with 3,000."""

    def plain(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        event = good_outcome(call, structure, random)
        return replace(event, text=f"{random.random()}") if isinstance(event, Grown) else event

    asked, random = strategy(max_nodes=None), Random(0)
    history = started(asked)
    work = {}
    for size in (300, 3000):
        while len(history.live) < size:
            step(asked, history, random, plain)
        work[size] = sum(calls_made(lambda: step(asked, history, random, plain)) for _ in range(200))
    assert work[3000] < 2.5 * work[300]


def step(
    asked: ABMCTS, history: History, random: Random, outcome: Callable[[Call, ReasoningStructure, Random], Event]
) -> None:
    calls = asked.ask(history.live, 8 - len(history.flying))
    if calls and calls[0].op in PURE:
        apply_pure(history, calls)
        return
    for call in calls:
        history.begin(call)
    if not calls:
        land(history, random, outcome)


def calls_made(do: Callable[[], None]) -> int:
    """How many functions, of Python and of C, something calls."""
    count = 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        do()
    finally:
        sys.setprofile(before)
    return count


def test_the_shipped_blueprint_has_the_constants_of_the_release() -> None:
    text = resources.files("reflectree.graphs.blueprints").joinpath("ab-mcts.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    assert data["scheme"]["strategy"].pop("name") == ABMCTS.name
    data["scheme"]["strategy"] = ABMCTS.model_validate(data["scheme"]["strategy"])
    shipped = Blueprint.parse(data).scheme.strategy
    assert isinstance(shipped, ABMCTS)
    assert shipped.belief == Gaussian() == Gaussian(mean=0.0, kappa=1.0, nu=1.0, tau2=0.1)
    assert ABMCTS(prior="beta").belief == Beta(0.5, 0.5)
    assert len(text.splitlines()) <= 30
