"""Completes paths with a policy: what Monte Carlo labels and advantages are made of (Math-Shepherd, VinePPO).

Completions are asked for and read as the engine does it, with its own prompt, its own retries and its own parser. It
judges nothing: no verifier and no answer is known here.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import replace

from reflectree.agents.evaluators.sampling import completing
from reflectree.agents.replies import Draft, Reading, read_solution, split_thought
from reflectree.models.base import Choice, PolicyModel
from reflectree.models.calling import Caller
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError, ModelRejected
from reflectree.rlm_ops.splitting import split_steps
from reflectree.rlm_ops.step import Path, Step

SEEDS = 0x7FFFFFFF


async def complete(
    policy: PolicyModel,
    paths: Sequence[Path],
    n: int,
    *,
    generate: Generate | None = None,
    seed: int = 0,
    concurrency: int | None = None,
    ledger: Ledger | None = None,
) -> list[list[Path]]:
    """Complete each path `n` times, up to an answer.

    A completion that comes to no answer, after a second try, is left out: divide by `n` where that counts as wrong, by
    the number of completions where it does not count. A path that gives an answer already is its own completion, `n`
    times, and nothing is sampled. The same seed gives the same completions of a path at its place in the list.

    Args:
        policy: The model.
        paths: What is completed.
        n: Completions a path.
        generate: Temperature, most tokens (of the whole rest), delimiter of steps, time-out.
        seed: Of the sampling.
        concurrency: Most paths at the same time; `None` is what the model can take.
        ledger: The account; calls beyond its caps are refused, and their paths have no completions.

    Returns:
        For each path its completions: terminal paths that begin with its steps.

    Raises:
        BadInput: `n` or `concurrency` is less than 1.
        ModelError: The model refuses for good, or never answered.
    """
    most = concurrency if concurrency is not None else policy.capabilities.max_concurrency or 8
    if n < 1 or most < 1:
        raise BadInput(f"n is {n} and concurrency {concurrency}: both must be at least 1")
    settings = generate or Generate()
    caller = Caller(policy, ledger or Ledger(Budget()))
    free = asyncio.Semaphore(most)

    async def one(position: int, path: Path) -> list[Path]:
        if path.answer is not None:
            return [path] * n
        own_seed = zlib.crc32(f"{seed}:rollout:{position}".encode()) & SEEDS
        request = completing(path, settings, own_seed, n, settings.timeout)
        async with free:
            try:
                outcome = await caller.call(request, _problem)
            except (ModelError, BudgetRefused) as error:
                if isinstance(error, ModelError) and not _of_this_path(error, caller):
                    raise
                return []
        choices = [sample for sample in outcome.samples if isinstance(sample, Choice)]
        return [read_completion(path, choice, settings.delimiter) for choice in choices]

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(position, path)) for position, path in enumerate(paths)]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]


def read_completion(path: Path, choice: Choice, delimiter: str = "\n") -> Path:
    """The path that a completion makes of a path, cut after the line that gives the answer.

    Raises:
        BadInput: It gives no answer.
    """
    reading = _read(choice)
    if isinstance(reading, str):
        raise BadInput(f"this is no completion: {reading}")
    steps = [Step(piece) for piece in split_steps(reading.text, delimiter)]
    steps[-1] = replace(steps[-1], status="terminal", answer=reading.answer)
    return Path(path.task, (*path.steps, *steps), path.notes)


def _read(choice: Choice) -> Reading | str:
    """The rest of a solution, or what is wrong with it."""
    if choice.finish == "filter":
        return "the reply was refused by the provider's filter"
    reading = read_solution(Draft(split_thought(choice.text)[1], cut=choice.finish == "length"))
    return "it gives no answer" if isinstance(reading, Reading) and reading.answer is None else reading


def _problem(choice: Choice) -> str | None:
    reading = _read(choice)
    return reading if isinstance(reading, str) else None


def _of_this_path(error: ModelError, caller: Caller) -> bool:
    """Whether other paths may fare better: the prompt was too long, or an endpoint that has answered faltered."""
    if isinstance(error, ModelRejected):
        return error.status in (400, 413)
    return caller.reached
