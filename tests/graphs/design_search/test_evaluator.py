"""Designs are scored by nested runs on the search's account; no settled example is paid twice."""

import asyncio

import pytest

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs import blueprints
from reflectree.graphs.design_search import families as family
from reflectree.graphs.design_search.cache import Cache
from reflectree.graphs.design_search.evaluator import DesignEvaluator, batch
from reflectree.graphs.design_search.examples import Bench, Examples
from reflectree.graphs.design_search.splits import Splits, example_id
from reflectree.models.calling import Retries
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelRejected, VerifierError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE

COT = blueprints.load("cot")
HINTED = COT.with_overrides({"operators.generate.instruction": family.HINT})
QUICK = Retries(attempts=2, first_wait=0.001, longest_wait=0.001)


def evaluator(model: ScriptedPolicy, tasks: list[Task] | None = None, cache: Cache | None = None) -> DesignEvaluator:
    all_tasks = tasks or family.tasks(24)
    splits = Splits.given(all_tasks[:8], all_tasks[8:16], all_tasks[16:])
    bench = Bench({"policy": model}, width=4, retries=QUICK)
    return DesignEvaluator(splits, Examples(bench, Cache() if cache is None else cache), minibatch=3)


async def test_a_better_design_scores_higher_and_its_bill_is_the_accounts() -> None:
    scoring, account = evaluator(family.model("prompt"), family.tasks(60)), Ledger(Budget())
    plain = await scoring.evaluate(COT, scoring.splits.test.finalise("x"), account, "a")
    hinted = await scoring.evaluate(HINTED, scoring.splits.test.finalise("x"), account, "b")
    assert hinted.mean > plain.mean + 0.2
    assert account.spent == plain.usage + hinted.usage
    assert account.spent.calls == 88


async def test_what_is_known_is_not_paid_again() -> None:
    model = family.model("prompt")
    scoring, account = evaluator(model), Ledger(Budget())
    first = await scoring.evaluate(COT, scoring.splits.validation, account, "a")
    again = await scoring.evaluate(COT, scoring.splits.validation, account, "b")
    assert again.scores == first.scores
    assert again.usage == NO_USAGE
    assert model.samples == 8


async def test_two_that_ask_at_once_pay_once() -> None:
    model = family.model("prompt", latency=0.01)
    scoring, account = evaluator(model), Ledger(Budget())
    tasks = scoring.splits.validation
    one, two = await asyncio.gather(*(scoring.evaluate(COT, tasks, account, owner) for owner in "ab"))
    assert model.samples == 8
    assert one.scores == two.scores
    assert one.usage + two.usage == account.spent
    assert model.max_in_flight <= 4


async def test_what_an_evaluation_paid_before_it_was_killed_is_on_its_bill_and_no_other() -> None:
    model, cache = family.model("prompt"), Cache()
    before = evaluator(model, cache=cache)
    await before.evaluate(COT, before.splits.validation[:5], Ledger(Budget()), "evaluate-1-0")
    account = Ledger(Budget())
    after = evaluator(model, cache=cache)
    done = await after.evaluate(COT, after.splits.validation, account, "evaluate-1-0")
    assert model.samples == 8
    assert done.usage.calls == 8
    assert account.spent == done.usage


async def test_minibatches_are_the_same_for_all_designs_and_cover_the_part() -> None:
    scoring = evaluator(family.model("prompt"))
    assert scoring.part("minibatch:4") == scoring.part("minibatch:4")
    seen = {task.id for number in range(2) for task in scoring.part(f"minibatch:{number}")}
    assert len(seen) == 6
    assert seen <= {task.id for task in scoring.splits.train}
    assert set(scoring.part("sample:1")) <= set(scoring.splits.validation)
    assert scoring.part("train") == scoring.splits.train
    assert scoring.part("") == scoring.splits.validation
    assert scoring.of("minibatch:1").aside
    assert not scoring.of("").aside
    with pytest.raises(BadInput, match="a design is evaluated on"):
        scoring.of("test")


def test_a_batch_larger_than_the_part_is_the_part() -> None:
    tasks = family.tasks(3)
    assert batch(tasks, 8, 5, 0) == tuple(tasks)


async def test_an_example_for_which_the_budget_does_not_reach_fails_the_evaluation_and_is_no_zero() -> None:
    model = family.model("prompt")
    scoring = evaluator(model)
    with pytest.raises(ScoreError, match=r"budget of calls did not reach|cap on calls") as caught:
        await scoring.evaluate(COT, scoring.splits.validation, Ledger(Budget(calls=5)), "a")
    assert caught.value.usage.calls == 5
    assert len(scoring.examples.cache) == 5
    with pytest.raises(BudgetRefused):
        await scoring.evaluate(COT, scoring.splits.validation, Ledger(Budget(calls=0)), "z")
    done = await scoring.evaluate(COT, scoring.splits.validation, Ledger(Budget()), "b")
    assert done.usage.calls == 3
    assert model.samples == 8


async def test_a_model_that_refuses_fails_the_evaluation() -> None:
    scoring = evaluator(ScriptedPolicy(lambda request, index: ModelRejected("no such key", 401)))
    with pytest.raises((ModelRejected, ScoreError), match="no such key"):
        await scoring.evaluate(COT, scoring.splits.validation, Ledger(Budget()), "a")
    assert len(scoring.examples.cache) == 0


async def test_empty_replies_are_no_wrong_answers() -> None:
    scoring = evaluator(ScriptedPolicy(""))
    with pytest.raises(ScoreError, match="no reply could be used"):
        await scoring.evaluate(COT, scoring.splits.validation, Ledger(Budget()), "a")


async def test_a_verifier_in_trouble_is_no_wrong_answer() -> None:
    class Broken:
        name, gold = "broken", True

        def score(self, answer: str) -> float:
            raise VerifierError("out of time")

    tasks = [Task(f"Riddle {n} of stars: what?", verifier=Broken()) for n in range(24)]
    scoring = evaluator(family.model("prompt"), tasks)
    with pytest.raises(ScoreError, match="the verifier could not judge"):
        await scoring.evaluate(COT, scoring.splits.validation, Ledger(Budget()), "a")


async def test_gold_reaches_no_request() -> None:
    model = family.model("prompt")
    scoring = evaluator(model)
    await scoring.evaluate(COT, scoring.splits.validation, Ledger(Budget()), "a")
    number = {example_id(task): str(family.answer_of(int(task.id.split("-")[1]))) for task in scoring.splits.validation}
    told = [message.content.replace(task.question, "") for request in model.requests
            for message in request.messages for task in scoring.splits.validation]  # fmt: skip
    assert number
    assert not any(f"Answer: {gold}" in text for text in told for gold in number.values())
