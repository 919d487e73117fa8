"""A person in the loop: asked through an interrupt, once, and nothing is paid twice for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

from reflectree.agents.asking import Question
from reflectree.graphs import blueprints
from reflectree.graphs.checkpoint import open_saver
from reflectree.graphs.reasoning import build_graph
from reflectree.graphs.run import aresume, asaved_trace, asolve
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput, NeedsPerson
from reflectree.rlm_ops.events import Enriched, Evaluated, Failed, Grown
from reflectree.rlm_ops.strategies import STRATEGIES, Strategy
from reflectree.rlm_ops.strategies.base import Limits
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.trace import Trace

ASK = "What is 6 times 7?"


def script() -> ScriptedPolicy:
    return ScriptedPolicy(
        [
            "Thought: multiply.\nAction: calculator[6 * 7]",
            "Thought: once more.\nAction: calculator[6 * 7 + 0]",
            "Thought: done.\nAction: finish[42]",
        ]
    )


def react(**changes: Any) -> Blueprint:
    return blueprints.load("react").with_overrides({f"operators.enrich.{key}": value for key, value in changes.items()})


APPROVED = react(approve=True)
TALK = react(kind="human")


def sources(trace: Trace) -> list[tuple[str, str]]:
    return [(event.source, event.note) for event in trace if isinstance(event, Enriched)]


class People:
    """Answers from a list, and remembers what was asked."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> str:
        self.asked.append(question)
        return self.replies[len(self.asked) - 1]


async def test_a_person_answers_in_this_process() -> None:
    people, policy = People("use the table", "good"), script()
    result = await asolve(ASK, blueprint=TALK, policy=policy, person=people)
    assert result.answer == "42"
    assert [(question.kind, question.node) for question in people.asked] == [("reply", 1), ("reply", 2)]
    assert sources(result.trace) == [("human", "use the table"), ("human", "good")]
    assert "Action: calculator[6 * 7]\nPerson: use the table\n" in policy.requests[1].prefill
    assert "Step 1:\nThought: multiply." in str(people.asked[0])
    assert result.usage.calls == policy.samples == 3


async def test_a_person_who_is_async() -> None:
    async def say(question: Question) -> str:
        await asyncio.sleep(0)
        return f"about {question.node}"

    result = await asolve(ASK, blueprint=TALK, policy=script(), person=say)
    assert sources(result.trace)[0] == ("human", "about 1")


async def test_leave_is_asked_for_before_a_command_is_carried_out() -> None:
    done: list[str] = []

    def calculator(expression: str) -> str:
        """Work it out."""
        done.append(expression)
        return "42"

    people = People("Yes.", "no, you have it already")
    result = await asolve(ASK, blueprint=APPROVED, policy=script(), tools=[calculator], person=people)
    assert done == ["6 * 7"]
    assert [question.command for question in people.asked] == ["calculator[6 * 7]", "calculator[6 * 7 + 0]"]
    assert sources(result.trace) == [
        ("tool", "Observation: 42"),
        ("human", "refused: a person did not allow it (no, you have it already)"),
    ]
    decisions = [event for event in result.trace if isinstance(event, Evaluated)]
    assert [(event.node, event.value, event.aside, event.source) for event in decisions] == [
        (1, 1.0, True, "human"),
        (2, 0.0, True, "human"),
    ]
    assert result.answer == "42"
    assert result.usage.calls == 3


async def test_the_run_waits_in_its_checkpoint_for_each_reply(tmp_path: Path) -> None:
    file, before = tmp_path / "runs.sqlite", script()
    with pytest.raises(NeedsPerson) as first:
        await asolve(ASK, blueprint=APPROVED, policy=before, tools=["calculator"], checkpoint=file, run_id="r")
    assert "run r waits for a person (approval at step 1)" in str(first.value)
    assert first.value.question["command"] == "calculator[6 * 7]"
    assert before.samples == 1
    policy = ScriptedPolicy(lambda request, index: script_from(request))
    given: dict[str, Any] = {"policy": policy, "tools": ["calculator"]}
    with pytest.raises(NeedsPerson) as second:  # nobody replied: the same question, and nothing paid
        await aresume("r", file, **given)
    assert second.value.question == first.value.question
    assert policy.samples == 0
    with pytest.raises(NeedsPerson) as third:
        await aresume("r", file, reply="yes", **given)
    assert third.value.question["command"] == "calculator[6 * 7 + 0]"
    result = await aresume("r", file, reply="no", **given)
    assert result.answer == "42"
    assert result.usage.calls == 3
    assert policy.samples == 2
    assert [source for source, _ in sources(result.trace)] == ["tool", "human"]
    here = await asolve(ASK, blueprint=APPROVED, policy=script(), tools=["calculator"], person=People("yes", "no"))
    assert here.trace.rows == result.trace.rows  # where and when a person answers does not matter
    again = await aresume("r", file, reply="yes", **given)  # finished: nobody is asked, nothing is paid
    assert again.trace == result.trace


