"""The generator's variants, each carried out against a scripted policy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.generating import DECOMPOSED, TASK, Bench, grown, structure, tell

from reflectree.agents.generator import Generator
from reflectree.models.base import Capabilities, Choice, Request
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Enriched, Failed, Grown


def test_calls_that_differ_by_temperature_or_phrasing_share_no_request() -> None:
    bench = Bench("a step", ladder=(0.1, 0.9), phrasings=("Draw it.", "Guess.", "Count."))
    bench.carry_out(structure(), count=8)
    asked = [(r.n, r.temperature, r.messages[-1].content.rsplit("\n", 1)[-1]) for r in bench.policy.requests]
    assert asked[:3] == [(2, 0.1, "Draw it."), (2, 0.9, "Guess."), (1, 0.1, "Count.")]
    assert len(asked) == 6


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.sampled_from(["", "it", "list"])), unique=True))
def test_a_group_is_of_one_node_and_one_variant(triples: list[tuple[int, int, str]]) -> None:
    calls = [Call("generate", (node,), index, how) for node, index, how in triples]
    groups = Bench("a", prompt="propose", propose=3).generator.groups(calls)
    assert sum(map(len, groups)) == len(calls)
    for group in groups:
        assert len({(call.nodes, call.how) for call in group}) == 1
        assert len(group) <= (3 if group[0].how == "it" else ABLE.max_n)


def test_several_steps_are_proposed_in_one_request() -> None:
    reply = "Here are steps:\n1. Six take away two.\n2. Count the sheep.\n3. Answer: 4"
    bench = Bench(reply, prompt="propose", propose=3)
    events = bench.carry_out(structure(grown("There are sheep."), grown("Old one", 1)), node=1, count=3, first=1)
    assert [event.text for event in events] == ["Six take away two.", "Count the sheep.", "Answer: 4"]
    assert [(event.index, event.status) for event in events] == [(1, "open"), (2, "open"), (3, "terminal")]
    assert [event.usage.calls for event in events] == [1, 0, 0]
    assert (bench.asked.n, bench.asked.prefill, len(bench.policy.requests)) == (1, "", 1)
    said = bench.asked.messages[-1].content
    assert "<solution>\nThere are sheep.\n</solution>" in said
    assert "<proposed>\nOld one\n</proposed>" in said
    assert "Propose 3 different" in said


@pytest.mark.parametrize(
    ("reply", "texts", "reason"),
    [
        (Choice("1. Six less two.\n2. Count them."), ["Six less two.", "Count them."], "only 2 of 3 proposed"),
        (Choice("1. Six less two.\n2. Coun", "length"), ["Six less two."], "only 1 of 3 proposed"),
    ],
)
def test_calls_beyond_the_proposals_fail(reply: Choice, texts: list[str], reason: str) -> None:
    events = Bench(lambda request, index: reply, prompt="propose", propose=4).carry_out(structure(), count=3)
    assert [event.text for event in events if isinstance(event, Grown)] == texts
    assert {event.reason for event in events if isinstance(event, Failed)} == {reason}
    assert sum(event.usage.calls for event in events) == 1


def test_a_reply_without_proposals_is_tried_again_and_then_given_up() -> None:
    events = Bench(["", " "], prompt="propose", propose=2).carry_out(structure(), count=2)
    assert [event.reason for event in events] == ["the reply proposes nothing"] * 2
    assert [event.usage.calls for event in events] == [2, 0]


def test_tokens_run_on_and_end_with_the_answer_line() -> None:
    words = [" six - two", "\nAns", "wer: 4", "\nQuestion:"]
    bench = Bench(lambda request, index: Choice(words[index], "length"), "token", max_tokens=2)
    live = structure()
    for node in range(4):
        (event,) = bench.carry_out(live, node)
        tell(live, event)
    assert [step.status for step in live.steps[1:]] == ["open", "open", "open", "terminal"]
    assert live.steps[4].answer == "4"
    assert bench.asked.prefill == " six - two\nAnswer: 4"
    assert bench.asked.stop == ()


def test_a_mini_step_of_white_space_fails() -> None:
    (event,) = Bench(lambda request, index: Choice("  ", "length"), "token", max_tokens=2).carry_out(structure())
    assert isinstance(event, Failed)
    assert "empty" in event.reason


@pytest.mark.parametrize(
    ("delimiter", "written"),
    [
        ("\n\n", "Six.\n\nLess two.\n\n"),
        ("<|eois|>", "Six. <|eois|> Less two.<|eois|>"),
        ("Step", "Step 1\nStep 2\nStep"),
    ],
)
def test_what_was_written_is_begun_again_with_the_declared_delimiter(delimiter: str, written: str) -> None:
    def say(request: Request, index: int) -> Choice:
        rest = written[len(request.prefill) :] or "the last"
        return Choice(rest)  # the client cuts it at the delimiter, as a server does

    bench = Bench(say, delimiter=delimiter)
    live = structure()
    for node in range(2):
        (event,) = bench.carry_out(live, node)
        tell(live, event)
    bench.carry_out(live, 2)
    assert bench.asked.prefill == written
    assert bench.asked.stop == (delimiter,)


def test_a_whole_solution_goes_on_from_any_node() -> None:
    bench = Bench("Less two.\nAnswer: 4", granularity="solution")
    (event,) = bench.carry_out(structure(grown("Six sheep.")), 1)
    assert (event.granularity, event.status, event.answer) == ("solution", "terminal", "4")
    assert (bench.asked.prefill, bench.asked.stop) == ("Six sheep.\n", ())


@pytest.mark.parametrize(
    ("prompt", "reply", "text"),
    [
        ("plan", "1. Count.\n2. Take away.\nAnswer: 4", "1. Count.\n2. Take away."),
        (
            "rephrase",
            "Conditions: six sheep.\nAsked: how many are left?",
            "Conditions: six sheep.\nAsked: how many are left?",
        ),
        ("decompose", DECOMPOSED, DECOMPOSED),
    ],
)
def test_preparations_are_kept_whole_and_open(prompt: Any, reply: str, text: str) -> None:
    bench = Bench(reply, prompt=prompt)
    (event,) = bench.carry_out(structure())
    assert (event.text, event.status, event.answer) == (text, "open", None)
    assert (bench.asked.prefill, bench.asked.stop) == ("", ())


def test_sub_questions_are_answered_in_order_with_all_pairs_before_them() -> None:
    bench = Bench(["Six.", "The answer is 4."], prompt="subquestion")
    live = structure(grown(DECOMPOSED, how="list"))
    for node in (1, 2):
        (event,) = bench.carry_out(live, node)
        tell(live, event)
    first = "Sub-question 1: How many sheep were there?\nReply: Six."
    assert live.steps[2].text == first
    assert live.steps[2].status == "open"
    assert bench.asked.prefill == f"{DECOMPOSED}\n{first}\nSub-question 2: How many sheep are left?\nReply:"
    assert (live.steps[3].status, live.steps[3].answer) == ("terminal", "4")


def test_the_last_sub_question_is_answered_again_in_its_place() -> None:
    said = "Sub-question 1: How many sheep were there?\nReply: Five."
    live = structure(grown("Let us see."), grown(said, 1))
    bench = Bench("Six.", prompt="again")
    (event,) = bench.carry_out(live, 2)
    assert event.text == said.replace("Five", "Six")
    assert event.after == 1
    assert bench.asked.prefill == "Let us see.\nSub-question 1: How many sheep were there?\nReply:"
    assert "Five" not in str(bench.asked)


@pytest.mark.parametrize("prefill", [True, False])
def test_the_answer_is_forced(prefill: bool) -> None:
    reply = " 4" if prefill else "Well then:\n4"
    bench = Bench(reply, able=Capabilities(max_n=4, prefill=prefill), prompt="answer")
    (event,) = bench.carry_out(structure(grown("Six less two.")), 1)
    assert (event.text, event.status, event.answer) == ("Answer: 4", "terminal", "4")
    assert bench.asked.prefill == ("Six less two.\nAnswer:" if prefill else "")
    assert "Give the final answer now" in bench.asked.messages[-1].content


def test_a_turn_of_thought_and_action_knows_its_tools() -> None:
    bench = Bench("Thought: look it up.\nAction: search[sheep]\nObservation: six", prompt="act")
    (event,) = bench.carry_out(structure())
    assert (event.text, event.status) == ("Thought: look it up.\nAction: search[sheep]", "open")
    assert "<actions>\nsearch[query]: finds a page\n</actions>" in bench.asked.messages[-1].content
    (end,) = Bench("Thought: so.\nAction: finish[4]", prompt="act").carry_out(structure())
    assert (end.status, end.answer) == ("terminal", "4")


def test_a_thought_without_an_action_is_asked_for_the_action_alone() -> None:
    bench = Bench(["Thought: look it up.", " search[sheep]"], prompt="act")
    (event,) = bench.carry_out(structure(grown("Thought: hm.\nAction: x[y]\nObservation: z")), 1)
    assert event.text == "Thought: look it up.\nAction: search[sheep]"
    assert bench.asked.prefill.endswith("Observation: z\nThought: look it up.\nAction:")
    assert event.usage.calls == 2
    (alone,) = Bench(" search[sheep]\nObservation: six", prompt="action").carry_out(structure())
    assert alone.text == "Action: search[sheep]"


def test_a_step_of_code_stops_after_its_block() -> None:
    bench = Bench("Take away.\n```python\nprint(6 - 2)\n```\nThis prints 4.\nAnswer: 4", prompt="code")
    (event,) = bench.carry_out(structure())
    assert (event.text, event.status) == ("Take away.\n```python\nprint(6 - 2)\n```", "open")


def test_notes_are_shown_as_data_and_new_ones_are_not_missed() -> None:
    bench = Bench("a step")
    live = structure()
    bench.carry_out(live)
    assert "notes" not in bench.asked.messages[-1].content
    tell(live, Enriched(node=0, text="Sheep </notes> can be counted."))
    bench.carry_out(live)
    said = bench.asked.messages[-1].content
    assert said.startswith(TASK)
    assert said.endswith("<notes>\nSheep &lt;/notes> can be counted.\n</notes>")
    assert all("counted" not in message.content for message in bench.asked.messages[:-1])


def test_diverse_beams_are_asked_for_where_the_server_has_them_and_not_twice() -> None:
    able = Capabilities(max_n=4, prefill=True, diverse_beams=True)
    bench = Bench(["", "a", "b", "c"], able=able, diverse=True)
    bench.carry_out(structure(), count=3)
    assert [(request.n, request.diverse) for request in bench.policy.requests] == [(3, True), (1, False)]
    sampled = Bench("a", diverse=True)
    sampled.carry_out(structure(), count=3)
    assert [(request.n, request.diverse) for request in sampled.policy.requests] == [(3, False)]


def test_a_model_of_another_role_writes_where_one_is_given() -> None:
    writer, policy = ScriptedPolicy("written"), ScriptedPolicy("a step", capabilities=Capabilities(max_n=2))
    settings = Generate(model="writer", variants={"it": {"model": "nobody"}})
    agent = Generator(settings, "step", {"policy": policy, "writer": writer})
    assert agent.model("writer") is writer
    assert agent.model("nobody") is policy
    calls = [Call("generate", (0,), index, how) for how in ("", "it") for index in range(4)]
    assert [len(group) for group in agent.groups(calls)] == [4, 2, 2]
