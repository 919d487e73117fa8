"""Every system that is a blueprint over the one tree search, and every parameter of it, played against chance."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tests.support.drive import drive, good_outcome, started
from tests.support.event_strategies import History

from reflectree.graphs import blueprints
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.operators import PURE_OPERATORS
from reflectree.rlm_ops.strategies import MCTS
from reflectree.rlm_ops.structure import ReasoningStructure, fold

SYSTEMS = ("mcts", "mcts-uct", "alphazero", "openr", "rest-mcts", "x1", "lats", "marco-o1")
SMALL: dict[str, dict[str, Any]] = {
    "widen": {"widen_c": 1.0, "widen_alpha": 0.5},
    "resample": {"resample_root": 0.2, "root_width": 6},
    "resample-all": {"resample_root": 0.2, "root_width": 6, "expand": "all"},
    "prune": {"prune_below": 0.3},
    "backtrack": {"backtrack_below": 0.3},
    "rollout-one": {"rollout": 2},
    "rollout-all": {"rollout": 2, "expand": "all"},
    "rollout-one-step": {"rollout": 1, "expand": "all"},
    "together": {"expand": "together"},
    "together-all": {
        "expand": "together",
        "rollout": 2,
        "finish_check": True,
        "reflections": 3,
        "prune_below": 0.1,
        "backtrack_below": 0.3,
        "resample_root": 0.3,
        "root_width": 6,
        "own_visit": False,
    },
    "finish": {"finish_check": True},
    "everything": {
        "expand": "all",
        "rollout": 2,
        "finish_check": True,
        "reflections": 3,
        "prune_below": 0.1,
        "backtrack_below": 0.3,
        "resample_root": 0.3,
        "root_noise": 0.25,
        "own_visit": False,
        "backup": "x1",
    },
    **{
        f"{formula}-{own}": {"formula": formula, "own_visit": own}
        for formula in ("uct", "rstar")
        for own in (True, False)
    },
}


def system(name: str) -> MCTS:
    strategy = blueprints.load(name).scheme.strategy
    assert isinstance(strategy, MCTS)
    return MCTS.model_validate({**strategy.model_dump(), "depth": 4, "confidence": None})


VARIANTS = {name: system(name) for name in SYSTEMS} | {
    name: MCTS.model_validate({"width": 3, "root_width": 3, "depth": 4, "confidence": None, **parameters})
    for name, parameters in SMALL.items()
}


def assert_visits_are_conserved(live: ReasoningStructure) -> None:
    """Law 2: a node's visits are its own backed-up evaluations and its children's visits; nothing virtual is left."""
    for node in range(len(live)):
        own = live.evaluations[node] - len(live.unbacked.get(node, ()))
        assert live.visits[node] == own + sum(live.visits[child] for child in live.children[node])
    assert not any(live.virtual)


@pytest.mark.parametrize("name", VARIANTS)
def test_any_variant_ends_and_conserves_visits_whatever_happens(name: str) -> None:
    strategy = VARIANTS[name]
    for seed in range(50):
        live = drive(strategy, Random(seed)).live
        assert_visits_are_conserved(live)
        assert all(live.attempts("generate", (node,)) <= live.width_of(node) for node in range(len(live)))


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_remembered_can_be_derived_again(name: str) -> None:
    """A strategy that finds its scratch gone, as after a resume, asks for the same."""
    strategy = VARIANTS[name]
    for seed in range(8):
        kept, lost = (play(strategy, seed, forget=forget) for forget in (False, True))
        assert kept.events == lost.events


def play(strategy: MCTS, seed: int, *, forget: bool) -> History:
    """A play in which the first call begun is the first to land."""
    history, random = started(strategy, seed), Random(seed)
    live = history.live
    while len(history.events) < 250:
        if forget:
            live.memo.clear()
        calls = strategy.ask(live, 4 - len(history.flying))
        if calls and calls[0].op in PURE:
            for call in calls:
                for event in PURE_OPERATORS[call.op](live, call):
                    history.tell(event)
            continue
        for call in calls:
            history.begin(call)
        if not history.flying:
            break
        if not calls:
            history.tell(good_outcome(history.flying.pop(0), live, random))
    return history


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_replayed_system_is_the_live_one(name: str) -> None:
    history = drive(VARIANTS[name], Random(5))
    assert fold(history.events) == history.live


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_asks_again_for_the_same(name: str) -> None:
    history = drive(VARIANTS[name], Random(3), most=5000)
    strategy = VARIANTS[name]
    assert strategy.ask(history.live, 4) == strategy.ask(history.live, 4)


def test_nothing_is_left_to_do_at_the_end() -> None:
    """Where nothing fails, all of a small tree is grown, scored and backed up."""
    for name, strategy in VARIANTS.items():
        live = drive(strategy, Random(1), outcome=good_outcome).live
        assert not live.unbacked, name
        assert not live.unscored, name
        assert not live.openings[0], name
        if strategy.finish_check:
            assert {key[1] for key in live.asides} == {"finished"}


def test_every_variant_that_is_asked_for_is_defined() -> None:
    for name in SYSTEMS:
        strategy = VARIANTS[name]
        asked: set[tuple[str, str]] = set()

        def outcome(call: Call, live: ReasoningStructure, random: Random, asked: Any = asked) -> Any:
            asked.add((call.op, call.how))
            return good_outcome(call, live, random)

        drive(strategy, Random(2), outcome=outcome)
        assert {(op, how) for op, how in asked if how} <= set(strategy.variants())
        assert {op for op, _ in asked} <= strategy.uses()
