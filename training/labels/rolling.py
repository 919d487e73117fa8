"""Has the completions made that labels want: the only part of labelling that waits for a model.

`complete` is given: a path and how many completions of it, in; completions, out. Of a path it cannot complete it raises
a `ModelError`: such a path stays without completions and is not taken for a wrong one. What is asked for is said by the
planners (`wanted` of `monte_carlo`, `omega`, `pits`, and `OmegaTree.ask`). Nothing here knows which model writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.step import Path, Step
from reflectree.training.labels.omega_tree import OmegaTree
from reflectree.training.labels.source import Completion, Source, Wanted

Complete: TypeAlias = Callable[[Path, int], Awaitable[Sequence[Completion]]]
"""Completes a path so many times; it may return fewer. The completions do not repeat the path."""


async def roll(
    wanted: Sequence[Wanted], complete: Complete, *, k: int = 8, concurrency: int = 8
) -> dict[int, tuple[Completion, ...]]:
    """Complete paths, several at once.

    Args:
        wanted: Nodes and their paths.
        complete: Who completes them.
        k: Completions of each.
        concurrency: Paths under way at once.

    Returns:
        By node, in the order asked for; a node whose path could not be completed is left out.

    Raises:
        BadInput: `k` or `concurrency` is below 1.
        ModelError: None of the paths could be completed, and one of them failed with this.
        Exception: Whatever else `complete` raises, such as BudgetRefused; the paths under way are then given up.
    """
    if k < 1 or concurrency < 1:
        raise BadInput(f"rollouts need at least one completion and one place: k={k}, concurrency={concurrency}")
    places = asyncio.Semaphore(concurrency)
    errors: list[ModelError] = []

    async def one(path: Path) -> Sequence[Completion]:
        async with places:
            try:
                return await complete(path, k)
            except ModelError as error:
                errors.append(error)
                return ()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [(node, group.create_task(one(path))) for node, path in wanted]
    except ExceptionGroup as refused:  # one error is told, as it would be of paths completed one after the other
        raise refused.exceptions[0] from refused
    found = {node: tuple(made) for node, task in tasks if (made := task.result())}
    if errors and not found:
        raise errors[0]
    return found


def grown(source: Source, made: dict[int, tuple[Completion, ...]]) -> Source:
    """The source with these completions added to those it has."""
    known = {**source.continuations}
    rolled = {**source.rollouts}
    for node, completions in made.items():
        known[node] = (*known.get(node, ()), *completions)
        rolled[node] = [*rolled.get(node, ()), *(completion.reward for completion in completions)]
    return replace(source, continuations=known, rollouts=rolled)


async def rolled(
    source: Source,
    planner: Callable[[Source], Sequence[Wanted]],
    complete: Complete,
    *,
    k: int = 8,
    concurrency: int = 8,
) -> Source:
    """The source with all completions that a planner wants: asked again until it wants nothing more that can be had."""
    given_up: set[int] = set()
    while wanted := [(node, path) for node, path in planner(source) if node not in given_up]:
        made = await roll(wanted, complete, k=k, concurrency=concurrency)
        given_up |= {node for node, _ in wanted} - set(made)
        source = grown(source, made)
    return source


async def grow_tree(
    tree: OmegaTree, source: Source, complete: Complete, *, k: int = 8, most_rollouts: int = 1000
) -> int:
    """Grow OmegaPRM's tree until it has nothing left to look into.

    Args:
        tree: The tree.
        source: Whose task it is of.
        complete: Who completes prefixes.
        k: Completions of a state.
        most_rollouts: Completions after which no more are asked for.

    Returns:
        How many completions were made.

    Raises:
        ModelError: A prefix could not be completed; the tree is whole and may be grown on.
    """
    spent = 0
    while spent + k <= most_rollouts and (prefix := tree.ask()) is not None:
        made = await complete(Path(source.structure.task, tuple(map(Step, prefix))), k)
        if not made:
            raise ModelError("no completion came back for a prefix: give a completer that returns some, or raises")
        tree.tell(prefix, made)
        spent += len(made)
    return spent
