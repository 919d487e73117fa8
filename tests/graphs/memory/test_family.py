"""Memory pays, on related tasks with learnable traps: against no memory, and against the same tokens in retries."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.trap_family import LUCKY, POISON, TRAPS, Right, model, tasks

from reflectree.graphs.memory.access import Memory
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.memory import NumpyStore
from reflectree.memory.learning import reviewer
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Origin, Reflection
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.task import Task

pytestmark = pytest.mark.slow

COT: dict[str, Any] = {"name": "one-try", "scheme": {"granularity": "solution", "strategy": {"name": "cot"}}}
LEARNS: dict[str, Any] = {
    **COT,
    "memory": {
        "recall": {"control": 0.1, "probation": 6, "worth": 0.1},
        "learn": [{"how": "reflect", "when": "failure", "most": 1}],
    },
}
RETRIES: dict[str, Any] = {
    "name": "retries",
    "scheme": {"granularity": "solution", "strategy": {"name": "best-of-n", "n": None}},
    "operators": {"generate": {"max_tokens": 16}},  # what a budget reserves: with more, it could not be used up
}


def fresh() -> Ledger:
    return Ledger(store=NumpyStore(index={"embed": "hashing", "fields": ["text"]}), review=reviewer())


async def solved(
    task: Task,
    blueprint: dict[str, Any],
    number: int,
    memory: Memory | None = None,
    lucky: float = LUCKY,
    **options: Any,
) -> Result:
    return await asolve(
        task,
        blueprint=Blueprint.parse(blueprint),
        policy=model(lucky),
        memory=memory,
        seed=number,
        run_id=f"run-{number}",
        **options,
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_success_with_memory_against_without_and_against_the_same_tokens_in_retries(seed: int) -> None:
    memory = Memory(fresh())
    family = tasks(40, seed)
    wins = {"memory": 0, "none": 0, "retries": 0}
    tokens = {"memory": 0, "none": 0, "retries": 0}
    for number, task in enumerate(family):
        with_memory = await solved(task, LEARNS, number, memory)
        without = await solved(task, COT, number)
        tokens["memory"] += with_memory.usage.tokens
        left = tokens["memory"] - tokens["retries"]  # what memory did not use at one task, retries may use at a later
        retried = await solved(task, RETRIES, number, budget=Budget(tokens=left))
        tokens["none"] += without.usage.tokens
        tokens["retries"] += retried.usage.tokens
        for name, result in (("memory", with_memory), ("none", without), ("retries", retried)):
            wins[name] += bool(result.selected_correct)
    assert tokens["retries"] <= tokens["memory"]
    assert wins["memory"] >= 0.6 * len(family), wins
    assert wins["memory"] >= wins["none"] + 0.3 * len(family), wins
    assert wins["memory"] >= wins["retries"] + 0.1 * len(family), (wins, tokens)
    lessons = [record for record in memory.ledger.state.records.values() if isinstance(record, Reflection)]
    assert len(lessons) == len(TRAPS), "the same lesson again is a vote for the one that is there"


async def test_a_control_arm_shows_what_memory_is_worth() -> None:
    memory = Memory(fresh())
    blueprint = {**LEARNS, "memory": {**LEARNS["memory"], "recall": {"control": 0.3, "probation": 6, "worth": 0.1}}}
    arms = {"memory": 0, "control": 0}
    for number, task in enumerate(tasks(60, 3)):
        result = await solved(task, blueprint, number, memory)
        began = result.trace.began
        assert began is not None
        arms[began.arm] += 1
        if began.arm == "control":
            assert all("text" not in row for row in began.recalled)
    tally = memory.ledger.state.tallies["all"]
    assert arms["control"] > 8
    assert tally.shown_wins / tally.shown > tally.held_wins / tally.held + 0.3


async def test_planted_poison_loses_its_influence() -> None:
    memory = Memory(fresh())
    planted = [
        Reflection(
            origin=Origin(source="self", run="attack", task=f"{number:016x}"),
            lesson=f"{POISON} ({kind}, hint {number})",
            title=f"The {kind} problem, hint {number}",
            applies=f"The {kind} problem: what comes out?",
        )
        for number in range(50)
        for kind in [list(TRAPS)[number % len(TRAPS)]]
    ]
    memory.ledger.write(*planted)
    blueprint = {**LEARNS, "memory": {**LEARNS["memory"], "recall": {"control": 0.1, "probation": 2, "limit": 4}}}
    poisoned, wins = [], []
    for number, task in enumerate(tasks(100, 5)):
        result = await solved(task, blueprint, number, memory, lucky=0.5)
        poisoned.append(POISON in str(result.trace.rows[0].get("recalled")))
        wins.append(bool(result.selected_correct))
    assert sum(poisoned[:33]) >= 16, "the attack works at first"
    assert sum(poisoned[-20:]) <= 4, poisoned
    assert sum(wins[-20:]) >= 14, wins


async def test_right_knows_no_gold() -> None:
    assert not Right.gold
