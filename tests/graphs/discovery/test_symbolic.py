from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import numpy as np
import pytest

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs.discovery.expressions import changed_formula, random_formula
from reflectree.graphs.discovery.fitting import Data, fit
from reflectree.graphs.discovery.formula import Formula, read_formula
from reflectree.graphs.discovery.laws import LAWS
from reflectree.graphs.discovery.stepwise import library, stepwise
from reflectree.graphs.discovery.symbolic import Symbolic
from reflectree.rlm_ops.errors import BadInput

KNOWN = {
    "ideal-gas": "params[0] * a / b",
    "pendulum": "params[0] * np.sqrt(a / b)",
    "kepler": "params[0] * a ** params[1] * b ** params[2]",
    "damped-oscillator": "params[0] * np.exp(-b * a) * np.cos(np.sqrt(params[1] - b ** 2) * a)",
    "planck": "params[0] * a ** 3 / (np.exp(params[1] * a / b) - 1)",
    "michaelis-menten": "params[0] * a / (params[1] * (1 + b / params[2]) + a)",
}


def skeleton(expression: str) -> str:
    return f"def equation(a, b, params):\n    return {expression}"


@pytest.mark.parametrize("key", LAWS)
def test_the_right_skeleton_is_fitted_and_holds_beyond_the_ranges(key: str) -> None:
    problem = Symbolic(key)
    score = problem.measure(skeleton(KNOWN[key]))
    assert score.value == 1.0
    report = problem.report(skeleton(KNOWN[key]))
    assert report["nmse_test"] < 1e-9
    assert report["nmse_beyond"] < 1e-9
    assert report["objective"] == score.scores[0]


def test_a_wrong_skeleton_may_fit_inside_and_fail_beyond() -> None:
    report = Symbolic("kepler").report(skeleton("params[0] + params[1] * a + params[2] * b + params[3] * a * a"))
    assert report["nmse_test"] < 0.1 < report["nmse_beyond"]


def test_parts_of_a_law_are_different_points_in_their_ranges() -> None:
    law = LAWS["kepler"]
    train, test, beyond = (law.data("symbolic/kepler", part) for part in ("train", "test", "beyond"))
    assert not np.array_equal(train.inputs[0], test.inputs[0])
    assert train.inputs[0].max() <= 5.0 <= beyond.inputs[0].min()
    np.testing.assert_array_equal(train.target, law.data("symbolic/kepler", "train").target)


def test_what_has_no_number_is_a_failure() -> None:
    problem = Symbolic("kepler")
    for text in (skeleton("np.log(-a)"), skeleton("a / 0"), "no formula", skeleton("open(a)")):
        with pytest.raises(ScoreError):
            problem.measure(text)


def test_the_question_shows_no_law_and_no_points() -> None:
    question = Symbolic("kepler").task.question
    assert "def equation(axis, mass, params):" in question
    assert "sqrt(axis" not in question
    with pytest.raises(BadInput, match="did you mean 'kepler'"):
        Symbolic("keplr")


def test_values_rise_with_the_score() -> None:
    problem = Symbolic("pendulum")
    worse, better = (problem.measure(skeleton(text)) for text in ("params[0]", "params[0] + params[1] * a"))
    assert worse.scores < better.scores
    assert 0 < worse.value < better.value < 1


def test_a_fit_is_bounded_and_the_same_each_time() -> None:
    x = np.linspace(0, 1, 50)
    data = Data((x,), 3 * np.exp(-2 * x))
    formula = read_formula("def f(x, params):\n    return params[0] * np.exp(params[1] * x)", 1)
    found = fit(formula, data)
    assert found == fit(formula, data)
    assert found.params == pytest.approx((3, -2), abs=1e-3)
    rough = read_formula(
        "def f(x, params):\n    return " + " * ".join(f"np.sin(params[{k}] * x)" for k in range(10)), 1
    )
    assert math.isfinite(fit(rough, data).mse)


def test_stepwise_finds_a_power_law_and_only_gets_near_others() -> None:
    kepler = Symbolic("kepler")
    curve = kepler.classical(120, 0)
    assert len(curve) == 120
    assert curve == sorted(curve)
    assert curve[-1] > -1e-20
    assert Symbolic("michaelis-menten").classical(200, 0)[-1] < -1e-4
    assert len(library(kepler.train)) > 80
    assert next(stepwise(kepler.train, "a")) != next(stepwise(kepler.train, "b"))


def test_random_and_changed_formulas_can_be_read() -> None:
    rng = Random(0)
    source = random_formula(("a", "b"), rng)
    for _ in range(100):
        source = changed_formula(source, ("a", "b"), rng)
        assert read_formula(source, 2).params <= 10
    assert read_formula(changed_formula("not python (", ("a", "b"), rng), 2)


def test_fits_in_threads_take_turns() -> None:
    """SciPy silences warnings for the whole process: two at a time would raise them, or leave it silent."""
    inside, most = 0, 0
    lock = threading.Lock()

    def slow(scope: Any) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.0005)
        with lock:
            inside -= 1
        return scope["a"] * params(scope)

    params = read_formula(skeleton("params[0] ** 2"), 2)._result
    formula = Formula(("a", "b"), 1, "", (), slow)
    data = Data((np.arange(1.0, 9.0), np.ones(8)), np.arange(1.0, 9.0) * 3)
    with ThreadPoolExecutor(4) as pool:
        fits = list(pool.map(lambda _: fit(formula, data), range(4)))
    assert most == 1
    assert all(found.mse < 1e-9 for found in fits)
