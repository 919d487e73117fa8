"""What adaptive sampling saves: the `adaptive` blueprint against self-consistency on tasks of mixed difficulty.

Each task of the scripted population has an answer distribution of its own, and a draw follows from the task and the
call's seed alone: the same call says the same in every arm, so that arms differ by what they ask for and nothing else.
The runs are real ones, over the whole engine. With the embedded model the tasks are generated ones instead.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from benchmarks.report import Row
from reflectree.graphs import blueprints
from reflectree.graphs.run import asolve
from reflectree.graphs.tasksets import load_taskset
from reflectree.models.base import PolicyModel, Request
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.statistics import paired_bootstrap, wilson_interval
from reflectree.rlm_ops.strategies.spending import spent_by_stage
from reflectree.rlm_ops.task import Task

SLOTS = 8
N = 16
RIGHT_SHARES = {"easy": 0.95, "medium": 0.6, "hard": 0.25}
"""How often one sample is right."""
LARGE_SHARE = 0.9
"""How often one of the larger model is, whatever the task."""
WRONG_ANSWERS = 5
RIGHT = "42"
MIX = (
    "mix:reasoning_gym:products?min_terms=2&max_terms=2&min_digits=1&max_digits=1&examples=4"
    "|reasoning_gym:chain_sum?min_terms=2&max_terms=2&min_digits=1&max_digits=2&examples=4"
    "|reasoning_gym:countdown?min_numbers=3&max_numbers=3&examples=4"
)
MOST_WRITTEN = 96
"""Tokens a solution of a generated task may have: a few short lines."""


@dataclass(frozen=True)
class Arm:
    """What one blueprint made of all tasks, one entry a task.

    Attributes:
        right: 1 for a right answer.
        tokens: Prompt and completion tokens, and `written` the latter alone: a prompt is paid for once a request, so
            samples that are asked for later cost more of it than samples of one request.
        stages: Tokens by stage, of all tasks.
        ended: How often runs ended for which reason.
    """

    name: str
    right: tuple[float, ...]
    tokens: tuple[float, ...]
    written: tuple[float, ...]
    stages: dict[str, int]
    ended: dict[str, int]

    @cached_property
    def mean_tokens(self) -> float:
        return math.fsum(self.tokens) / len(self.tokens)

    def row(self, where: str) -> Row:
        """Its accuracy, with what it cost."""
        share = wilson_interval(int(sum(self.right)), len(self.right))
        by_stage = sorted(self.stages.items(), key=lambda stage: -stage[1])
        spent = ", ".join(f"{stage} {100 * tokens / sum(self.tokens):.0f} %" for stage, tokens in by_stage if tokens)
        return Row(
            f"accuracy, {self.name}, {where}",
            100 * share.estimate,
            " %",
            note=f"{100 * share.low:.1f} to {100 * share.high:.1f}; {self.mean_tokens:.0f} tokens a task: {spent}",
            details={"tokens": self.mean_tokens, "stages": self.stages, "ended": self.ended},
        )


def measure(quick: bool) -> list[Row]:
    """The rows of this figure, on the scripted population."""
    count = 60 if quick else 400
    able = replace(ABLE, max_n=1)  # a call's draw is its own, and no matter of what was sampled with it
    models = {"policy": ScriptedPolicy(say, capabilities=able), "large": ScriptedPolicy(say_large, capabilities=able)}
    # draws are independent, so there is nothing that a search could find and samples could not
    plan = blueprints.load("adaptive").with_overrides({"scheme.strategy.search_when": "never"})
    larger = {"scheme.strategy.large": 6, "operators.generate.variants.large": {"model": "large"}}
    plans = {"adaptive": plan, "adaptive and a larger model": plan.with_overrides(larger)}
    return asyncio.run(_compare(population(count), models, plans, {}, f"{count} scripted tasks", True))


def embedded(quick: bool) -> list[Row]:
    """The same on the embedded model, with generated tasks: products, sums, and Countdown, whose check is free."""
    tasks = list(load_taskset(MIX, limit=12 if quick else 60, seed=1))
    same_cap = {"scheme.strategy.most_checked": N}
    shipped = blueprints.load("adaptive").with_overrides(same_cap)
    alone = shipped.with_overrides({"scheme.strategy.search_when": "never"})
    plans = {"adaptive": shipped, "adaptive without search": alone}
    changes = {"operators.generate.max_tokens": MOST_WRITTEN}
    return asyncio.run(_embedded(tasks, plans, changes))


async def _embedded(tasks: Sequence[Task], plans: Mapping[str, Blueprint], changes: Mapping[str, Any]) -> list[Row]:
    policy = resolve_policy("embedded")
    try:
        return await _compare(tasks, {"policy": policy}, plans, changes, f"{len(tasks)} tasks, embedded model", False)
    finally:
        await policy.aclose()


def population(count: int, seed: int = 1) -> list[Task]:
    """Tasks, a third of each difficulty, each with its own distribution of answers."""
    kinds = list(RIGHT_SHARES)
    return [
        Task(f"Task {number} of the {kinds[number % len(kinds)]} kind, seed {seed}", verifier=verifiers.exact(RIGHT))
        for number in range(count)
    ]


def say(request: Request, index: int) -> str:
    """What the policy says."""
    return _draw(request, RIGHT_SHARES)


def say_large(request: Request, index: int) -> str:
    """What the larger model says."""
    return _draw(request, dict.fromkeys(RIGHT_SHARES, LARGE_SHARE))


def _draw(request: Request, shares: Mapping[str, float]) -> str:
    """A draw of a task's answers, that follows from the task and the call's seed."""
    found = re.search(r"Task (\d+) of the (\w+) kind, seed (\d+)", request.messages[-1].content)
    assert found is not None
    number, kind, seed = found.groups()
    of_task = Random(f"{number}:{seed}")
    weights = [of_task.expovariate(1.0) for _ in range(WRONG_ANSWERS)]
    draw = Random(f"{number}:{seed}:{request.seed}")
    answer = RIGHT if draw.random() < shares[kind] else str(draw.choices(range(WRONG_ANSWERS), weights)[0])
    return f"First {number} is split into what is known, and the rest is worked out from it.\nAnswer: {answer}"


async def _compare(
    tasks: Sequence[Task],
    models: Mapping[str, PolicyModel],
    plans: Mapping[str, Blueprint],
    changes: Mapping[str, Any],
    where: str,
    judged: bool,
) -> list[Row]:
    """Rows of adaptive arms against self-consistency: of `N` samples, and of as many as cost no less than the first.

    Args:
        judged: Whether the first arm has targets.
    """
    arms = [await _run(name, plan.with_overrides(changes), tasks, models) for name, plan in plans.items()]
    first = arms[0]
    full = await _run(f"self-consistency, {N} samples", _samples(N, changes), tasks, models)
    count = max(1, math.ceil(first.mean_tokens / (full.mean_tokens / N)))
    equal = await _run(f"self-consistency, {count} samples", _samples(count, changes), tasks, models)
    rows = [arm.row(where) for arm in (*arms, full, equal)]
    for arm in arms:
        target = judged and arm is first
        rows += [_saving(arm, full, where, target), _difference(arm, full, where, target, -2.0)]
    # the baseline's tokens are rounded up to whole samples, never down
    return [*rows, _difference(first, equal, where, judged, 0.0)]


def _samples(count: int, changes: Mapping[str, Any]) -> Blueprint:
    return blueprints.load("self-consistency").with_overrides({"scheme.strategy.n": count, **changes})


async def _run(name: str, plan: Blueprint, tasks: Sequence[Task], models: Mapping[str, PolicyModel]) -> Arm:
    """One blueprint over all tasks."""
    right, tokens, written = list[float](), list[float](), list[float]()
    policy, others = models["policy"], {role: model for role, model in models.items() if role != "policy"}
    stages, ended = dict[str, int](), dict[str, int]()
    for number, task in enumerate(tasks):
        result = await asolve(task, blueprint=plan, policy=policy, models=others, concurrency=SLOTS, seed=number)
        right.append(float(result.selected_correct is True))
        tokens.append(float(result.usage.tokens))
        written.append(float(result.usage.completion_tokens))
        ended[result.stop_reason] = ended.get(result.stop_reason, 0) + 1
        for stage, usage in spent_by_stage(result.trace).items():
            stages[stage] = stages.get(stage, 0) + usage.tokens
    return Arm(name, tuple(right), tuple(tokens), tuple(written), stages, ended)


def _saving(arm: Arm, baseline: Arm, where: str, judged: bool) -> Row:
    """Tokens saved, as a share of the baseline's; its interval is that of the paired difference over its mean."""
    saved = paired_bootstrap(baseline.tokens, arm.tokens)
    scale = 100 / baseline.mean_tokens
    written = 100 * (1 - math.fsum(arm.written) / math.fsum(baseline.written))
    return Row(
        f"tokens saved, {arm.name} against {baseline.name}, {where}",
        scale * saved.estimate,
        " %",
        at_least=30 if judged else None,
        note=f"{scale * saved.low:.1f} to {scale * saved.high:.1f}; {saved.estimate:.0f} tokens a task; "
        f"of written ones {written:.1f} %",
    )


def _difference(arm: Arm, baseline: Arm, where: str, judged: bool, least: float) -> Row:
    """Accuracy against the baseline's, in points."""
    gain = paired_bootstrap(arm.right, baseline.right)
    return Row(
        f"accuracy, {arm.name} minus {baseline.name}, {where}",
        100 * gain.estimate,
        " points",
        at_least=least if judged else None,
        note=f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}; {arm.mean_tokens:.0f} against "
        f"{baseline.mean_tokens:.0f} tokens a task",
    )
