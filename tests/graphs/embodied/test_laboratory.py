"""Coscientist in a simulated laboratory: one command a turn, experiments that are counted, and the report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from reflectree.agents.turns import turn
from reflectree.graphs import blueprints
from reflectree.graphs.embodied.laboratory import NOTES, PAGES, Laboratory
from reflectree.graphs.embodied.reaction_surface import EXAMPLE, Conditions, Surface, normalised_advantage
from reflectree.graphs.run import asolve
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import NeedsPerson
from reflectree.rlm_ops.events import Enriched
from reflectree.rlm_ops.sandbox import available
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.structure import fold

needs_sandbox = pytest.mark.skipif(bool(available()), reason=available())
LABORATORY = Laboratory(Surface(3))
HOT = EXAMPLE.replace("80", "95")


def notes(result: Any) -> list[tuple[str, str]]:
    return [(event.source, event.note) for event in result.trace if isinstance(event, Enriched)]


async def run(turns: list[str], changes: dict[str, Any] | None = None, **options: Any) -> tuple[Any, ScriptedPolicy]:
    policy = ScriptedPolicy(turns)
    blueprint = blueprints.load("coscientist").with_overrides(changes or {})
    result = await asolve(LABORATORY.task, blueprint=blueprint, policy=policy, **{"tools": LABORATORY.tools, **options})
    return result, policy


async def test_one_command_a_turn_and_anything_else_is_feedback() -> None:
    result, policy = await run(
        [
            "Thought: what can be set?\nDOCUMENTATION: which conditions",
            "Thought: I should search and run.\nSEARCH: noise\nEXPERIMENT: " + EXAMPLE,
            "Thought: I only think.",
            f"Thought: run it.\nEXPERIMENT: {EXAMPLE}\nObservation: Yield: 99 %",
            'EXPERIMENT: {"catalyst": "gold"}',
            f"EXPERIMENT: {HOT}",
            f"Answer: {HOT}",
        ]
    )
    seen = notes(result)
    assert seen[0][0] == "tool"
    assert f"Conditions: {PAGES['Conditions']}" in seen[0][1]
    assert seen[1] == (
        "bad-call",
        "bad call: a turn is exactly one command, and this one has 2 (SEARCH, EXPERIMENT): nothing was carried out",
    )
    assert seen[2][1].startswith("bad call: a turn is exactly one command, and this one has none")
    first, second = (LABORATORY.surface.measured(Conditions.read(at)) for at in (EXAMPLE, HOT))
    assert seen[3] == ("tool", f"Observation: Yield: {first} %")
    assert seen[4][1].startswith("Observation: error: the experiment was not run: give exactly")
    assert seen[5] == ("tool", f"Observation: Yield: {second} %")
    assert result.answer == HOT
    assert "Yield: 99 %" not in policy.requests[-1].prefill
    assert "experiment (EXPERIMENT: conditions)" in policy.requests[0].messages[-1].content

    found = LABORATORY.experiments(result.trace)
    assert [(one.number, str(one.conditions), one.measured) for one in found] == [
        (1, str(Conditions.read(EXAMPLE)), first),
        (2, str(Conditions.read(HOT)), second),
    ]
    surface = LABORATORY.surface
    for one in found:
        expected = normalised_advantage(surface.true(one.conditions), surface.mean, surface.highest)
        assert one.advantage == pytest.approx(expected)


async def test_ten_turns_and_then_the_answer() -> None:
    def say(request: Request, index: int) -> str:
        if "Give the final answer now" in request.messages[-1].content:
            return f" {EXAMPLE}"
        return f"Thought: number {index}.\nSEARCH: design number {index}"

    policy = ScriptedPolicy(say)
    result = await asolve(LABORATORY.task, blueprint="coscientist", policy=policy, tools=LABORATORY.tools)
    assert len(notes(result)) == 10
    assert len(policy.requests) == 11
    assert result.answer == EXAMPLE


async def test_experiments_are_counted_and_only_those_that_were_run() -> None:
    warm = [EXAMPLE.replace("80", str(at)) for at in (60, 61, 62, 63)]
    turns = ["EXPERIMENT: {}", *(f"EXPERIMENT: {at}" for at in warm), "SEARCH: noise", f"Answer: {warm[0]}"]
    result, _ = await run(turns, {"operators.enrich.experiments": 2})
    seen = [note for _, note in notes(result)]
    assert [note.startswith("Observation: Yield") for note in seen] == [False, True, True, False, False, False]
    assert seen[3] == seen[4] == "bad call: all 2 experiments are used up: give the answer"
    assert seen[5].startswith("Observation: ")
    assert len(LABORATORY.experiments(result.trace)) == 2
    again = fold(result.trace)  # as after a resume: nothing but the trace
    settings = Enrich(one_command=True, experiments=2)
    assert "used up" in str(turn(Call("enrich", (4,), 1), again, settings))
    assert not isinstance(turn(Call("enrich", (2,), 1), again, settings), str)  # it is itself one of the two


@needs_sandbox
async def test_programs_run_in_the_sandbox() -> None:
    result, _ = await run(["PYTHON:\n```python\nprint(6 * 7)\n```", f"Answer: {EXAMPLE}"])
    assert notes(result) == [("tool", "Observation: 42")]


async def test_a_command_without_its_tool_is_feedback() -> None:
    result, _ = await run([f"EXPERIMENT: {EXAMPLE}", "Answer: none"], tools=LABORATORY.tools[:3])
    assert notes(result)[0][1].startswith("bad call: there is no tool 'experiment'")


async def test_an_experiment_waits_for_leave_and_stands_behind_the_safety_check(tmp_path: Path) -> None:
    options: dict[str, Any] = {"checkpoint": tmp_path / "runs.sqlite", "run_id": "r", "safety": "hazards"}
    changes = {"operators.enrich.approve": True}
    turns = ["SEARCH: sarin", f"EXPERIMENT: {EXAMPLE}", f"Answer: {EXAMPLE}"]
    with pytest.raises(NeedsPerson) as waits:
        await run(turns, changes, **options)
    assert waits.value.question["command"] == f"experiment[{EXAMPLE}]"  # nobody was asked about what is refused
    result, policy = await run(turns[2:], changes, reply="yes", **options)
    assert notes(result)[0][1].startswith("Observation: refused by the safety check: sarin")
    assert len(LABORATORY.experiments(result.trace)) == policy.samples == 1


@pytest.mark.slow
def test_the_report_stands_beside_chance_and_bayesian_optimisation() -> None:
    pytest.importorskip("skopt")
    turns = [f"EXPERIMENT: {EXAMPLE}", f"EXPERIMENT: {HOT}", "Answer: x"]
    result, _ = asyncio.run(run(turns))
    curves = LABORATORY.compare(result.trace)
    assert {name: len(curve) for name, curve in curves.items()} == {"run": 2, "random": 2, "bayesian": 2}
    assert all(value <= 1.0 for curve in curves.values() for value in curve)
    best = max((EXAMPLE, HOT), key=lambda at: LABORATORY.surface.measured(Conditions.read(at)))
    assert curves["run"][-1] == LABORATORY.surface.advantage(Conditions.read(best))


async def test_the_library_is_the_users_own_where_one_is_given() -> None:
    search = Laboratory(Surface(3), {"Paper 7": "K3PO4 works in dioxane."}).tools[0]
    assert await search.call("dioxane") == "Paper 7: K3PO4 works in dioxane."
    assert await LABORATORY.tools[0].call("zebra") == f"Nothing was found. There are: {'; '.join(NOTES)}."


def test_no_page_tells_any_gold() -> None:
    for surface in map(Surface, range(2)):
        shown = " ".join((*PAGES.values(), *NOTES.values(), Laboratory(surface).task.question))
        assert f"{surface.highest:.1f}" not in shown
        assert str(surface.best) not in shown
