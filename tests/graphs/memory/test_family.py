"""Memory pays, on related tasks with learnable traps: against no memory, and against the same tokens in retries."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.trap_family import TRAPS, Right, tasks
from tests.support.trap_runs import COT, LEARNS, attacked, fresh, learnt, solved

from reflectree.graphs.memory.access import Memory
from reflectree.memory.records import Reflection
from reflectree.rlm_ops.budget import Budget

pytestmark = pytest.mark.slow

RETRIES: dict[str, Any] = {
    "name": "retries",
    "scheme": {"granularity": "solution", "strategy": {"name": "best-of-n", "n": None}},
    "operators": {"generate": {"max_tokens": 16}},  # what a budget reserves: with more, it could not be used up
}


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


@pytest.mark.parametrize(("seed", "alone", "late"), [(5, False, 0), (7, False, 1), (7, True, 2)])
async def test_planted_poison_loses_its_influence(seed: int, alone: bool, late: int) -> None:
    """50 records of one run fall together; those of 50 runs are shown by exploration alone, twice in the last 20."""
    attack = await attacked(seed, alone=alone)
    assert sum(attack.poisoned[:10]) >= 2, "the attack works at first"
    assert sum(attack.poisoned[30:]) <= (6 if alone else 4), attack.poisoned
    assert sum(attack.poisoned[-20:]) <= late, attack.poisoned
    assert sum(attack.won[-20:]) >= 15, attack.won
    assert attack.quarantined == 50 or alone


async def test_a_gate_that_replays_keeps_right_lessons_where_half_of_them_are_wrong() -> None:
    with_gate, without = [await learnt(1, replay=1), await learnt(2, replay=1)], [await learnt(1, replay=0)]
    assert all(one.right >= 3 and one.wrong == 0 for one in with_gate), with_gate
    assert without[0].wrong >= 2, without
    assert with_gate[0].won > without[0].won


async def test_right_knows_no_gold() -> None:
    assert not Right.gold
