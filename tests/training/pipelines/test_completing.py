"""Completions: asked for after the prefix, split into steps, judged, seeded by the prefix."""

from __future__ import annotations

from typing import Any

import pytest

from reflectree.models.calling import Caller, Retries
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BudgetRefused, TransientModelError, VerifierError
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task
from reflectree.training.labels.source import Completion
from reflectree.training.pipelines.completing import completer

TASK = Task("How many sheep are left of six when two go?")
PATH = Path(TASK, (Step("There are six sheep."),))


def worth(answer: str) -> float:
    if answer == "?":
        raise VerifierError("cannot judge it")
    return float(answer == "4")


def asked(replies: Any, *, budget: Budget | None = None) -> tuple[ScriptedPolicy, Any]:
    policy = ScriptedPolicy(replies)
    caller = Caller(policy, Ledger(budget or Budget()), Retries(2, 0.01, 0.01))
    return policy, completer(caller, Generate(max_tokens=20, temperature=0.7), worth, seed=5)


async def test_the_rest_of_a_solution_is_its_steps_and_what_they_are_worth() -> None:
    policy, complete = asked(["Two go.\nAnswer: 4", "Three go.\n\nSo it is:\nAnswer: 3"])
    assert await complete(PATH, 2) == [
        Completion(("Two go.", "Answer: 4"), "4", 1.0),
        Completion(("Three go.", "So it is:", "Answer: 3"), "3", 0.0),
    ]
    (request,) = policy.requests
    assert (request.n, request.path, request.temperature, request.stop) == (2, PATH, 0.7, ())
    assert request.max_tokens == 512
    assert request.prefill == "There are six sheep.\n"


async def test_what_cannot_be_judged_or_used_is_left_out_and_not_wrong() -> None:
    _, complete = asked(["Answer: ?", "", "Answer: 4", "", ""])
    assert [made.reward for made in await complete(PATH, 3)] == [1.0]
    _, nothing = asked([""] * 8)
    with pytest.raises(TransientModelError, match="wrote nothing usable after 1 steps"):
        await nothing(PATH, 2)


async def test_equal_prefixes_of_equal_runs_are_seeded_alike() -> None:
    policy, complete = asked("Answer: 4")
    for path in (PATH, PATH, Path(TASK)):
        await complete(path, 1)
    first, second, other = (request.seed for request in policy.requests)
    assert first == second != other


async def test_the_account_is_kept() -> None:
    policy, complete = asked("Answer: 4", budget=Budget(calls=1))
    await complete(PATH, 4)
    with pytest.raises(BudgetRefused):
        await complete(PATH, 4)
    assert len(policy.requests) == 1
