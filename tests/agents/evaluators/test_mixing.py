"""LATS's value: an evaluator and self-consistency, `V = lambda * LM + (1 - lambda) * SC` (arXiv 2310.04406)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.agents.evaluators.rig import Evaluated, a_run, always, scored, step
from tests.support.virtual_time import run_virtually

from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators import (
    DifficultyEvaluator,
    Evaluator,
    FunctionEvaluator,
    GroupEvaluator,
    JudgeEvaluator,
    PairwiseEvaluator,
    ScoreError,
    ValueEvaluator,
    choose,
    choose_all,
)
from reflectree.agents.evaluators.mixing import mixed, self_consistency
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Enriched, Grown, Pruned
from reflectree.rlm_ops.settings import Evaluate, Generate
from reflectree.rlm_ops.step import Path

COMMANDS = ("go north", "go south", "'go north'.", "look", "go north")


def acting(*commands: str) -> list[Grown]:
    """Samples of one state, as a policy writes them; the first was carried out, and its repetitions were pruned."""
    return [step(f"Thought: {number}.\nAction: {command}") for number, command in enumerate(commands)]


def half(path: Path) -> float:
    return 0.5


def test_the_same_command_counts_however_it_is_thought_written_or_pruned() -> None:
    carried_out = Enriched(node=1, text="Thought: 0.\nAction: go north\nObservation: You are in\n| Action: look")
    structure = a_run(always(""), *acting(*COMMANDS), carried_out, Pruned(nodes=(3, 5))).structure
    assert [self_consistency(structure, node) for node in range(1, 6)] == [0.6, 0.2, 0.6, 0.2, 0.6]


def test_answers_agree_by_what_they_come_to_and_words_by_words() -> None:
    said = [step("So 42", answer="42"), step("7 * 6", answer="42.0"), step("42"), step("Six  times"), step("six times")]
    structure = a_run(always(""), *said).structure
    assert [self_consistency(structure, node) for node in range(1, 6)] == [0.4, 0.4, 0.2, 0.4, 0.4]


def test_the_root_is_no_sample_and_other_states_do_not_count() -> None:
    structure = a_run(always(""), step("a"), step("b"), step("b", under=1)).structure
    assert self_consistency(structure, 0) is None
    assert [self_consistency(structure, node) for node in (1, 2, 3)] == [0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    ("consistency", "node", "value"),
    [(0.5, 1, 0.466667), (0.5, 2, 0.266667), (0.2, 1, 0.386667), (0.2, 4, 0.306667), (0.0, 1, 0.333333)],
)
def test_the_value_is_the_papers_mixture(consistency: float, node: int, value: float) -> None:
    """A judge's 4 of 10 is 1/3; three of five samples say `go north`, one each `go south` and `look`."""
    run = a_run(always("Score: 4"), *acting(*COMMANDS))
    assert scored(mixed(JudgeEvaluator(), consistency), run, node).value == pytest.approx(value, abs=1e-6)


def test_the_note_has_both_parts_and_the_bill_is_the_judges() -> None:
    policy = always('{"reason": "north is home", "score": 4}')
    score = scored(mixed(JudgeEvaluator(), 0.5), a_run(policy, *acting(*COMMANDS)), 1)
    assert score.note == "0.33, and 0.60 of the samples say so: north is home"
    assert (score.usage.calls, len(policy.requests)) == (1, 1)


def test_agreement_makes_nobody_certain_and_a_check_stays_certain() -> None:
    said = [step("x", answer="42"), step("y", answer="42"), step("a", under=0)]
    run = a_run(always("Score: 10"), *said)
    assert scored(mixed(FunctionEvaluator(lambda path: 1.0), 0.5), run, 1).value == 1.0
    assert scored(mixed(FunctionEvaluator(lambda path: 1.0), 0.5), run, 3).value == pytest.approx(2 / 3)
    alone = a_run(always("Score: 10"), step("x", answer="42"))
    assert scored(mixed(JudgeEvaluator(), 0.5), alone, 1).value == 0.99


class Model:
    name = "known"

    async def score(self, paths: Sequence[Path]) -> list[float]:
        return [2.0 if "south" in path.text else 0.5 for path in paths]

    async def aclose(self) -> None:
        pass


def test_a_batch_is_scored_together_and_what_is_no_score_stays_none() -> None:
    run = a_run(always(""), *acting(*COMMANDS))
    evaluator = mixed(ValueEvaluator(Model()), 0.5)
    assert isinstance(evaluator, GroupEvaluator)
    nodes = (1, 2, 4)
    calls, paths = [Call("evaluate", (node,)) for node in nodes], [run.structure.path(node) for node in nodes]
    first, second, third = run_virtually(evaluator.score_group(paths, calls, run))
    assert isinstance(second, ScoreError)
    assert [getattr(first, "value", None), getattr(third, "value", None)] == [0.55, 0.35]


def test_a_function_is_mixed_by_the_agent_in_a_slot_of_its_own() -> None:
    agent = EvaluatorAgent(mixed(FunctionEvaluator(half), 0.5))
    assert not agent.local
    run = a_run(always(""), *acting(*COMMANDS))
    (event,) = run_virtually(agent.carry_out([Call("evaluate", (1,))], run))
    assert isinstance(event, Evaluated)
    assert (event.value, event.source) == (0.55, "function+consistency")


def test_a_comparison_of_two_is_not_mixed() -> None:
    run = a_run(always("Better: A"), *acting(*COMMANDS))
    plain, both = PairwiseEvaluator(), mixed(PairwiseEvaluator(), 0.5)
    assert getattr(both, "compares", False)
    assert scored(both, run, 1, against=2) == scored(plain, run, 1, against=2)


def test_without_the_setting_and_for_observations_nothing_is_mixed() -> None:
    judge, observer = JudgeEvaluator(), DifficultyEvaluator()
    assert mixed(judge, 0.0) is judge
    assert mixed(observer, 0.5) is observer


def test_the_setting_mixes_what_is_chosen_and_what_is_given() -> None:
    settings = Evaluate(consistency=0.2, variants={"alone": {"consistency": 0.0}, "hard": {"kind": "difficulty"}})

    def sources(given: object) -> dict[str, str]:
        chosen = choose_all(settings, Generate(), given, None, oracle=False, models={})
        return {how: evaluator.source for how, evaluator in chosen.items()}

    assert sources(None) == {"": "judge+consistency", "alone": "judge", "hard": "difficulty"}
    assert sources(half) == {"": "function+consistency", "alone": "function", "hard": "difficulty"}
    plain: Evaluator = choose(settings, Generate(), None, None, oracle=False)
    assert plain.source == "judge+consistency"
