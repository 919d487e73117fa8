from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import pytest
from tests.agents.evaluators.rig import a_run, always, answering, asked, says, scored, step
from tests.support.virtual_time import run_virtually

from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators import ScoreError, pairwise
from reflectree.agents.evaluators.comparing import preference_in
from reflectree.models.base import Choice
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelUnreachable
from reflectree.rlm_ops.events import Evaluated, Failed, Pruned
from reflectree.rlm_ops.step import Path

GOOD, BAD = step("good"), step("bad")


def shown_in(text: str) -> tuple[str, str]:
    first, second = re.findall(r"Solution [AB]:\n<solution>\n(.*?)\n</solution>", text, re.DOTALL)
    return first, second


def fair(text: str) -> str:
    """Prefers `good`, wherever it stands."""
    return "A" if shown_in(text)[0] == "good" else "B"


def test_both_orders_are_asked() -> None:
    policy = answering(fair)
    run = a_run(policy, GOOD, BAD)
    assert scored(pairwise(), run, 1, against=2).value == 0.99
    assert [shown_in(asked(request)) for request in policy.requests] == [("good", "bad"), ("bad", "good")]
    assert scored(pairwise(), run, 2, against=1).value == 0.0


@pytest.mark.parametrize("place", ["A", "B"])
def test_a_judge_that_only_looks_at_places_prefers_nobody(place: str) -> None:
    run = a_run(always(place), GOOD, BAD)
    assert scored(pairwise(), run, 1, against=2).value == 0.5
    assert scored(pairwise(), run, 2, against=1).value == 0.5


def test_bias_cancels_in_probabilities() -> None:
    """0.9 for the first place and 0.6 for the better one, seen in the first token's log-probability."""
    chances = {("good", "bad"): 0.95, ("bad", "good"): 0.65}

    def biased(text: str) -> Choice:
        return Choice("A", token_logprobs=(math.log(chances[shown_in(text)]),))

    policy = answering(biased)
    score = scored(pairwise(), a_run(policy, GOOD, BAD), 1, against=2)
    assert score.value == pytest.approx((0.95 + 1 - 0.65) / 2)
    assert policy.requests[0].top_logprobs > 1


def test_repeats_are_samples_of_each_order() -> None:
    policy = says("A", "tie", "B", "B")
    score = scored(pairwise(repeats=2), a_run(policy, GOOD, BAD), 1, against=2)
    assert score.value == pytest.approx((0.75 + 1.0) / 2)
    assert [request.n for request in policy.requests] == [2, 2]
    assert score.usage.calls == 2


@pytest.mark.parametrize(
    ("choice", "chance"),
    [
        (Choice("A"), 1.0),
        (Choice(" B"), 0.0),
        (Choice("B.\nBecause it is right."), 0.0),
        (Choice("TIE"), 0.5),
        (Choice("[[B]]"), 0.0),
        (Choice("The second solution is better."), 0.0),
        (Choice('{"better": "A"}'), 1.0),
        (Choice("A better solution would be shorter."), None),
        (Choice(""), None),
        (Choice("A", token_logprobs=(math.log(0.8),)), 0.8),
        (Choice("B", token_logprobs=(math.log(0.8),)), 0.2),
        (Choice("B", token_logprobs=(math.log(0.6),), alternatives=((math.log(0.6), math.log(0.2)),)), 0.25),
        (Choice("A", token_logprobs=(math.log(0.2),), alternatives=((math.log(0.6), math.log(0.2)),)), 0.25),
        (Choice("A", token_logprobs=(-math.inf,)), 1.0),
        (Choice("A", token_logprobs=(math.nan,)), 1.0),
        (Choice("A", token_logprobs=(0.0,), alternatives=((-9999.0,),)), 1.0),
        (Choice("A", token_logprobs=(-3.0,), reasoning="hm"), 1.0),
        (Choice("A better one is B", token_logprobs=(-0.1,)), 0.0),
    ],
)
def test_a_preference_is_read_from_the_letter_else_from_words(choice: Choice, chance: float | None) -> None:
    read = preference_in(choice)
    assert read == (None if chance is None else pytest.approx(chance))