def script_from(request: Request) -> str:
    """What the policy says next, from what it sees alone: as a model in another process would."""
    turns = request.prefill.count("Thought:")
    return [
        "Thought: multiply.\nAction: calculator[6 * 7]",
        "Thought: once more.\nAction: calculator[6 * 7 + 0]",
        "Thought: done.\nAction: finish[42]",
    ][turns]


async def test_a_person_may_come_later(tmp_path: Path) -> None:
    file = tmp_path / "runs.sqlite"
    with pytest.raises(NeedsPerson):
        await asolve(ASK, blueprint=TALK, policy=script(), checkpoint=file, run_id="r")
    people = People("fine", "fine")
    policy = ScriptedPolicy(lambda request, index: script_from(request))
    result = await aresume("r", file, policy=policy, person=people)
    assert result.answer == "42"
    assert len(people.asked) == 2
    assert policy.samples == 2


@pytest.mark.parametrize("blueprint", [APPROVED, TALK])
async def test_without_anybody_to_ask_nothing_is_paid(blueprint: Blueprint) -> None:
    policy = script()
    with pytest.raises(BadInput, match=r"react asks a person: give person="):
        await asolve(ASK, blueprint=blueprint, policy=policy, tools=["calculator"])
    graph = build_graph(blueprint, policy, tools=["calculator"]).compile()
    with pytest.raises(BadInput, match=r"react asks a person: give person="):
        await graph.ainvoke({"task": ASK})
    assert policy.samples == 0


async def test_a_reply_that_nobody_waits_for_is_refused(tmp_path: Path) -> None:
    policy = script()
    with pytest.raises(BadInput, match="waits for no reply"):
        await asolve(ASK, blueprint=TALK, policy=policy, checkpoint=tmp_path / "c", run_id="r", reply="yes")
    with pytest.raises(BadInput, match="person="):
        await asolve(ASK, blueprint=TALK, policy=policy, person="me")  # type: ignore[arg-type]
    assert policy.samples == 0


async def test_the_plain_protocol_of_langgraph_in_a_graph_of_the_users_own(tmp_path: Path) -> None:
    policy = script()
    config: RunnableConfig = {"configurable": {"thread_id": "mine"}}
    graph = build_graph(APPROVED, policy, tools=["calculator"]).compile(checkpointer=InMemorySaver())
    state = await graph.ainvoke({"task": ASK}, config, durability="sync")
    (asked,) = state["__interrupt__"]
    assert asked.value["command"] == "calculator[6 * 7]"
    state = await graph.ainvoke(Command(resume="yes"), config, durability="sync")
    state = await graph.ainvoke(Command(resume={state["__interrupt__"][0].id: "no"}), config, durability="sync")
    assert state["answer"] == "42"
    assert "__interrupt__" not in state
    assert policy.samples == 3

    file = str(tmp_path / "own.sqlite")
    replies: list[Any] = [{"task": ASK}, Command(resume=True), Command(resume={"reply": "ok"})]
    samples = 0
    for reply in replies:  # each in a process of its own, as far as the graph can tell
        one = ScriptedPolicy(lambda request, index: script_from(request))
        async with AsyncSqliteSaver.from_conn_string(file) as saver:
            graph = build_graph(APPROVED, one, tools=["calculator"]).compile(checkpointer=saver)
            state = await graph.ainvoke(reply, config, durability="sync")
        samples += one.samples
    assert state["answer"] == "42"
    assert samples == 3
    assert [note for _, note in sources(Trace.from_rows(state["trace"]))] == ["Observation: 42"] * 2


