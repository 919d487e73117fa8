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
    tokens, calls, usd = usage.tokens / len(tasks), usage.calls / len(tasks), (usage.usd or 0.0) / len(tasks)
    count = validation + evaluator.told
    one = Budget(math.ceil(calls * count), math.ceil(tokens * count), usd * count)
    spare = Budget(0, int(evaluator.examples.bound("tokens")), evaluator.examples.bound("usd"))
    final = FINAL_TIMES * test
    kept = Budget(math.ceil(calls * final), math.ceil(tokens * final), usd * final)
    search = _less(rest(budget, done.usage), kept, spare)
    allowed = _allowed(search, one, spare)
    if allowed == 0:
        raise BadInput(_refusal(budget, one, spare, done.usage, count))
    return Preflight(len(tasks), done.usage, tokens, calls, one.tokens or 0, one.calls or 0, allowed, search)


def rest(budget: Budget, spent: Usage) -> Budget:
    """What a budget still allows; seconds are left as they are."""
    return Budget(
        calls=None if budget.calls is None else max(0, budget.calls - spent.calls),
        tokens=None if budget.tokens is None else max(0, budget.tokens - spent.tokens),
        usd=None if budget.usd is None else max(0.0, budget.usd - (spent.usd or 0.0)),
        seconds=budget.seconds,
    )


async def _measured(evaluator: DesignEvaluator, seed: Blueprint, tasks: Sequence[Task], budget: Budget) -> Evaluation:
    try:
        return await evaluator.evaluate(seed, tasks, Ledger(budget), OWNER)
    except BudgetRefused as error:
        raise BadInput(_too_small(evaluator, error.cap, "one example")) from error
    except ScoreError as error:
        if isinstance(error.__cause__, ModelError):
            raise error.__cause__ from error
        if isinstance(error.__cause__, BudgetRefused):
            raise BadInput(_too_small(evaluator, error.__cause__.cap, f"{len(tasks)} examples")) from error
        raise BadInput(f"the seed design cannot be measured: {error}") from error


def _too_small(evaluator: DesignEvaluator, cap: str, what: str) -> str:
    held = evaluator.examples.bound(cap)
    why = f", and a call holds up to {held:.4g} {cap} until it is answered" if held else ""
    return f"the budget's cap on {cap} does not pay {what} of the seed design{why}: give more"


def _refusal(budget: Budget, one: Budget, spare: Budget, spent: Usage, count: int) -> str:
    wanted = []
    for cap, word in (("tokens", "tokens"), ("calls", "calls"), ("usd", "dollars")):
        if getattr(budget, cap) is not None:
            least = (getattr(one, cap) + getattr(spare, cap)) * 1.5 + (getattr(spent, cap) or 0)
            wanted.append(f"{least:.2g} {word}" if cap == "usd" else f"{math.ceil(least)} {word}")
    return (
        f"the budget cannot pay one evaluation of the seed design: that takes about {one.tokens} tokens in {one.calls} "
        f"calls on {count} examples, a call holds up to {spare.tokens} tokens until it is answered, and a third of the "
        f"budget may be kept for the test; give at least {' and '.join(wanted)}, or fewer tasks"
    )


def _less(left: Budget, kept: Budget, spare: Budget) -> Budget:
    """The caps without what is kept for the end, at most a share of each."""

    def cap(name: str) -> float | None:
        whole = getattr(left, name)
        return None if whole is None else whole - min(whole * FINAL_SHARE, getattr(kept, name) + getattr(spare, name))

    calls, tokens = cap("calls"), cap("tokens")
    return Budget(
        calls=None if calls is None else int(calls),
        tokens=None if tokens is None else int(tokens),
        usd=cap("usd"),
        seconds=None if left.seconds is None else left.seconds * (1 - FINAL_SHARE),
    )


def _allowed(search: Budget, one: Budget, spare: Budget) -> int | None:
    """Evaluations that the caps of a search allow."""
    counts = [
        max(0, int((getattr(search, cap) - getattr(spare, cap)) // getattr(one, cap)))
        for cap in ("calls", "tokens", "usd")
        if getattr(search, cap) is not None and getattr(one, cap)
    ]
    return min(counts, default=None)