def test_a_call_of_two_nodes_is_a_preference_and_one_node_is_compared_with_its_siblings() -> None:
    policy = answering(fair)
    run = a_run(policy, BAD, GOOD, BAD)
    agent = EvaluatorAgent({"": pairwise()})
    (event,) = run_virtually(agent.carry_out([Call("evaluate", (2, 1), 0, "pair")], run))
    assert isinstance(event, Evaluated)
    assert (event.node, event.against, event.value, event.how, event.source) == (2, 1, 0.99, "pair", "pairwise")
    score = scored(pairwise(), run, 2)
    assert (score.value, score.note) == (0.99, "compared with 2 of its siblings")
    assert score.usage.calls == 4


def test_siblings_out_of_the_search_do_not_count_and_an_only_child_is_neutral() -> None:
    policy = answering(fair)
    run = a_run(policy, GOOD, BAD, Pruned(nodes=(2,)))
    assert scored(pairwise(), run, 1).value == 0.5
    assert policy.requests == []


def test_comparisons_the_structure_knows_are_not_made_again() -> None:
    policy = always("A")
    run = a_run(policy, BAD, GOOD, Evaluated(node=2, against=1, value=0.8))
    assert scored(pairwise(), run, 1).value == pytest.approx(0.2)
    assert policy.requests == []


def test_half_a_comparison_is_no_preference_and_is_paid() -> None:
    with pytest.raises(BudgetRefused):
        scored(pairwise(), a_run(always("A"), GOOD, BAD, budget=Budget(calls=0)), 1, against=2)
    with pytest.raises(ScoreError) as error:
        scored(pairwise(), a_run(always("A"), GOOD, BAD, budget=Budget(calls=1)), 1, against=2)
    assert error.value.usage.calls == 1


def test_a_node_keeps_the_comparisons_that_the_budget_allowed() -> None:
    run = a_run(answering(fair), GOOD, BAD, BAD, budget=Budget(calls=3))
    score = scored(pairwise(), run, 1)
    assert (score.value, score.note, score.usage.calls) == (0.99, "compared with 1 of its siblings", 3)


def test_an_unreadable_reply_is_no_preference() -> None:
    policy: ScriptedPolicy = always("Both have merits that I cannot weigh here")
    with pytest.raises(ScoreError, match="no preference"):
        scored(pairwise(), a_run(policy, GOOD, BAD), 1, against=2)


class Preferences:
    """A preference model that says what it is given to say, and writes down its pairs."""

    name = "preferences"

    def __init__(self, given: Any) -> None:
        self.given = given
        self.pairs: list[list[tuple[str, str]]] = []

    async def prefer(self, pairs: Sequence[tuple[Path, Path]]) -> list[float]:
        self.pairs.append([(first.text, second.text) for first, second in pairs])
        if isinstance(self.given, Exception):
            raise self.given
        return self.given  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        pass


def test_a_preference_model_takes_the_judges_place() -> None:
    model, policy = Preferences([0.9, 0.3]), always("nobody asks")
    evaluator = pairwise(model=model)
    run = a_run(policy, GOOD, BAD)
    assert scored(evaluator, run, 1, against=2).value == pytest.approx(0.8)
    assert scored(evaluator, run, 1).value == pytest.approx(0.8)
    assert model.pairs == [[("good", "bad"), ("bad", "good")]] * 2
    assert (evaluator.source, policy.requests) == ("preference-model", [])


@pytest.mark.parametrize("given", [ModelUnreachable("gone"), [0.5], None, [0.5, math.nan], [0.5, 2.0], [0.5, "x"]])
def test_a_preference_model_that_fails_fails_its_call_alone(given: Any) -> None:
    agent = EvaluatorAgent(pairwise(model=Preferences(given)))
    (event,) = run_virtually(agent.carry_out([Call("evaluate", (1, 2))], a_run(always(""), GOOD, BAD)))
    assert isinstance(event, Failed)


def test_what_is_no_preference_model_is_refused() -> None:
    with pytest.raises(BadInput, match="async def prefer"):
        pairwise(model=object())  # type: ignore[arg-type]
