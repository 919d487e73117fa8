"""Runs on the trap family: with and without a memory, with poison in it, with lessons that are wrong half of the time.

What `tests/graphs/memory/test_family.py` tests and `benchmarks.memory_poison` and `benchmarks.memory_gate` measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.trap_family import LUCKY, POISON, TRAPS, model, tasks

from reflectree.graphs.memory.access import Memory
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.memory import NumpyStore
from reflectree.memory.learning import reviewer
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import Origin, Reflection
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.task import Task

COT: dict[str, Any] = {"name": "one-try", "scheme": {"granularity": "solution", "strategy": {"name": "cot"}}}
LEARNS: dict[str, Any] = {
    **COT,
    "memory": {
        "recall": {"control": 0.1, "probation": 6, "worth": 0.1},
        "learn": [{"how": "reflect", "when": "failure", "most": 1}],
    },
}


def with_memory(recall: Mapping[str, Any], **stage: Any) -> dict[str, Any]:
    """`LEARNS` with other recall, or with settings of its stage."""
    memory = LEARNS["memory"]
    return {**LEARNS, "memory": {"recall": dict(recall), "learn": [{**memory["learn"][0], **stage}]}}


def fresh() -> Ledger:
    """An empty memory."""
    return Ledger(store=NumpyStore(index={"embed": "hashing", "fields": ["text"]}), review=reviewer())


async def solved(
    task: Task,
    blueprint: Mapping[str, Any],
    number: int,
    memory: Memory | None = None,
    lucky: float = LUCKY,
    wrong: float = 0.0,
    **options: Any,
) -> Result:
    """One run."""
    return await asolve(
        task,
        blueprint=Blueprint.parse(blueprint),
        policy=model(lucky, wrong),
        memory=memory,
        seed=number,
        run_id=f"run-{number}",
        **options,
    )


@dataclass(frozen=True, slots=True)
class Attack:
    """What 100 runs in a poisoned memory came to: whether each was shown poison, and whether it succeeded."""

    poisoned: list[bool]
    won: list[bool]
    quarantined: int


async def attacked(seed: int, *, runs: int = 100, alone: bool = False) -> Attack:
    """Runs in a memory in which 50 records that harm were planted before the first.

    Args:
        seed: Of the tasks.
        runs: How many.
        alone: Each record was planted by a run of its own; else all of them came from one.
    """
    memory = Memory(fresh())
    memory.ledger.write(*_planted(alone=alone))
    blueprint = with_memory({"control": 0.1, "probation": 2, "limit": 4})
    poisoned, won = [], []
    for number, task in enumerate(tasks(runs, seed)):
        result = await solved(task, blueprint, number, memory, lucky=0.5)
        poisoned.append(POISON in str(result.trace.rows[0].get("recalled")))
        won.append(bool(result.selected_correct))
    records = memory.ledger.state.records.values()
    fallen = sum(record.standing.trust == "quarantined" for record in records if POISON in record.told)
    return Attack(poisoned, won, fallen)


def _planted(*, alone: bool) -> list[Reflection]:
    return [
        Reflection(
            origin=Origin(source="self", run=f"attack-{number}" if alone else "attack", task=f"{number:016x}"),
            lesson=f"{POISON} ({kind}, hint {number})",
            title=f"The {kind} problem, hint {number}",
            applies=f"The {kind} problem: what comes out?",
        )
        for number in range(50)
        for kind in [list(TRAPS)[number % len(TRAPS)]]
    ]


@dataclass(frozen=True, slots=True)
class Learnt:
    """What 40 runs came to whose model proposes lessons of which some are wrong.

    Attributes:
        won: Runs that succeeded.
        late: Of the last 20, those that succeeded.
        right: Lessons in the memory at the end that are right, `wrong` those that are not; quarantined ones left out.
        tokens: What all of it took.
    """

    won: int
    late: int
    right: int
    wrong: int
    tokens: int


async def learnt(seed: int, *, replay: int, wrong: float = 0.5, runs: int = 40, lucky: float = LUCKY) -> Learnt:
    """Runs that learn, with a gate of so many replays, from a model whose lessons are wrong so often."""
    memory = Memory(fresh())
    blueprint = with_memory(LEARNS["memory"]["recall"], replay=replay)
    won, tokens = [], 0
    for number, task in enumerate(tasks(runs, seed)):
        result = await solved(task, blueprint, number, memory, lucky, wrong)
        won.append(bool(result.selected_correct))
        tokens += result.usage.tokens
    kept = [
        record.lesson
        for record in memory.ledger.state.records.values()
        if isinstance(record, Reflection) and record.standing.trust != "quarantined"
    ]
    right = sum(lesson in TRAPS.values() for lesson in kept)
    return Learnt(sum(won), sum(won[-20:]), right, len(kept) - right, tokens)