async def test_a_question_waits_until_nothing_else_is_in_flight(tmp_path: Path) -> None:
    blueprint = blueprints.load(APPROVED).with_overrides({"scheme.strategy.chains": 3})
    in_flight: list[int] = []
    policy = ScriptedPolicy(lambda request, index: script_from(request), latency=lambda number: 0.002 * (number % 3))

    def person(question: Question) -> str:
        in_flight.append(policy._in_flight)
        return "yes"

    result = await asolve(ASK, blueprint=blueprint, policy=policy, tools=["calculator"], person=person)
    assert in_flight == [0] * 6
    assert result.usage.calls == len(policy.requests) == 7  # the first asks for three samples
    assert result.answer == "42"

    file, samples, asked = tmp_path / "runs.sqlite", 0, []
    options: dict[str, Any] = {"tools": ["calculator"], "checkpoint": file, "run_id": "r", "blueprint": blueprint}
    reply = None
    while True:
        policy = ScriptedPolicy(lambda request, index: script_from(request), latency=lambda number: 0.002)
        try:
            final = await asolve(ASK, policy=policy, reply=reply, **options)
        except NeedsPerson as waits:
            asked.append((waits.question["node"], waits.question["command"]))
            reply = "yes"
        else:
            break
        finally:
            samples += len(policy.requests)
    assert len(asked) == len(set(asked)) == 6
    assert samples == final.usage.calls == 7


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("blueprint", [APPROVED, TALK])
@pytest.mark.parametrize("commit", range(1, 12))
async def test_killed_between_question_and_reply(
    blueprint: Blueprint, commit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = kills = 0
    asked: list[int] = []
    reply: str | None = None
    with open_saver(tmp_path / "runs.sqlite") as saver:
        put, count = saver.aput, 0

        async def aput(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            if count == commit:
                raise Killed
            return await put(*arguments)

        monkeypatch.setattr(saver, "aput", aput)
        while True:
            policy = ScriptedPolicy(lambda request, index: script_from(request))
            options: dict[str, Any] = {"policy": policy, "tools": ["calculator"], "checkpoint": saver, "run_id": "r"}
            try:
                result = await asolve(ASK, blueprint=blueprint, reply=reply, **options)
            except NeedsPerson as waits:
                asked.append(waits.question["node"])
                reply = "yes"
            except Killed:
                kills, reply = kills + 1, None  # whether the reply was saved is not known: the run asks again if not
            except BadInput as error:
                raise AssertionError from error
            else:
                break
            finally:
                samples += policy.samples
    assert kills == 1
    assert result.usage.calls == 3
    assert samples <= 3 + 1  # the call in flight
    assert set(asked) == {1, 2}
    assert len(asked) <= 3  # only a question whose reply was not saved is asked again


async def test_the_time_of_a_person_is_not_the_runs() -> None:
    async def slow(question: Question) -> str:
        await asyncio.sleep(0.4)
        return "go on"

    result = await asolve(ASK, blueprint=TALK, policy=script(), person=slow, budget=Budget(seconds=0.5))
    assert result.stop_reason == "complete"


async def test_silence_is_a_failed_call_and_the_run_goes_on() -> None:
    policy = ScriptedPolicy(lambda request, index: "Answer: 42" if index else "Thought: multiply.\nAction: ask[you]")
    result = await asolve(ASK, blueprint=TALK, policy=policy, person=lambda question: "  ")
    assert result.answer == "42"
    (failed,) = [event for event in result.trace if isinstance(event, Failed)]
    assert failed.reason == "the person said nothing"


async def test_a_person_who_raises_ends_the_run_and_it_can_go_on(tmp_path: Path) -> None:
    def gone(question: Question) -> str:
        raise KeyError("left the room")

    file = tmp_path / "runs.sqlite"
    with pytest.raises(KeyError):
        await asolve(ASK, blueprint=TALK, policy=script(), person=gone, checkpoint=file, run_id="r")
    assert len([event for event in await asaved_trace("r", file) if isinstance(event, Grown)]) == 1
    policy = ScriptedPolicy(lambda request, index: script_from(request))
    result = await aresume("r", file, policy=policy, person=lambda question: "back")
    assert (result.answer, policy.samples) == ("42", 2)


async def test_a_nested_run_cannot_wait_by_itself() -> None:
    outer = Blueprint.parse(
        {
            "name": "outer",
            "scheme": {
                "structure": "forest",
                "granularity": "solution",
                "strategy": {"name": "forest", "trees": 1, "consensus": None, "judge_ties": False},
            },
            "operators": {
                "generate": {"variants": {"tree": {"nested": {"blueprint": TALK.model_dump(mode="json")}}}},
            },
            "selection": "majority",
        }
    )
    with pytest.raises(BadInput, match="nested blueprint react asks a person"):
        await asolve(ASK, blueprint=outer, policy=script())
    people = People("fine", "fine")
    result = await asolve(ASK, blueprint=outer, policy=script(), person=people)
    assert (result.answer, len(people.asked)) == ("42", 2)


async def test_leave_for_commands_in_an_environment(tmp_path: Path) -> None:
    from reflectree.graphs.embodied.toy import Toy

    way = Toy("kitchen", 1).expert()
    blueprint = blueprints.load("react-env").with_overrides({"operators.enrich.approve": True})

    def say(request: Request, index: int) -> str:
        done = request.prefill.count("Observation: You")
        taken = way[done] if done < len(way) else "look"
        return f"Thought: on we go.\nAction: {taken}" if "refused:" in request.prefill else "Action: go to hall"

    asked: list[str] = []
    reply: str | None = None
    samples = 0
    file = tmp_path / "runs.sqlite"
    while True:
        policy = ScriptedPolicy(say)
        options: dict[str, Any] = {"policy": policy, "environment": "toy/kitchen-1", "checkpoint": file, "run_id": "r"}
        try:
            result = await asolve("Warm the apple.", blueprint=blueprint, reply=reply, **options)
        except NeedsPerson as waits:
            asked.append(waits.question["command"])
            reply = "yes" if len(asked) > 1 else "no, to the kitchen"
        else:
            break
        finally:
            samples += policy.samples
    assert asked == ["go to hall", *way]
    assert result.answer == "\n".join(way)  # what was refused was never carried out, nor replayed
    assert result.selected_correct
    assert samples == result.usage.calls == len(way) + 1
    assert ("human", "refused: a person did not allow it (no, to the kitchen)") in sources(result.trace)


class Guided(Strategy):
    """A step, a person's word on it by the variant `human`, a word on the task, and the answer."""

    name: ClassVar[str] = "guided"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "enrich"})

    def variants(self) -> list[tuple[str, str]]:
        return [("enrich", "human"), ("generate", "last")]

    def limits(self) -> Limits:
        return Limits(2, 2, 2)

    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        for call in (
            Call("generate", (0,)),
            Call("enrich", (1,), 0, "human"),
            Call("enrich", (0,), 0, "human"),
            Call("generate", (1,), 0, "last"),
        ):
            if structure.is_in_flight(call):
                return []
            if not structure.is_settled(call):
                return [call]
        return []


