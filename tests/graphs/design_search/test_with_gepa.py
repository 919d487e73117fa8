from __future__ import annotations

import pytest

from reflectree.graphs.design_search.splits import SealedTest, Splits
from reflectree.graphs.design_search.with_gepa import Optimised, optimise
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

SEED = {
    "name": "seed",
    "scheme": {"structure": "tree", "granularity": "solution", "strategy": {"name": "cot"}},
    "operators": {"generate": {"instruction": "Guess."}},
    "selection": "majority",
}


def task(number: int) -> Task:
    return Task(f"What is {number} plus 1?", verifier=verifiers.numeric(number + 1))


SPLITS = Splits(
    train=tuple(task(n) for n in range(6)),
    validation=tuple(task(n) for n in range(10, 16)),
    test=SealedTest([task(99)]),
)


def solving(request: Request, index: int) -> str:
    """Right where the instruction says to count, else only for even numbers."""
    text = request.messages[-1].content
    number = int(text.partition("What is ")[2].partition(" ")[0])
    return f"Answer: {number + 1 if 'Count' in text or number % 2 == 0 else 0}"


class Reflecting(ScriptedPolicy):
    """Writes the better instruction, in the block that GEPA reads."""

    def __init__(self) -> None:
        super().__init__("```\nCount one further.\n```", name="reflecting")


def run(reflection: ScriptedPolicy, **options: object) -> Optimised:
    return optimise(SEED, SPLITS, policy=ScriptedPolicy(solving), reflection=reflection, **options)  # type: ignore[arg-type]


def test_gepa_improves_an_instruction() -> None:
    reflection = Reflecting()
    done = run(reflection, metric_calls=60)
    assert done.value == 1.0
    assert done.components["operators.generate.instruction"] == "Count one further."
    assert done.design.operators.generate.instruction == "Count one further."
    assert done.result.val_aggregate_scores[0] == 0.5
    assert done.stop_reason == "metric_calls"
    assert done.usage.calls >= len(reflection.requests) > 0
    asked = reflection.requests[0].messages[-1].content
    assert "Guess." in asked
    assert "wrong" in asked
    assert not any(f"{n + 1}" in asked.split("What is")[-1] for n in (99,)), "the test part is sealed"


def test_an_instruction_that_is_not_allowed_is_not_taken() -> None:
    done = run(ScriptedPolicy("```\n" + "x" * 5000 + "\n```"), metric_calls=30)
    assert done.components["operators.generate.instruction"] == "Guess."
    assert done.value == 0.5


def test_a_budget_ends_it_with_the_best_so_far() -> None:
    done = run(Reflecting(), metric_calls=500, budget=Budget(calls=10))
    assert done.usage.calls <= 10
    assert done.stop_reason == "budget:calls"
    assert done.value == 0.5
    with pytest.raises(BadInput, match="before the seed design"):
        run(Reflecting(), budget=Budget(calls=1))
