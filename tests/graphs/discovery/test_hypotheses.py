from __future__ import annotations

from random import Random
from typing import Any, get_args

import pytest

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs.discovery.enumeration import PRIMITIVES, apply, compositions, names_in, program_of
from reflectree.graphs.discovery.hypotheses import Hypothesis
from reflectree.graphs.discovery.rules import RULES, TEST, TRAIN, Case, Kind
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.sandbox import Limits, available

needs_sandbox = pytest.mark.skipif(bool(available()), reason=available())

DOUBLE_EVENS = "def transform(x):\n    return [2 * v if v % 2 == 0 else v for v in x]"


@pytest.mark.parametrize("key", RULES)
def test_cases_are_different_and_held_out_ones_stay_out_of_the_question(key: str) -> None:
    train, test = RULES[key].cases(key)
    assert (len(train), len(test)) == (TRAIN, TEST)
    assert len({str(case.given) for case in (*train, *test)}) == TRAIN + TEST
    question = Hypothesis(key).task.question
    assert all(f"transform({case.given}) == {case.wanted}" in question for case in train)
    assert not any(f"transform({case.given})" in question for case in test)
    assert key not in question


@needs_sandbox
def test_a_right_program_is_certain_and_the_report_asks_the_held_out_cases() -> None:
    problem = Hypothesis("double-evens")
    score = problem.measure(DOUBLE_EVENS)
    assert (score.value, score.scores) == (1.0, (1.0,) * TRAIN)
    assert problem.report(DOUBLE_EVENS) == {"objective": 1.0, "train": 1.0, "held_out": 1.0, "solved": True}


@needs_sandbox
def test_learning_the_train_cases_by_heart_solves_nothing() -> None:
    problem = Hypothesis("double-evens")
    table = {str(case.given): case.wanted for case in problem.train}
    by_heart = f"def transform(x):\n    return {table!r}.get(str(x), [])"
    assert problem.measure(by_heart).value == 1.0
    report = problem.report(by_heart)
    assert report["held_out"] < 1.0
    assert not report["solved"]


@needs_sandbox
def test_wrong_cases_are_named_with_what_came_out() -> None:
    cases = (Case([1, 2], [1, 4]), Case([3], [3]), Case([4], [8]))
    problem = Hypothesis("mine", train=cases, test=(Case([6], [12]),))
    score = problem.measure("def transform(x):\n    return x if x[0] != 4 else 1 / 0")
    assert score.scores == (0.0, 1.0, 0.0)
    assert "transform([1, 2]) got [1, 2], wanted [1, 4]" in score.note
    assert "raised ZeroDivisionError" in score.note


@needs_sandbox
@pytest.mark.parametrize(
    "program",
    [
        "import os\nos.fork()\ndef transform(x):\n    return x",
        "def transform(x):\n    while True: pass",
        "def transform(x):\n    import os\n    os._exit(0)",
        "def other(x):\n    return x",
    ],
)
def test_a_program_that_cannot_run_is_a_failed_evaluation(program: str) -> None:
    with pytest.raises(ScoreError):
        Hypothesis("double-evens", limits=Limits(seconds=1.0)).measure(program)


@needs_sandbox
@pytest.mark.parametrize("value", ["{1, 2}", "float('nan')", "object()", "(lambda: 1)", "True", "1.0"])
def test_outputs_are_compared_as_data(value: str) -> None:
    problem = Hypothesis("mine", train=(Case([1], 1),))
    assert problem.measure(f"def transform(x):\n    return {value}").scores == (0.0,)


@pytest.mark.parametrize("key", ["sorted-evens", "reversed-running-sum", "drop-ends", "mirror", "quarter-turn"])
def test_enumeration_finds_rules_that_are_short_compositions(key: str) -> None:
    assert Hypothesis(key).classical(2000, 0)[-1] == 1.0


def test_enumeration_does_not_find_what_it_has_no_primitives_for() -> None:
    curve = Hypothesis("repeat-by-value").classical(2000, 0)
    assert len(curve) == 2000
    assert curve == sorted(curve)
    assert curve[-1] < 1.0


GIVEN: dict[Kind, Any] = {"list": [3, 1, 2, 2], "grid": [[1, 2], [3, 4], [0, 1]]}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_primitives_do_what_their_source_says(kind: Kind) -> None:
    known = list(PRIMITIVES[kind])
    for names in (*([name] for name in known), known[:3]):
        program = program_of(kind, names)
        scope: dict[str, Any] = {}
        exec(program, scope)
        assert scope["transform"](GIVEN[kind]) == apply(kind, names, GIVEN[kind])
        assert names_in(kind, program) == names
    assert next(compositions(kind)) == (known[0],)


def test_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean 'gravity'"):
        Hypothesis("gravty")


def test_variations_are_compositions() -> None:
    problem, rng = Hypothesis("mirror"), Random(0)
    program = problem.draw(rng)
    for _ in range(30):
        program = problem.vary([program], rng)
        assert 1 <= len(names_in("grid", program))
