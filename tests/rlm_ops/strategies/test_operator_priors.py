from __future__ import annotations

from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.rlm_ops.strategies.test_operator_mcts import grow, step
from tests.support.drive import apply_pure, drive, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies import MCTS
from reflectree.rlm_ops.strategies.operator_mcts import OperatorMCTS
from reflectree.rlm_ops.strategies.operator_priors import (
    UNLEARNED,
    Transition,
    features,
    learn_priors,
    probabilities,
    transitions,
)

OPERATORS = ["generate", "refine", "aggregate", "restructure", "backtrack", "stop"]
weights = st.dictionaries(st.sampled_from(OPERATORS), st.floats(0, 1e6), max_size=6)


@given(weights, weights, st.lists(st.sampled_from(OPERATORS), min_size=1, unique=True))
def test_priors_add_up_to_one_over_what_is_possible(flat: Any, row: Any, possible: list[str]) -> None:
    for table in (flat, {**flat, "answer": row}, {"answer/deep/low": row}, UNLEARNED):
        found = probabilities(table, "answer/deep/low", possible)
        assert set(found) == set(possible)
        assert sum(found.values()) == pytest.approx(1.0)
        assert min(found.values()) >= 0


def test_the_most_exact_row_counts_and_what_it_lacks_weighs_the_mean() -> None:
    table: Any = {"refine": 1.0, "generate": 3.0, "answer": {"refine": 4.0}, "answer/deep/low": {"aggregate": 1.0}}
    assert probabilities(table, "step/deep/low", ["refine", "generate"]) == {"refine": 0.25, "generate": 0.75}
    assert probabilities(table, "step/deep/low", ["refine", "generate", "stop"]) == pytest.approx(
        {"refine": 1 / 6, "generate": 3 / 6, "stop": 2 / 6}
    )
    assert probabilities(table, "answer/shallow/low", ["refine", "stop"]) == {"refine": 0.5, "stop": 0.5}
    assert probabilities({"refine": 0.0}, "root", ["refine"]) == {"refine": 1.0}
    assert probabilities(table, "answer/deep/low", ["aggregate", "refine"]) == {"aggregate": 0.5, "refine": 0.5}
    assert probabilities(UNLEARNED, "root", ["generate", "stop"]) == {"generate": 0.5, "stop": 0.5}


def test_a_node_is_described_by_kind_depth_and_value() -> None:
    history = started(OperatorMCTS())
    low = step(history, 0, 0.1)
    grow(history, low, 0.5)
    node = low
    for value in (0.9, 0.9, None):
        node = step(history, node, value)
    deep = step(history, step(history, node, 0.5), 1.0)
    found = [features(history.live, node) for node in (0, low, 2, 4, 5, deep)]
    assert found == [
        "root",
        "step/shallow/low",
        "answer/shallow/middling",
        "step/middle/high",
        "step/middle/unknown",
        "step/deep/high",
    ]


def history_of_a_good_refinement(value: float = 0.9) -> History:
    """A bad answer whose refinement is good, and two samples that came to nothing."""
    history = started(OperatorMCTS())
    bad = grow(history, 0, 0.2)
    grow(history, 0, 0.1)
    grow(history, bad, value, "refine")
    dead = step(history, 0, 0.3)
    step(history, dead, 0.1)
    apply_pure(history, [Call("backtrack", (dead, 0), reason="worth little")])
    grow(history, 0, min(1.0, value + 0.05))
    return history


def test_transitions_say_what_came_of_each_operator() -> None:
    found = transitions(history_of_a_good_refinement().events)
    assert [(t.operator, t.features, t.node, t.made, round(t.gain, 6)) for t in found] == [
        ("generate", "root", 0, 1, 0.9),  # the good refinement lies below it
        ("generate", "root", 0, 2, 0.0),
        ("refine", "answer/shallow/low", 1, 3, 0.7),
        ("generate", "root", 0, 4, 0.0),
        ("generate", "step/shallow/low", 4, 5, 0.0),
        ("backtrack", "step/shallow/low", 4, -1, 0.05),
        ("generate", "root", 0, 6, 0.05),
    ]
    assert found[4] == Transition("step/shallow/low", "generate", "step", 4, 5, 0.0)


def test_a_merge_is_gain_of_all_its_parents() -> None:
    history = started(OperatorMCTS())
    one, two = grow(history, 0, 0.2), grow(history, 0, 0.3)
    grow(history, one, 0.8, "aggregate", nodes=(one, two))
    assert [round(t.gain, 6) for t in transitions(history.events)] == [0.8, 0.6, 0.5]


def test_any_trace_has_transitions() -> None:
    for seed in range(10):
        events = drive(MCTS(), Random(seed)).events
        found = transitions(events)
        assert len(found) == sum(event.op == "generate" for event in events)
        assert all(0 <= t.gain <= 1 for t in found)


def test_priors_learnt_from_traces_favour_what_led_to_better_answers() -> None:
    table = learn_priors([history_of_a_good_refinement().events] * 3)
    assert table["answer"] == {"refine": 1.0}
    assert set(table) >= {"root", "answer", "answer/shallow/low", "step", "step/shallow/low"}
    assert all(sum(row.values()) == pytest.approx(1.0) for row in table.values())
    assert table["step"]["backtrack"] > table["step"]["generate"] > 0
    assert learn_priors([history_of_a_good_refinement().events] * 3, smoothing=1e9)["step"] == pytest.approx(
        {"backtrack": 0.5, "generate": 0.5}
    )


def test_a_learnt_table_can_be_written_in_a_blueprint() -> None:
    learnt = learn_priors([history_of_a_good_refinement().events])
    written = yaml.safe_dump({"priors": learnt})
    assert OperatorMCTS.model_validate(yaml.safe_load(written)).priors == learnt


def test_nothing_is_learnt_where_nothing_gained() -> None:
    history = started(OperatorMCTS())
    step(history, 0, 0.5)
    assert learn_priors([history.events]) == UNLEARNED == learn_priors([])
    with pytest.raises(ValueError, match="above 0"):
        learn_priors([], smoothing=0)


def test_what_was_learnt_shifts_the_choice() -> None:
    """Where merges gained and refinements did not, an answer that could be either is merged."""
    taught = started(OperatorMCTS())
    one, two = grow(taught, 0, 0.5), grow(taught, 0, 0.5)
    for value in (0.3, 0.4):
        grow(taught, one, value, "refine")
    grow(taught, one, 0.9, "aggregate", nodes=(one, two))
    learnt = learn_priors([taught.events])
    history = started(OperatorMCTS())
    grow(history, 0, 0.5)
    grow(history, 0, 0.5)
    for table, expected in ((UNLEARNED, "refine"), (learnt, "aggregate")):
        asked = OperatorMCTS.model_validate({"priors": table})
        assert asked._best(history.live, 1, asked._arms(history.live, 1), Random(0)).op == expected
