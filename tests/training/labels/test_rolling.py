"""Completions made on demand: by any callable, in rounds, and what happens when some fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest
from tests.training.labels.growing import Counting, Tree, steps_to

from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError, ModelUnreachable
from reflectree.rlm_ops.step import Path
from reflectree.training.labels import monte_carlo, omega, pits, rolling
from reflectree.training.labels.omega_tree import OmegaTree
from reflectree.training.labels.source import Completion, Source

N = 8


def count(answer: str) -> float:
    return float(answer == str(N))


def wrong_count() -> Tree:
    tree = Tree(f"Count to {N}.")
    tree.chain(*steps_to(5, N), answer=str(N + 1))
    return tree


class Completer:
    """Completes counts without an error, slowly, and remembers what was asked and how much at once."""

    def __init__(self, fails: Sequence[int] = ()) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.fails = fails
        self.now = self.most = 0

    async def __call__(self, path: Path, k: int) -> list[Completion]:
        prefix = tuple(step.text for step in path.steps)
        self.asked.append(prefix)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        if len(prefix) in self.fails:
            raise ModelUnreachable("no connection")
        toy = Counting(N, skill=1.0)
        return [toy.complete(prefix, Random(place)) for place in range(k)]


async def test_paths_are_completed_a_few_at_once() -> None:
    source, complete = Source.of(wrong_count().trace, judge=count), Completer()
    made = await rolling.roll(monte_carlo.wanted(source), complete, k=3, concurrency=2)
    assert complete.most == 2
    assert list(made) == list(range(1, N))
    assert [[completion.reward for completion in made[node]] for node in (4, 5)] == [[1.0] * 3, [0.0] * 3]
    with pytest.raises(BadInput, match="k=0"):
        await rolling.roll([], complete, k=0)


async def test_the_binary_search_asks_again_until_it_is_settled() -> None:
    complete = Completer()
    source = await rolling.rolled(Source.of(wrong_count().trace, judge=count), omega.wanted, complete, k=2)
    assert len(complete.asked) <= omega.most_probes(N) == 3
    assert omega.first_errors(source) == {N: 5}


async def test_what_cannot_be_completed_stays_unknown_and_is_not_asked_for_again() -> None:
    complete = Completer(fails=[3])
    source = await rolling.rolled(Source.of(wrong_count().trace, judge=count), pits.wanted, complete, k=2)
    assert len(complete.asked) == N
    assert 3 not in source.rollouts
    assert pits.first_pits(source) == {}  # the step before the pit is not known
    with pytest.raises(ModelUnreachable):
        await rolling.roll(monte_carlo.wanted(source)[:1], Completer(fails=range(N)), k=2)


async def test_self_explore_from_end_to_end() -> None:
    source = await rolling.rolled(Source.of(wrong_count().trace, judge=count), pits.wanted, Completer(), k=2)
    (sample,) = pits.self_explore(source)
    assert (sample.steps, sample.chosen, sample.rejected) == (("1", "2", "3", "4"), ("5", "6", "7", "8"), ("6",))


async def test_the_tree_of_states_is_grown_within_its_bound() -> None:
    tree = wrong_count()
    tree.chain(*map(str, range(1, N + 1)), answer=str(N))
    source = Source.of(tree.trace, judge=count)
    grown, complete = OmegaTree.of(source), Completer()
    assert await rolling.grow_tree(grown, source, complete, k=4, most_rollouts=4) == 4
    assert grown.errors == {}
    assert await rolling.grow_tree(grown, source, complete, k=4) == 8
    assert grown.errors == {steps_to(5, N): 5}

    async def nothing(path: Path, k: int) -> list[Completion]:
        return []

    with pytest.raises(ModelError, match="no completion came back"):
        await rolling.grow_tree(OmegaTree("q"), source, nothing)


async def test_a_budget_that_is_spent_is_told_as_it_is() -> None:
    async def broke(path: Path, k: int) -> list[Completion]:
        raise BudgetRefused("tokens")

    with pytest.raises(BudgetRefused, match="cap on tokens"):
        await rolling.roll(monte_carlo.wanted(Source.of(wrong_count().trace, judge=count)), broke)
