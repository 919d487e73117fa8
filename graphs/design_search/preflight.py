"""What one evaluation of the seed design costs, measured on a few training examples, and what a budget then allows.

The examples are run for real and kept, so that a search that meets them again pays nothing. A budget that could not pay
one evaluation is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs.design_search.evaluator import DesignEvaluator, Evaluation
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import Usage

PROBED = 2
"""Training examples that the seed is measured on."""
OWNER = "preflight"
FINAL_SHARE = 1 / 3
"""Most of a cap that is kept for the final designs on the test part."""
FINAL_TIMES = 7
"""The final designs cost so many times the seed on the test part, so far as is known before: the seed once, the winner
and the seed at the winner's cost three times each."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a search will cost.

    Attributes:
        examples: How many were run.
        usage: What they cost.
        tokens: Tokens an example of the seed design, and `calls` calls.
        evaluation_tokens: Tokens of one evaluation of the seed on the validation part, and `evaluation_calls` calls.
        evaluations: Such evaluations that the search's budget allows; `None` where nothing limits them.
        search: The caps of the search; what is left of the whole is for the test part.
    """

    examples: int
    usage: Usage
    tokens: float
    calls: float
    evaluation_tokens: int
    evaluation_calls: int
    evaluations: int | None
    search: Budget

    def said(self) -> str:
        """One line."""
        allowed = "any number" if self.evaluations is None else f"about {self.evaluations}"
        return (
            f"one evaluation of the seed takes about {self.evaluation_tokens} tokens in {self.evaluation_calls} calls; "
            f"the budget allows {allowed} of them"
        )

    def to_json(self) -> dict[str, Any]:
        """As the report holds it."""
        return asdict(self)


async def preflight(
    evaluator: DesignEvaluator, seed: Blueprint, budget: Budget, validation: int, test: int
) -> Preflight:
    """Measure the seed design on a few training examples.

    Args:
        evaluator: What runs designs.
        seed: The seed design.
        budget: The caps of the search and the final test together.
        validation: Examples of the validation part.
        test: Examples of the test part.

    Raises:
        BadInput: The budget cannot pay one evaluation of the seed, or the seed comes to nothing on an example.
        ModelError: The model cannot be reached or refuses.
    """
    tasks = evaluator.splits.train[:PROBED]
    done = await _measured(evaluator, seed, tasks, budget)
    usage = sum((made.usage for made in done.made), Usage())
    tokens, calls = usage.tokens / len(tasks), usage.calls / len(tasks)
    count = validation + evaluator.told
    one = Usage(math.ceil(calls * count), 0, math.ceil(tokens * count), 0, _times(usage.usd, count, tasks))
    final = _times(usage.usd, FINAL_TIMES * test, tasks)
    kept = Usage(math.ceil(FINAL_TIMES * calls * test), 0, math.ceil(FINAL_TIMES * tokens * test), 0, final)
    search = _less(budget, usage, kept)
    allowed = _allowed(search, one)
    if allowed == 0:
        raise BadInput(
            f"the budget cannot pay one evaluation of the seed design: that takes about {one.tokens} tokens in "
            f"{one.calls} calls on {count} examples, and a third of the budget may be kept for the "
            f"test; give at least {math.ceil(1.5 * one.tokens) + usage.tokens} tokens, or fewer tasks"
        )
    return Preflight(len(tasks), usage, tokens, calls, one.tokens, one.calls, allowed, search)


async def _measured(evaluator: DesignEvaluator, seed: Blueprint, tasks: Sequence[Task], budget: Budget) -> Evaluation:
    try:
        return await evaluator.evaluate(seed, tasks, Ledger(budget), OWNER)
    except BudgetRefused as error:
        raise BadInput(_too_small(error.cap, "one example")) from error
    except ScoreError as error:
        if isinstance(error.__cause__, ModelError):
            raise error.__cause__ from error
        if isinstance(error.__cause__, BudgetRefused):
            raise BadInput(_too_small(error.__cause__.cap, f"{len(tasks)} examples")) from error
        raise BadInput(f"the seed design cannot be measured: {error}") from error


def _too_small(cap: str, what: str) -> str:
    return f"the budget's cap on {cap} does not pay {what} of the seed design: give more"


def _times(usd: float | None, examples: int, tasks: Sequence[Task]) -> float | None:
    return None if usd is None else usd / len(tasks) * examples


def _less(budget: Budget, spent: Usage, kept: Usage) -> Budget:
    """The caps without what was spent, and without what is kept for the end, at most a share of each."""

    def cap(whole: float | None, gone: float | None, wanted: float | None) -> float | None:
        if whole is None:
            return None
        left = max(0.0, whole - (gone or 0.0))
        return left - min(left * FINAL_SHARE, left * FINAL_SHARE if wanted is None else wanted)

    calls, tokens = cap(budget.calls, spent.calls, kept.calls), cap(budget.tokens, spent.tokens, kept.tokens)
    return Budget(
        calls=None if calls is None else int(calls),
        tokens=None if tokens is None else int(tokens),
        usd=cap(budget.usd, spent.usd, kept.usd),
        seconds=None if budget.seconds is None else budget.seconds * (1 - FINAL_SHARE),
    )


def _allowed(search: Budget, one: Usage) -> int | None:
    counts = [
        int(cap // cost)
        for cap, cost in ((search.calls, one.calls), (search.tokens, one.tokens), (search.usd, one.usd))
        if cap is not None and cost
    ]
    return min(counts, default=None)
