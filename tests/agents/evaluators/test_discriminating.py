from __future__ import annotations

from random import Random

import pytest
from tests.agents.evaluators.rig import a_run, always, says, scored, step

from reflectree.agents.evaluators import DiscriminateEvaluator, ScoreError
from reflectree.agents.evaluators.discriminating import masked
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task

ANSWER = step("So it is 42.\nAnswer: 42", under=2, answer="42")


def of(policy: ScriptedPolicy, repeats: int = 1, discriminator: ScriptedPolicy | None = None) -> float:
    roles = {} if discriminator is None else {"discriminator": discriminator}
    run = a_run(policy, step("6 * 7"), step("6 * 7 = 42", under=1), ANSWER, budget=None, **roles)
    return scored(DiscriminateEvaluator(Evaluate(repeats=repeats)), run, 3).value


def test_another_model_completes_the_first_part_and_agrees_or_not() -> None:
    policy, other = always("Answer: 41"), always("Answer: 42.0")
    assert of(policy, discriminator=other) == 1.0
    assert policy.requests == []
    (request,) = other.requests
    assert request.prefill in ("6 * 7\n", "6 * 7\n6 * 7 = 42\n")
    assert of(policy) == 0.0
    assert DiscriminateEvaluator().aside


def test_repeats_give_the_share_that_agrees_of_those_that_answer() -> None:
    policy = says("Answer: 42", "Answer: 3", "hm", "Answer: 42", "hm")
    assert of(policy, 4) == pytest.approx(2 / 3)
    assert policy.requests[0].temperature == 0.7


def test_nothing_to_agree_with_is_neutral() -> None:
    policy = always("Answer: 42")
    assert scored(DiscriminateEvaluator(), a_run(policy), 1).value == 0.5
    assert policy.requests == []
    with pytest.raises(ScoreError):
        of(always("hm"))


def test_about_half_is_masked_by_the_seed_and_never_less_than_the_answer() -> None:
    steps = (*(Step(f"step {number}") for number in range(9)), Step("Answer: 1", answer="1"))
    path = Path(Task("?"), steps)
    kept = {len(masked(path, Random(seed)).steps) for seed in range(200)}
    assert kept == {3, 4, 5, 6, 7}
    assert masked(path, Random(5)) == masked(path, Random(5))
    assert masked(path, Random(5)).steps == steps[: len(masked(path, Random(5)).steps)]


def test_a_whole_solution_is_cut_between_its_lines() -> None:
    text = "one\ntwo\nthree\nAnswer: 4"
    for seed in range(50):
        shown = masked(Path(Task("?"), (Step(text, "solution", "terminal", "4"),)), Random(seed))
        assert shown.text in ("one", "one\ntwo", "one\ntwo\nthree")
    assert masked(Path(Task("?"), (Step("Answer: 4", answer="4"),)), Random(0)).steps == ()
    assert masked(Path(Task("?"), (Step("Answer: 4\nAnswer: 4\nAnswer: 4", answer="4"),)), Random(0)).steps == ()
