from __future__ import annotations

import json
from collections.abc import Mapping

from tests.graphs.design_search.methods.searching import found, has_words, proposing, search

from reflectree.models.base import Request
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.task import Task

TRAIN = tuple(Task(f"What is {n} plus 1?", verifier=verifiers.numeric(n + 1)) for n in range(6))


def solving_some(request: Request, index: int) -> str:
    """Gets tasks with even numbers right; as a proposer it writes instructions."""
    text = request.messages[-1].content
    if "What is" not in text.partition("plus")[0]:
        return proposing(request, index)
    number = int(text.partition("What is ")[2].partition(" ")[0])
    return f"One more than {number}.\nAnswer: {number + 1 if number % 2 == 0 else 99}"


def has_both(design: Blueprint) -> Mapping[str, float]:
    words = has_words(design)
    return {**words, "no examples": min(1.0, len(design.operators.generate.demos) / 3)}


async def test_instructions_and_examples_are_chosen_together() -> None:
    context = {"train": TRAIN, "model": "policy"}
    result = await search("mipro", has_both, proposer=solving_some, context=context)
    design = found(result)
    assert design.operators.generate.demos
    assert design.operators.generate.instruction
    assert {demo.answer for demo in design.operators.generate.demos} <= {"1", "3", "5"}, "only what was right is shown"
    assert all(demo.steps == (f"One more than {int(demo.answer) - 1}.",) for demo in design.operators.generate.demos)
    combined = [event for event in result.trace if getattr(event, "op", "") == "aggregate"]
    assert combined


async def test_without_training_tasks_the_examples_fail_and_the_search_ends() -> None:
    result = await search("mipro", has_both, proposer=proposing)
    lost = [event for event in result.trace if getattr(event, "of", "") == "refine"]
    assert {event.reason for event in lost} >= {"no training example went well, so there is nothing to show"}  # type: ignore[union-attr]
    assert result.score is not None
    assert json.loads(result.answer or "")