async def test_a_strategy_asks_by_a_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "guided", Guided)
    blueprint = Blueprint.parse(
        {
            "name": "guided",
            "scheme": {"structure": "chain", "granularity": "step", "strategy": {"name": "guided"}},
            "operators": {
                "generate": {"variants": {"last": {"prompt": "answer", "granularity": "solution"}}},
                "enrich": {"variants": {"human": {"kind": "human", "ask": "Well?"}}},
            },
            "selection": "majority",
        }
    )
    people, policy = People("seven sixes", "mind the units"), ScriptedPolicy(["six sevens", "Answer: 42"])
    result = await asolve(ASK, blueprint=blueprint, policy=policy, person=people)
    assert result.answer == "42"
    assert [question.ask for question in people.asked] == ["Well?"] * 2
    last = policy.requests[-1]
    assert "six sevens\nPerson: seven sixes" in last.prefill
    assert "mind the units" in last.messages[-1].content
    assert "mind the units" not in last.messages[0].content  # data, and no instruction of ours


@pytest.mark.parametrize(("reply", "heard"), [(None, []), ("", []), (False, [("human", "no")]), (7, [("human", "7")])])
async def test_a_function_that_returns_nothing_is_silent_and_says_no_none(
    reply: Any, heard: list[tuple[str, str]]
) -> None:
    turns = ["Thought: multiply.\nAction: ask[you]", "Thought: done.\nAction: finish[42]"]
    result = await asolve(ASK, blueprint=TALK, policy=ScriptedPolicy(turns), person=lambda question: reply)
    assert result.answer == "42"
    assert sources(result.trace)[:1] == heard[:1]
    assert "None" not in str(result.trace.rows[-3:])


def saying(reply: Any) -> Any:
    return lambda question: reply


async def test_leave_may_be_a_truth_value() -> None:
    for reply, note in ((True, "42"), (False, "a person did not allow it"), (None, "a person did not allow it")):
        result = await asolve(ASK, blueprint=APPROVED, policy=script(), tools=["calculator"], person=saying(reply))
        assert sources(result.trace)[0][1].endswith(note), "words that nobody said stand beside no refusal"
