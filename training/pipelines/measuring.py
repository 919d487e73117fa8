"""How good the models of a round are: held-out tasks searched with them.

Whether they are kept is decided elsewhere, in `reflectree.training.pipelines.rounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from reflectree.graphs import blueprints
from reflectree.graphs.benching import abench
from reflectree.graphs.tasksets.base import Entry, TaskSet
from reflectree.models.resolve_values import value_model
from reflectree.rlm_ops.task import Task
from reflectree.training.pipelines.plan import LoopPlan


async def measured(
    tasks: Sequence[Task],
    plan: LoopPlan,
    policy: str,
    value: str | None,
    out: Path,
    on_outcome: Callable[[Any], None],
) -> dict[str, Any]:
    """How a policy and a value model do on held-out tasks, beside the baselines at the same tokens.

    Args:
        tasks: The tasks.
        plan: What to measure with.
        policy: A folder of weights.
        value: The name of a value model, for searches that are scored.
        out: The file for outcomes, which are not paid again.
        on_outcome: Told each outcome.
    """
    blueprint = blueprints.load(plan.measure if plan.measure is not None else plan.search)
    values = None if value is None else value_model(value)
    out.parent.mkdir(parents=True, exist_ok=True)
    found = await abench(
        task_set(tasks), [blueprint], tokens=plan.tokens, policy=f"local/{policy}", evaluator=values,
        evaluator_name=value or "", seed=plan.seed, concurrency=plan.concurrency, out=out,
        on_outcome=lambda outcome, result: on_outcome(outcome),
    )  # fmt: skip
    if values is not None:
        await values.aclose()
    rows = {
        summary.blueprint: {
            "accuracy": summary.accuracy.estimate, "low": summary.accuracy.low, "high": summary.accuracy.high,
            "in_structure": summary.in_structure, "tokens": summary.tokens,
        }
        for summary in found.rows
    }  # fmt: skip
    right = {o.task: o.correct is True for o in found.outcomes if o.blueprint == blueprint.name}
    return {"blueprint": blueprint.name, "n": found.n, **rows[blueprint.name], "table": rows, "right": right}


def task_set(tasks: Sequence[Task]) -> TaskSet:
    """Held-out tasks as a set of their own."""

    def entry(index: int) -> Entry:
        task = tasks[index]
        named = task if task.id else Task(
            task.question, task.context, task.examples, task.tools, task.verifier, f"valid-{index}", task.form
        )  # fmt: skip
        return Entry(named, {"question": task.prose, "index": index})

    return TaskSet("held-out", len(tasks), entry)
