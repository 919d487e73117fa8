from __future__ import annotations

import math
import sys
from itertools import pairwise

import pytest

from reflectree.agents.evaluators.base import Evaluator, Score, ScoreError
from reflectree.graphs.discovery.base import (
    LONGEST,
    Measured,
    Problem,
    Sampled,
    candidate_of,
    check_ready,
    checked,
    objective,
    random_search,
    running_best,
    squash,
)
from reflectree.graphs.discovery.catalogue import names, problem
from reflectree.rlm_ops.errors import MissingExtra
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task


def test_squash_falls_strictly_and_is_one_only_at_nothing() -> None:
    values = [squash(loss) for loss in (0, 1e-9, 0.5, 1, 10, 1e6, 1e60)]
    assert values[0] == 1.0
    assert all(one > two > 0 for one, two in pairwise(values))
    assert squash(3.0, 3.0) == pytest.approx(1 / (1 + math.log(2)))
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ScoreError, match="not a finite number"):
            squash(wrong)


def test_the_objective_is_the_mean_of_the_numbers() -> None:
    assert objective((2.0, 4.0)) == 3.0


def test_the_running_best_ignores_what_failed() -> None:
    assert running_best([math.nan, 3, 5, 2], "min") == [math.inf, 3, 3, 2]
    assert running_best([math.nan, 3, 2, 5], "max") == [-math.inf, 3, 3, 5]


def test_a_candidate_is_the_answer_of_a_path() -> None:
    task = Task("?")
    assert candidate_of(Path(task, (Step("a", answer="1, 2"),))) == "1, 2"
    for answer in (None, "  ", "x" * (LONGEST + 1)):
        with pytest.raises(ScoreError):
            candidate_of(Path(task, (Step("a", answer=answer),)))


@pytest.mark.parametrize("name", names())
def test_every_problem_is_an_evaluator_with_a_name_and_no_gold(name: str) -> None:
    made = problem(name)
    assert isinstance(made, Problem)
    assert isinstance(made, Evaluator)
    assert made.name == name == made.task.id
    assert made.task.verifier is None


def test_random_search_counts_what_failed_and_needs_draws() -> None:
    regression = problem("linear-regression/0")
    curve = random_search(regression, 20, 1)
    assert len(curve) == 20
    assert curve == sorted(curve, reverse=True)
    assert curve == random_search(regression, 20, 1) != random_search(regression, 20, 2)

    class Alone(Measured):
        name = "alone"
        task = Task("?")

        def measure(self, candidate: str) -> Score:
            return Score(0.5, scores=(1.0,))

        def report(self, answer: str) -> dict[str, object]:
            return {}

        def classical(self, evaluations: int, seed: int) -> list[float]:
            return [1.0] * evaluations

    assert not isinstance(Alone(), Sampled)
    with pytest.raises(TypeError, match="draws no candidates"):
        random_search(Alone(), 3, 0)


@pytest.mark.parametrize(
    ("score", "wrong"),
    [
        (Score(0.5), "gives no objective"),
        (Score(0.5, scores=(1.0, math.nan)), "not a finite number"),
        (Score(0.5, scores=(math.inf,)), "not a finite number"),
        (Score(2.0, scores=(2.0,)), "2.0, not in \\[0, 1\\]"),
        (Score(math.nan, scores=(2.0,)), "nan, not in \\[0, 1\\]"),
    ],
)
def test_what_search_cannot_go_by_is_a_failed_measurement(score: Score, wrong: str) -> None:
    with pytest.raises(ScoreError, match=wrong):
        checked(score)


def test_a_problem_that_cannot_be_measured_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    law = problem("symbolic/kepler")
    check_ready(law)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtra, match="measuring candidates of symbolic/kepler needs"):
        check_ready(law)
