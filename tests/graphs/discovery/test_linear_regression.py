from __future__ import annotations

from random import Random

import numpy as np
import pytest

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs.discovery.linear_regression import LinearRegression, read_pair, write_pair
from reflectree.rlm_ops.errors import BadInput


@pytest.mark.parametrize("text", ["12.5, -7", "[12.5, -7]", " (12.5 -7) ", "w=12.5, b=-7", "w: 1.25e1; b: -7."])
def test_a_pair_is_read_in_any_usual_dress(text: str) -> None:
    assert read_pair(text) == (12.5, -7.0)


@pytest.mark.parametrize("text", ["", "12.5", "1, 2, 3", "nan, 1", "inf, inf", "1e999, 0", "2e6, 0", "w is 3 and b 4"])
def test_what_is_no_pair_is_an_error(text: str) -> None:
    with pytest.raises(ScoreError):
        read_pair(text)


def test_the_objective_is_the_sum_of_squares_over_fifty_points() -> None:
    problem = LinearRegression(3)
    w, b = problem.optimum
    x = np.arange(1.0, 51)
    assert problem.loss(w, b) < problem.loss(problem.w, problem.b)  # the noise pulls the optimum a little aside
    assert problem.loss(w, b + 2) - problem.loss(w, b) == pytest.approx(4 * 50)
    assert problem.loss(w + 2, b) - problem.loss(w, b) == pytest.approx(4 * float(x @ x))
    score = problem.measure(write_pair(w, b))
    assert score.scores[0] == pytest.approx(problem.loss(w, b), abs=0.1)
    assert 0 < problem.measure("11, 11").value < score.value < 1


def test_the_question_gives_neither_points_nor_hidden_numbers_away() -> None:
    assert LinearRegression(1).task.question == LinearRegression(2).task.question
    assert (LinearRegression(1).w, LinearRegression(1).b) != (LinearRegression(2).w, LinearRegression(2).b)
    with pytest.raises(BadInput, match="at least 0"):
        LinearRegression(-1)


def test_the_classical_method_converges_and_is_counted() -> None:
    problem = LinearRegression(0)
    curve = problem.classical(120, 0)
    assert len(curve) == 120
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] == pytest.approx(problem.loss(*problem.optimum), rel=1e-3)
    assert problem.classical(7, 0) == curve[:7]


def test_the_report_compares_with_the_closed_form() -> None:
    problem = LinearRegression(0)
    report = problem.report(write_pair(problem.w, problem.b))
    assert report["optimum"] <= report["objective"]
    assert (report["error_w"], report["error_b"], report["mse_beyond"]) == (0, 0, 0)


def test_variations_are_pairs_near_the_best() -> None:
    problem, rng = LinearRegression(0), Random(1)
    assert [read_pair(problem.draw(rng)) for _ in range(20)]
    varied = [read_pair(problem.vary(["13, 14", "14, 14", "15, 15"], rng)) for _ in range(50)]
    assert all(abs(w - 15) < 2.1 and abs(b - 15) <= 1 for w, b in varied)
    assert len(set(varied)) == 50
