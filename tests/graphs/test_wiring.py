"""One compiled graph serves all runs that are wired alike, also at once, and each run meets its own agents alone."""

import asyncio

from langgraph.checkpoint.memory import InMemorySaver

from reflectree import asolve
from reflectree.graphs.carry import carry_on
from reflectree.graphs.preparing import prepare
from reflectree.graphs.wiring import Shape, compiled, wire
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.task import Task


def test_alike_is_compiled_once() -> None:
    assert compiled(Shape(("generator",))) is compiled(Shape(("generator",)))
    assert compiled(Shape(("generator",))) is not compiled(Shape(("generator",), learns=True))


def test_the_wiring_is_that_of_the_shape() -> None:
    plain, whole = (set(wire(one).nodes) for one in (Shape(("generator",)), Shape(("generator",), True, True)))
    assert plain == {"recall", "controller", "generator", "answer"}
    assert whole - plain == {"person", "reflect"}


async def test_runs_at_once_on_one_graph_do_not_meet() -> None:
    before = compiled.cache_info().misses
    results = await asyncio.gather(
        *(
            asolve(f"Say {n}.", blueprint="cot", policy=ScriptedPolicy(f"Answer: {n}", latency=0.005), seed=n)
            for n in range(8)
        )
    )
    assert [result.answer for result in results] == [str(n) for n in range(8)]
    assert [result.trace.began.seed for result in results if result.trace.began] == list(range(8))
    assert compiled.cache_info().misses <= before + 1


async def test_each_run_has_its_own_account_and_checkpointer() -> None:
    accounts, saver = [Ledger(Budget()), Ledger(Budget())], InMemorySaver()
    for number, account in enumerate(accounts):
        setup = prepare("cot", ScriptedPolicy("Answer: 4"), budget=Budget(calls=1))
        await carry_on(setup, Task("What is 2 + 2?"), saver if number else None, f"run-{number}", parent=account)
    assert [account.spent.calls for account in accounts] == [1, 1]
    assert compiled(Shape(("generator",))).checkpointer is None
    assert {item.config.get("configurable", {})["thread_id"] for item in saver.list(None)} == {"run-1"}
