from __future__ import annotations

import json
from random import Random
from statistics import fmean

import pytest

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs.discovery.base import Problem, Sampled, random_search
from reflectree.graphs.embodied import reaction
from reflectree.graphs.embodied.reaction import Reaction, reaction_problem
from reflectree.graphs.embodied.reaction_baselines import bayesian, best_so_far
from reflectree.graphs.embodied.reaction_surface import (
    CHOICES,
    EXAMPLE,
    Conditions,
    ConditionsError,
    Surface,
    normalised_advantage,
)
from reflectree.rlm_ops.errors import BadInput


def test_the_normalised_advantage_is_coscientists() -> None:
    assert normalised_advantage(80, 50, 95) == pytest.approx(0.666667, abs=1e-6)
    assert normalised_advantage(50, 50, 95) == 0.0
    assert normalised_advantage(20, 50, 95) == pytest.approx(-0.666667, abs=1e-6)
    with pytest.raises(ValueError, match="above the mean"):
        normalised_advantage(1, 2, 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_no_random_conditions_are_above_the_summit(seed: int) -> None:
    surface, random = Surface(seed), Random(5)
    drawn = [surface.true(Conditions.drawn(random)) for _ in range(2000)]
    assert max(drawn) < surface.highest
    assert 90 < surface.highest <= 100
    assert fmean(drawn) == pytest.approx(surface.mean, abs=1.0)
    assert surface.advantage(surface.best) == 1.0


def test_the_surface_is_smooth_and_has_several_summits() -> None:
    surface = Surface(0)
    best = surface.best
    near = Conditions.of({**json.loads(str(best)), "temperature": best.temperature + 1})
    assert 0 < surface.highest - surface.true(near) < 2
    summits = {str(surface._climbed([column[at] for column in surface._grid[0]])) for at in range(0, 144_000, 8_000)}
    assert len(summits) >= 2


def test_a_measurement_has_the_noise_of_its_conditions() -> None:
    surface, random = Surface(2), Random(0)
    drawn = [Conditions.drawn(random) for _ in range(300)]
    wrong = [surface.measured(at) - surface.true(at) for at in drawn if surface.true(at) > 5]
    assert [surface.measured(at) for at in drawn] == [surface.measured(at) for at in drawn]
    assert fmean(error * error for error in wrong) ** 0.5 == pytest.approx(1.5, abs=0.4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("80 degrees", "as a JSON object"),
        ("[" * 100_000, "as a JSON object"),
        ("[1]", "as a JSON object"),
        ('{"catalyst": "Pd(OAc)2"}', "give exactly catalyst, base"),
        (EXAMPLE.replace("DMF", "DMSO"), "solvent 'DMSO' is not in stock: there are dioxane"),
        (EXAMPLE.replace("80", "800"), "temperature must be a number from 20 to 140, not 800"),
        (EXAMPLE.replace("80", "true"), "temperature must be a number"),
        (EXAMPLE.replace("80", "NaN"), "temperature must be a number"),
        (EXAMPLE.replace('"DMF"', '["DMF"]'), "not in stock"),
    ],
)
def test_what_the_apparatus_cannot_be_set_to(text: str, message: str) -> None:
    with pytest.raises(ConditionsError, match=message.replace("(", r"\(")):
        Conditions.read(text)


def test_settings_are_rounded_to_what_the_apparatus_can_do() -> None:
    at = Conditions.read(EXAMPLE.replace("80", "80.4").replace('"time": 6', '"time": 6.04').replace("1.5}", "1.52}"))
    assert (at.temperature, at.time, at.equivalents) == (80.0, 6.0, 1.5)
    assert Conditions.read(str(at)) == at


def test_an_experiment_shows_its_yield_and_counts_and_a_wrong_one_does_neither() -> None:
    env = Reaction(3, experiments=2)
    assert env.name == "reaction/3/2"
    env.reset()
    seen = env.step("run nothing")
    assert (seen.valid, seen.text.startswith("The experiment was not run: give the conditions")) == (False, True)
    seen = env.step(f"run {EXAMPLE}")
    measured = env.surface.measured(Conditions.read(EXAMPLE))
    assert seen.text == f"Yield: {measured} %. Experiments left: 1."
    assert seen.score == max(0.0, env.surface.advantage(Conditions.read(EXAMPLE)))
    last = env.step(f"run {env.surface.best}")
    assert (last.done, last.score) == (True, 1.0)


def test_gold_is_neither_in_the_task_nor_in_what_is_seen() -> None:
    env = Reaction(0)
    shown = " ".join([env.task.prose, env.reset().text, env.step(f"run {EXAMPLE}").text])
    assert f"{env.surface.highest:.1f}" not in shown
    assert str(env.surface.best) not in shown


def test_the_problem_is_one_of_discovery() -> None:
    problem = reaction_problem(1)
    assert isinstance(problem, Problem)
    assert isinstance(problem, Sampled)
    assert (problem.name, problem.sense, problem.task.id) == ("reaction/1", "max", "reaction/1")
    score = problem.measure(EXAMPLE)
    assert score.scores == (Surface(1).measured(Conditions.read(EXAMPLE)),)
    assert score.value == pytest.approx(score.scores[0] / 100)
    best = problem.report(str(problem.surface.best))
    assert (best["yield"], best["advantage"]) == (best["highest"], 1.0)
    with pytest.raises(ScoreError, match="JSON object"):
        problem.measure("hot and long")


def test_variations_of_a_candidate_are_candidates_near_it() -> None:
    problem, random = reaction_problem(0), Random(1)
    start = json.loads(EXAMPLE)
    for _ in range(50):
        varied = json.loads(problem.vary(["nonsense", EXAMPLE], random))
        assert sum(varied[name] != start[name] for name in start) <= 2
    assert problem.measure(problem.vary([], random)).scores[0] >= 0
    assert len(random_search(problem, 5, seed=0)) == 5


@pytest.mark.slow
def test_bayesian_optimisation_is_reproducible_and_goes_on_from_random_experiments() -> None:
    pytest.importorskip("skopt")
    surface = Surface(2)
    run = bayesian(surface, 16, seed=0)
    assert run == bayesian(surface, 16, seed=0)
    assert best_so_far(surface, run) == reaction_problem(2).classical(16, seed=0)
    curve = best_so_far(surface, run)
    assert curve[-1] >= curve[7] == max(surface.measured(conditions) for conditions in run[:8])


@pytest.mark.parametrize("rest", ["", "x", "1/0", "1/x"])
def test_a_name_that_is_none(rest: str) -> None:
    with pytest.raises(BadInput, match="reaction/"):
        reaction.environment(rest)


def test_every_choice_is_in_the_task() -> None:
    words = Reaction(0).task.context
    assert all(choice in words for known in CHOICES.values() for choice in known)
