"""Memory in the run: where it stands in the trace, what it never does, and what a resumed run pays."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from tests.support.author import author
from tests.support.engine import value_of

from reflectree.graphs import blueprints
from reflectree.graphs.memory.access import Memory
from reflectree.graphs.reasoning import build_graph
from reflectree.graphs.result import Result
from reflectree.graphs.run import aresume, asaved_trace, asolve
from reflectree.memory import NumpyStore
from reflectree.memory.ledger import Ledger
from reflectree.memory.recall import Recall as MemoryRecall
from reflectree.memory.records import Concept, Experience, Origin, Reflection, Skill
from reflectree.models.base import Request
from reflectree.models.fakes import Scripted, ScriptedPolicy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Answered, Enriched, Failed
from reflectree.rlm_ops.reflected import Reflected
from reflectree.rlm_ops.remembering import Recall
from reflectree.rlm_ops.structure import fold
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace

MEMORY_SYSTEMS = ("reflexion", "expel", "reasoningbank", "awm", "clin", "ace", "dynamic-cheatsheet", "voyager")
LESSON = "Count the posts, and not the gaps between them."


class Check:
    """Says that 14 is right; knows the gold answer where it is told so."""

    name = "check"

    def __init__(self, *, gold: bool = False) -> None:
        self.gold = gold

    def score(self, answer: str) -> float:
        return float(answer.strip() == "14")


def say(request: Request, sample: int) -> str:
    """Falls into the trap, unless the lesson is in view; answers everything that learning asks."""
    asked = request.json_schema["properties"] if request.json_schema is not None else {}
    if "lessons" in asked:
        lesson = {"title": "Posts", "lesson": LESSON, "applies": "fences", "excludes": ""}
        return json.dumps({"cause": "gaps were counted", "lessons": [lesson], "tags": []})
    if "operations" in asked:
        return json.dumps({"operations": [{"op": "ADD", "number": 0, "text": LESSON}]})
    if "statements" in asked:
        statement = {"cause": "a drawing", "relation": "may be necessary", "effect": "a count"}
        return json.dumps({"statements": [statement]})
    if "body" in asked:
        return json.dumps({"name": "posts", "description": "Counts the posts of a fence.", "body": "1. Draw {fence}."})
    if "success" in asked:
        return json.dumps({"reason": "checked", "success": "14" in request.messages[-1].content})
    user = request.messages[-1].content
    if "whole new sheet" in user:
        return LESSON
    if "What to do differently?" in user:
        return LESSON
    return "I draw it.\nAnswer: 14" if LESSON in user else "I guess.\nAnswer: 13"


def ledger(**options: Any) -> Ledger:
    return Ledger(store=NumpyStore(index={"embed": "hashing", "fields": ["text"]}), **options)


def plan(*learn: dict[str, Any], strategy: str = "cot", **memory: Any) -> Blueprint:
    return Blueprint.parse(
        {
            "name": "small",
            "scheme": {"granularity": "solution", "strategy": {"name": strategy}},
            "memory": {"recall": {"control": 0.0, "probation": 6}, "learn": list(learn), **memory},
        }
    )


REFLECTS = plan({"how": "experience"}, {"how": "reflect"})


async def run(question: str, memory: Any, policy: Any = None, **options: Any) -> Result:
    return await asolve(
        Task(question),
        policy=policy or ScriptedPolicy(say),
        memory=memory,
        **{"blueprint": REFLECTS, "verifier": Check(), **options},
    )


async def test_a_lesson_of_one_run_stands_in_the_trace_and_the_prompts_of_the_next() -> None:
    book = ledger()
    first = await run("How many posts has a fence of 13 gaps?", book, run_id="one")
    assert [event.op for event in first.trace] == ["task", "generate", "reflect", "reflect", "reflect", "answer"]
    assert not first.selected_correct
    policy = ScriptedPolicy(say)
    second = await run("How many posts has a hedge of 13 gaps?", book, policy, run_id="two")
    assert second.selected_correct
    began = second.trace.began
    assert began is not None
    assert began.arm == "memory"
    (lesson,) = (row for row in began.recalled if row["kind"] == "reflection")
    assert LESSON in lesson["text"]
    assert lesson["id"] in book.state.records
    turns = policy.requests[0].messages
    assert LESSON in turns[-1].content
    assert LESSON not in turns[0].content, "never in the system prompt"
    assert fold(second.trace).path(0).notes.count(LESSON) == 1, "replay needs no store"
    assert book.get(lesson["id"]).standing.wins == 1


async def test_the_trace_survives_its_file_and_its_checks(tmp_path: Path) -> None:
    book = ledger()
    await run("How many posts has a fence of 13 gaps?", book)
    result = await run("How many posts has a hedge of 13 gaps?", book)
    loaded = Trace.load(result.trace.save(tmp_path / "trace.jsonl"))
    assert loaded == result.trace
    assert loaded.verify() == []
    assert result.usage == fold(result.trace).usage


async def test_without_memory_a_blueprint_with_a_memory_part_runs_as_its_strategy_alone() -> None:
    policy = ScriptedPolicy(say)
    result = await run("How many posts?", None, policy)
    assert [event.op for event in result.trace] == ["task", "generate", "answer"]
    assert result.trace.began is not None
    assert result.trace.began.arm == ""


async def test_a_plain_blueprint_with_a_memory_gets_the_usual_part() -> None:
    book = ledger()
    result = await run("How many posts?", book, blueprint="cot")
    assert {record.kind for record in book.state.records.values()} == {"reflection"}
    assert result.trace.began is not None
    assert "memory" in result.trace.began.blueprint
    assert "memory" not in blueprints.load("cot").model_dump()


async def test_a_test_task_recalls_and_leaves_nothing_behind() -> None:
    book = ledger()
    await run("How many posts has a fence of 13 gaps?", book)
    before = book.state.seq
    result = await run("How many posts has a hedge of 13 gaps?", Memory(book, split="test"))
    assert result.selected_correct
    assert book.state.seq == before
    assert not [event for event in result.trace if isinstance(event, Reflected) and event.how != "outcome"]


async def test_gold_never_reaches_the_memory() -> None:
    book = ledger()
    result = await run("How many posts?", book, verifier=Check(gold=True), blueprint=plan({"how": "reflect"}))
    outcome = next(event for event in result.trace if isinstance(event, Reflected))
    assert outcome.source == "self", "the policy was asked, for the verifier may not say"
    with pytest.raises(BadInput, match="oracle=True"):
        await run("How many posts?", book, verifier=Check(gold=True), oracle=True)
    knowing = ledger(oracle=True)
    await run("How many posts?", knowing, verifier=Check(gold=True), oracle=True)
    assert {record.origin.source for record in knowing.state.records.values()} == {"gold"}


async def test_what_memory_said_is_not_learnt_again() -> None:
    book = ledger()
    await run("How many posts has a fence of 13 gaps?", book)
    count = sum(isinstance(record, Reflection) for record in book.state.records.values())
    for length in range(3):
        await run(f"How many posts has a hedge of {length} gaps?", book)
    assert sum(isinstance(record, Reflection) for record in book.state.records.values()) == count == 1


async def test_a_model_that_cannot_reflect_still_answers() -> None:
    def broken(request: Request, sample: int) -> Scripted:
        return "{" if request.json_schema else say(request, sample)

    book = ledger()
    result = await run("How many posts?", book, ScriptedPolicy(broken))
    assert result.answer == "13"
    (failed,) = (event for event in result.trace if isinstance(event, Failed))
    assert failed.of == "reflect"
    assert {record.kind for record in book.state.records.values()} == {"experience"}


async def test_no_cap_is_exceeded_by_learning() -> None:
    result = await run("How many posts?", ledger(), budget=Budget(calls=1))
    assert result.usage.calls == 1
    assert result.answer == "13"
    assert [event.reason for event in result.trace if isinstance(event, Failed)] == [
        "the budget's cap on calls is reached"
    ]


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_killed_run_pays_no_stage_of_learning_twice(at: int) -> None:
    """Killed when it makes a request of some number: what had settled before is not asked again."""
    blueprint = plan({"how": "reflect"}, {"how": "curate"}, {"how": "concepts"})
    book, saver = ledger(), InMemorySaver()

    def dying(number: int) -> float:
        if number == at:
            work.cancel()
        return 0.01

    first = ScriptedPolicy(say, latency=dying)
    work = asyncio.ensure_future(run("How many posts?", book, first, blueprint=blueprint, checkpoint=saver, run_id="r"))
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert len(first.requests) == at + 1
    saved = await asaved_trace("r", saver)
    assert not book.state.records, "a run that has not ended leaves nothing behind"
    second = ScriptedPolicy(say)
    result = await run("How many posts?", book, second, blueprint=blueprint, checkpoint=saver, run_id="r")
    assert result.trace.rows[: len(saved)] == saved.rows
    assert result.trace.verify() == []
    assert len(second.requests) == 4 - at
    assert result.usage.calls == 4
    assert len(book.state.closed) == 1
    assert {record.kind for record in book.state.records.values()} == {"reflection", "concept"}
    seq = book.state.seq
    third = ScriptedPolicy(say)
    again = await run("How many posts?", book, third, blueprint=blueprint, checkpoint=saver, run_id="r")
    assert (again.trace, third.requests, book.state.seq) == (result.trace, [], seq)


async def test_a_graph_of_ones_own_has_the_nodes() -> None:
    book = ledger()
    graph = build_graph(REFLECTS, ScriptedPolicy(say), verifier=Check(), memory=book).compile()
    assert {"recall", "controller", "reflect", "answer"} <= set(graph.get_graph().nodes)
    state = await graph.ainvoke({"task": "How many posts?"})
    assert state["answer"] == "13"
    assert book.state.clock == 1
    plain = build_graph("cot", ScriptedPolicy(say)).compile()
    assert "reflect" not in plain.get_graph().nodes


@pytest.mark.parametrize(
    ("feedback", "given", "message"),
    [
        ("verifier", {"verifier": None}, "memory.feedback is verifier"),
        ("tests", {}, "memory.feedback is tests"),
        ("env", {}, "memory.feedback is env"),
    ],
)
async def test_a_source_of_feedback_that_is_not_there_is_refused_before_anything_is_paid(
    feedback: str, given: dict[str, Any], message: str
) -> None:
    policy = ScriptedPolicy(say)
    with pytest.raises(BadInput, match=message):
        await run("How many posts?", ledger(), policy, blueprint=plan(feedback=feedback), **given)
    assert not policy.requests


async def test_what_is_no_memory_is_refused() -> None:
    with pytest.raises(BadInput, match="give a folder"):
        await run("How many posts?", 42)
    with pytest.raises(BadInput, match=r"memory.learn wants a model for the role 'professor'"):
        await run("How many posts?", ledger(), blueprint=plan({"how": "reflect", "model": "professor"}))


async def test_a_folder_is_opened_and_closed(tmp_path: Path) -> None:
    pytest.importorskip("chromadb")
    from reflectree.graphs.memory.access import open_ledger

    book = open_ledger(tmp_path / "memory", embedder="hashing")
    await run("How many posts has a fence of 13 gaps?", book)
    Memory(book).close()
    again = open_ledger(tmp_path / "memory", embedder="hashing")
    result = await run("How many posts has a hedge of 13 gaps?", again)
    assert result.selected_correct
    Memory(again).close()


def test_the_settings_are_those_of_recall() -> None:
    assert MemoryRecall(**Recall().model_dump()).model_dump() == Recall().model_dump()
    assert set(MemoryRecall.model_fields) == set(Recall.model_fields)


@pytest.mark.parametrize("name", MEMORY_SYSTEMS)
async def test_every_memory_system_learns_what_is_its_own(name: str) -> None:
    book = ledger()
    blueprint = blueprints.load(name)
    if blueprint.memory is not None and blueprint.memory.recall is not None:
        blueprint = blueprint.with_overrides({"memory.recall.control": 0.0})
    for number in range(2):
        result = await run(f"How many posts has a fence of {number} gaps?", book, blueprint=blueprint)
        assert result.trace.verify() == []
        assert isinstance(result.trace[-1], Answered)
        assert not [event for event in result.trace if isinstance(event, Failed)]
    kinds = {type(record) for record in book.state.records.values()}
    wanted: dict[str, set[type]] = {
        "reflexion": set(),
        "expel": {Experience, Reflection},
        "reasoningbank": {Reflection},
        "awm": set(),  # nothing it did was judged a success
        "clin": {Experience, Concept},
        "ace": {Reflection},
        "dynamic-cheatsheet": {Reflection},
        "voyager": {Skill},
    }
    assert kinds == wanted[name]


async def test_reflexion_tries_again_with_its_reflection_in_view() -> None:
    policy = ScriptedPolicy(say)
    result = await run("How many posts?", None, policy, blueprint="reflexion")
    assert result.selected_correct
    ops = [event.op for event in result.trace]
    assert ops == ["task", "generate", "evaluate", "enrich", "generate", "evaluate", "answer"]
    (lesson,) = (event for event in result.trace if isinstance(event, Enriched))
    assert lesson.note == LESSON
    assert "as said by: verifier" in policy.requests[1].messages[-1].content


async def test_workflows_come_from_what_was_judged_a_success() -> None:
    book = ledger()
    book.write(Reflection(lesson=LESSON, task="How many posts?", origin=Origin(source="user")))
    blueprint = blueprints.load("awm").with_overrides(
        {"memory.recall.control": 0.0, "memory.recall.kinds": {"reflection": 1, "skill": 5}}
    )
    await run("How many posts has a fence?", book, blueprint=blueprint)
    assert [record.kind for record in book.state.records.values()] == ["reflection", "skill"]


async def test_a_sheet_is_written_without_anybody_saying_whether_it_was_right() -> None:
    policy, book = ScriptedPolicy(say), ledger()
    blueprint = blueprints.load("dynamic-cheatsheet").with_overrides({"memory.recall.control": 0.0})
    for number in range(2):
        await run(f"How many posts has a fence of {number} gaps?", book, policy, blueprint=blueprint, verifier=None)
    assert len(policy.requests) == 4, "an answer and a sheet each, and no judge"
    assert [record.kind for record in book.state.records.values()] == ["reflection"]


async def test_a_run_without_an_answer_teaches_nothing() -> None:
    book = ledger()
    result = await run("How many posts?", book, budget=Budget(calls=0))
    assert result.answer is None
    assert not book.state.records
    assert len(book.state.closed) == 1
    assert book.state.clock == 0


async def test_the_attempts_of_one_run_are_contrasted() -> None:
    """MaTTS: several attempts, one conversation that shows them all, at most five lessons."""
    policy, book = ScriptedPolicy(say), ledger()
    await run("How many posts?", book, policy, blueprint="reasoningbank", verifier=None)
    contrast = next(one for one in policy.requests if one.json_schema and "lessons" in one.json_schema["properties"])
    assert contrast.messages[-1].content.count("<attempt>") == 5
    assert contrast.temperature == 0.7
    (lesson,) = book.state.records.values()
    assert lesson.origin.source == "self", "the policy judged itself, and the record says so"
    judged = ledger()
    await run("How many posts?", judged, blueprint="reasoningbank", verifier=None, judge=ScriptedPolicy(say))
    assert {record.origin.source for record in judged.state.records.values()} == {"judge"}


class FullDisk(Ledger):
    """A ledger that cannot write any more when a run is settled."""

    def settle(self, run: str, **outcome: Any) -> None:
        raise BadInput("cannot write the ledger: no space left on device")


async def test_an_answer_is_not_lost_because_the_memory_cannot_be_written() -> None:
    book = FullDisk(store=NumpyStore(index={"embed": "hashing", "fields": ["text"]}))
    result = await run("How many posts?", book)
    assert result.answer == "13"
    (failed,) = (event for event in result.trace if isinstance(event, Failed))
    assert (failed.of, failed.how) == ("reflect", "keep")
    assert "no space left" in failed.reason
    assert result.trace.verify() == []


@pytest.mark.parametrize("name", ["mcts", "beam", "lats", "self-refine", "forest", "got"])
async def test_any_system_can_have_a_memory(name: str) -> None:
    book = ledger()
    for number in range(2):
        result = await asolve(
            f"What is 6 times {number}?",
            blueprint=name,
            policy=author(),
            evaluator=value_of,
            memory=book,
            budget=Budget(calls=40),
            concurrency=4,
            seed=number,
        )
        assert result.trace.verify() == []
        assert isinstance(result.trace[-1], Answered)
        assert result.usage == fold(result.trace).usage
        first = next(event for event in result.trace if isinstance(event, Reflected))
        assert first.source == "env" or first.items[0]["success"] is None
        learnt = [event.op for event in result.trace].index("reflect")
        assert not {"generate", "evaluate"} & {event.op for event in result.trace[learnt:]}, (
            "the search is over by then"
        )
    assert len(book.state.closed) == 2


async def test_a_run_is_resumed_with_its_memory_part() -> None:
    book, saver = ledger(), InMemorySaver()

    def dying(number: int) -> float:
        if number == 1:
            work.cancel()
        return 0.01

    policy = ScriptedPolicy(say, latency=dying)
    work = asyncio.ensure_future(run("How many posts?", book, policy, checkpoint=saver, run_id="r"))
    with contextlib.suppress(asyncio.CancelledError):
        await work
    result = await aresume("r", saver, policy=ScriptedPolicy(say), verifier=Check(), memory=book)
    assert result.trace.verify() == []
    assert len(book.state.closed) == 1
    assert {record.kind for record in book.state.records.values()} == {"experience", "reflection"}


async def test_rules_are_learnt_from_lists_of_successes() -> None:
    """ExpeL's lists: every third success is looked at with the two before it, and they are the rules' parents."""
    blueprint = plan(
        {"how": "experience", "when": "success"},
        {"how": "curate", "when": "success", "batch": 3, "most": 4},
        recall={"control": 0.0, "kinds": {"skill": 1}},
    )

    def right(request: Request, sample: int) -> str:
        return say(request, sample) if request.json_schema else f"I draw {request.seed}.\nAnswer: 14"

    book, asked = ledger(), []
    for number in range(5):
        policy = ScriptedPolicy(right)
        result = await run(f"How many posts has fence {number}?", book, policy, blueprint=blueprint)
        assert result.trace.verify() == []
        asked.append([one.messages[-1].content for one in policy.requests if one.json_schema is not None])
    assert [len(prompts) for prompts in asked] == [0, 0, 1, 0, 0]
    (prompt,) = asked[2]
    assert prompt.count("<attempt>") == 3
    assert all(f"How many posts has fence {number}?" in prompt for number in range(3))
    assert "all of them succeeded" in prompt
    (rule,) = (record for record in book.state.records.values() if isinstance(record, Reflection))
    seen = [record for record in book.state.records.values() if isinstance(record, Experience)]
    assert rule.origin.parents == tuple(one.id for one in seen[:3])
    book.forget(seen[0].id)
    assert rule.id not in book.state.records
    with pytest.raises(BadInput, match="rules of successes"):
        plan({"how": "curate", "batch": 8})
