"""The same comparison by the framework's own engine: blueprints, agents, events and budgets, a puzzle at a time.

The figures come from faster code; this confirms one pair of arms, and is how a user runs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import resources

from reflectree.graphs import blueprints
from reflectree.graphs.run import asolve
from reflectree.models.base import PolicyModel, ValueModel
from reflectree.models.neural.countdown.game import State
from reflectree.models.neural.countdown.net import spell
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.verifiers import countdown
from reflectree.training.countdown.searches import Outcome


def blueprint(name: str) -> Blueprint:
    """A blueprint of this folder."""
    text = resources.files(__package__ or "").joinpath("blueprints", f"{name}.yaml")
    with resources.as_file(text) as path:
        return blueprints.load(path)


async def solved_by_engine(
    puzzles: Sequence[State], wanted: Blueprint, policy: PolicyModel, value: ValueModel, *, seed: int, together: int = 4
) -> list[Outcome]:
    """One committed answer a puzzle. The verifier only reports, at the end; no search sees it."""
    places = asyncio.Semaphore(together)

    async def one(puzzle: State) -> Outcome:
        async with places:
            result = await asolve(spell(puzzle), blueprint=wanted, policy=policy, evaluator=value, seed=seed)
        right = result.answer is not None and countdown(puzzle.numbers, puzzle.target).score(result.answer) == 1.0
        return Outcome(right, result.usage.completion_tokens)

    return await asyncio.gather(*map(one, puzzles))
