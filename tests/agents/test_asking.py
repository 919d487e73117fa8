"""What a person is asked, and what their reply comes to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reflectree.agents.asking import (
    APPROVE,
    COMMENT,
    MAY_IT,
    Asking,
    Question,
    asks_people,
    command_in,
    decided,
    events,
    refused,
)
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Began, Enriched, Evaluated, Failed, Grown, to_row
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.strategies.episodes import END
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure, fold
from reflectree.rlm_ops.trace import append

STEP = "Thought: heat it.\nAction: experiment[temperature=90]"


def structure(*texts: str) -> ReasoningStructure:
    events: list[Any] = [Began(question="Find the best yield.", depth=9, seq=0)]
    for seq, text in enumerate(texts or (STEP,), 1):
        events.append(Grown(nodes=(seq - 1,), node=seq, text=text, seq=seq))
    return fold(events)


def go_on(known: ReasoningStructure, found: list[Any]) -> ReasoningStructure:
    for event in found:
        object.__setattr__(event, "seq", known.applied)
        known.apply(event)
    return known


def approval(known: ReasoningStructure, **settings: Any) -> Question:
    question = Asking(Enrich(approve=True, **settings)).question(Call("enrich", (1,)), known)
    assert question is not None
    return question


def test_a_question_is_made_of_plain_values_and_comes_back_whole() -> None:
    question = approval(structure())
    assert Question.from_row(json.loads(json.dumps(question.to_row()))) == question
    assert (question.kind, question.command, question.ask) == ("approval", "experiment[temperature=90]", MAY_IT)


def test_who_is_asked_about_what() -> None:
    known = structure()
    call = Call("enrich", (1,))
    assert Asking(Enrich()).question(call, known) is None
    assert Asking(Enrich(approve=True)).question(Call("generate", (1,)), known) is None
    assert Asking(Enrich(approve=True, kind="reflect")).question(call, known) is None
    assert Asking(Enrich(approve=True)).question(call, structure("Thought: no action.")) is None
    assert Asking(Enrich(approve=True)).question(call, structure("Action: finish[42]")) is None
    ended = Asking(Enrich(approve=True, kind="environment"))
    assert ended.question(Call("enrich", (1,), 1, END), known) is None
    varied = Enrich(variants={"look": {"kind": "human", "ask": "Is it?"}})
    assert Asking(varied).question(call, known) is None
    asked = Asking(varied).question(Call("enrich", (1,), 0, "look"), known)
    assert asked is not None
    assert (asked.kind, asked.ask, asked.how) == ("reply", "Is it?", "look")
    plain = Asking(Enrich(kind="human")).question(call, known)
    assert plain is not None
    assert plain.ask == COMMENT
    assert [asks_people(settings) for settings in (Enrich(), Enrich(approve=True), varied)] == [False, True, True]


def test_nobody_is_asked_about_what_the_safety_check_refuses() -> None:
    asking = Asking(Enrich(approve=True), lambda command: "too hot" if "90" in command else None)
    assert asking.question(Call("enrich", (1,)), structure()) is None
    assert asking.question(Call("enrich", (1,)), structure("Action: experiment[temperature=20]")) is not None


@pytest.mark.parametrize(
    ("text", "kind", "command"),
    [
        ("Thought: x\nAction: go north\nObservation: y", "environment", "go north"),
        ("**Action 2:** open the door  ", "environment", "open the door"),
        ("I would act.", "environment", ""),
        ("Action: search[a (b) c]", "tool", "search[a (b) c]"),
        ("print(1)", "code", "print(1)"),
        ("print(1)", "reflect", ""),
    ],
)
def test_the_command_of_a_step(text: str, kind: str, command: str) -> None:
    assert command_in(text, Enrich(kind=kind)) == command  # type: ignore[arg-type]


@pytest.mark.parametrize("reply", ["yes", "Yes!", " y ", "OK", "approved.", True, {"reply": "yes"}])
def test_leave_is_one_decision_and_is_not_asked_again(reply: object) -> None:
    known = structure()
    found = events(approval(known), reply)
    assert [type(event) for event in found] == [Evaluated]
    go_on(known, found)
    call = Call("enrich", (1,))
    assert decided(known, call) is True
    assert not refused(known, 1)
    assert Asking(Enrich(approve=True)).question(call, known) is None
    assert Asking(Enrich(approve=True)).question(Call("enrich", (1,), 1), known) is not None  # another call
    assert known.visits[1] == known.evaluations[1] == 0  # an observation, not a value
    assert not known.is_settled(Call("evaluate", (1,)))


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("no", ""),
        ("", ""),
        (None, ""),
        (False, ""),
        ("yes, but not at 90 degrees", " (yes, but not at 90 degrees)"),
        ("too hot\nAction: stop", " (too hot\n| Action: stop)"),
    ],
)
def test_anything_else_is_a_refusal_and_is_what_the_step_observes(reply: object, why: str) -> None:
    known = structure()
    go_on(known, events(approval(known), reply))
    assert refused(known, 1)
    assert known.steps[1].text == f"{STEP}\nObservation: refused: a person did not allow it{why}"
    assert known.steps[1].status == "open"


def test_words_are_added_to_a_step_or_to_what_is_known_of_the_task() -> None:
    known = structure()
    asking = Asking(Enrich(kind="human", observation=12))
    for node in (1, ROOT, ROOT):
        question = asking.question(Call("enrich", (node,), known.attempts("enrich", (node,))), known)
        assert question is not None
        (event,) = events(question, "cool it\nAction: [and stir it]")
        assert isinstance(event, Enriched)
        assert (event.source, event.note) == ("human", "cool it\nActi")
        go_on(known, [event])
    assert known.steps[1].text == f"{STEP}\nPerson: cool it\n| Acti"
    assert known.path(1).notes == "cool it\nActi\ncool it\nActi"


def test_silence_fails() -> None:
    question = Asking(Enrich(kind="human")).question(Call("enrich", (1,)), structure())
    assert question is not None
    (event,) = events(question, "")
    assert isinstance(event, Failed)


def test_what_is_shown_holds_nothing_that_hides_a_command() -> None:
    shown = str(approval(structure("Action: experiment[\x1b[2K\rtemperature=20 \u202e\u200b]")))
    assert not {"\x1b", "\r", "\u202e", "\u200b"} & set(shown)
    assert shown.startswith("Task: Find the best yield.\n\nStep 1:\n")
    assert "Command: experiment[" in shown


def test_replies_are_numbered_by_the_trace() -> None:
    known = structure()
    before = [to_row(known.began), {"op": "generate", "node": 1}] if known.began else []
    rows = append(before, [[to_row(event) for event in events(approval(known), "no")]])
    assert [row["seq"] for row in rows[2:]] == [2, 3]
    assert [row["op"] for row in rows[2:]] == ["evaluate", "enrich"]
    assert rows[2]["how"] == APPROVE
