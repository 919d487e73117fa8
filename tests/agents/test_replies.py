from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.agents import replies
from reflectree.agents.replies import CUT, READERS, Draft, Reading, written_program


@pytest.mark.parametrize(
    ("draft", "read"),
    [
        (Draft(" so \nAnswer: 42\nQuestion: next?"), Reading("so \nAnswer: 42", "42")),
        (Draft(" a step "), Reading("a step")),
        (Draft(" 1: a step\n", lead="Step", strips=False), Reading("Step 1: a step\n")),
        (Draft("half a st", cut=True), CUT),
        (Draft("Answer: 4", cut=True), CUT),
        (Draft("Answer: 42\nand more", cut=True), Reading("Answer: 42", "42")),
    ],
)
def test_a_step_or_a_solution(draft: Draft, read: Reading | str) -> None:
    assert replies.read_solution(draft) == read


@pytest.mark.parametrize(
    ("before", "text", "cut", "read"),
    [
        ("So 6 ti", "mes 7", True, Reading("mes 7")),
        ("So\nAns", "wer: 4", True, Reading("wer: 4")),
        ("So\nAnswer: 4", "2\nQuestion", True, Reading("2", "42")),
        ("So\nAnswer: 4", "2", False, Reading("2", "42")),
        ("So\nAnswer: 42", "\n", True, Reading("\n", "42")),
        ("So\nAnswer: 42", "\nQuestion:", True, Reading("\n", "42")),
        ("So\nAnswer: 42", "", False, Reading("", "42")),
        ("", " the first", True, Reading(" the first")),
    ],
)
def test_tokens_run_on_until_the_answer_line_is_ended(before: str, text: str, cut: bool, read: Reading) -> None:
    assert replies.read_tokens(Draft(text, "", cut, before)) == read


@pytest.mark.parametrize(
    ("before", "text", "cut", "ends"),
    [("Answer: 42", "\n", True, True), ("Answer: 42", "", False, True), ("Answer: 42", " ", True, False)],
)
def test_blank_tokens_may_end_an_answer(before: str, text: str, cut: bool, ends: bool) -> None:
    assert replies.awaits_end(Draft(text, "", cut, before)) is ends
    assert not replies.awaits_end(Draft(text, "", cut, "no result yet"))


def test_a_plan_holds_no_answer() -> None:
    assert replies.read_preparation(Draft("1. Add.\n2. Halve.\n**Answer:** 3")) == Reading("1. Add.\n2. Halve.")
    assert replies.read_preparation(Draft("Answer: 3")) == "the reply answers at once"
    assert replies.read_preparation(Draft("1. Ad", cut=True)) is CUT


def test_a_decomposition_lists_sub_questions() -> None:
    listed = "1. How many sheep?\n2. How many are left?"
    assert replies.read_decomposition(Draft(f"{listed}\n")) == Reading(listed)
    assert "no sub-questions" in str(replies.read_decomposition(Draft("It is a hard problem. I would think.")))


@pytest.mark.parametrize(
    ("draft", "read"),
    [
        (
            Draft(" The answer is 6.", "Sub-question 1: How many?\nReply:"),
            Reading("Sub-question 1: How many?\nReply: The answer is 6."),
        ),
        (
            Draft(" The answer is 6.", "Sub-question 2: What now?\nReply:", last=True),
            Reading("Sub-question 2: What now?\nReply: The answer is 6.", "6"),
        ),
        (
            Draft(" What now?\nReply: 6.\nAnswer: 6", "Sub-question 3:"),
            Reading("Sub-question 3: What now?\nReply: 6.\nAnswer: 6", "6"),
        ),
        (
            Draft("Sub-question 1: Which?\nReply: This.", "Sub-question 1:"),
            Reading("Sub-question 1: Which?\nReply: This."),
        ),
        (Draft(" 6 plus", "Sub-question 1: How many?\nReply:", cut=True), CUT),
        (Draft(" 6\nAnswer: 1", "Sub-question 1: How many?\nReply:", cut=True), CUT),
    ],
)
def test_a_sub_question_keeps_its_words_and_settles_the_task_by_an_answer_line_only(
    draft: Draft, read: Reading | str
) -> None:
    assert replies.read_subquestion(draft) == read


@pytest.mark.parametrize(
    ("draft", "read"),
    [
        (Draft("Answer: 42"), Reading("Answer: 42", "42")),
        (Draft("Let me see.\n\n42.\n"), Reading("Answer: 42.", "42")),
        (Draft(" 42\nThat is because", "Answer:", cut=True), Reading("Answer: 42", "42")),
        (Draft(" 42", "Answer:"), Reading("Answer: 42", "42")),
        (Draft("The answer is 42.", "Answer:"), Reading("The answer is 42.", "42")),
        (Draft(" 4", "Answer:", cut=True), CUT),
        (Draft("**", "Answer:"), "the reply holds no answer"),
    ],
)
def test_an_answer_asked_for_alone(draft: Draft, read: Reading | str) -> None:
    assert replies.read_answer(draft) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Thought: look.\nAction: search[Mont Blanc]", Reading("Thought: look.\nAction: search[Mont Blanc]")),
        ("Thought: a.\nAction 1: search[a]\nObservation 1: made up", Reading("Thought: a.\nAction 1: search[a]")),
        ("Action: search[a]\nThought: b\nAction: finish[c]", Reading("Action: search[a]")),
        ("Action: search\nAction Input: a", Reading("Action: search\nAction Input: a")),
        ("Thought: done.\nAction: Finish[4808 m]", Reading("Thought: done.\nAction: Finish[4808 m]", "4808 m")),
        ('Action: finish[{"answer": "4"}]', Reading('Action: finish[{"answer": "4"}]', "4")),
        ("Action: finish[]", "the action finishes without an answer"),
        ("Thought: it is 4.\nAnswer: 4", Reading("Thought: it is 4.\nAnswer: 4", "4")),
        ("Thought: I wonder.", "the reply holds no action"),
    ],
)
def test_a_thought_and_an_action(text: str, read: Reading | str) -> None:
    assert replies.read_action(Draft(text)) == read


def test_an_action_is_begun_for_the_model_and_may_be_cut() -> None:
    assert replies.read_action(Draft(" search[a]", "Thought: b.\nAction:")) == Reading("Thought: b.\nAction: search[a]")
    assert replies.read_action(Draft("Action: search[a] ", cut=True)) == Reading("Action: search[a]")
    assert replies.read_action(Draft("Action: search[Mont Bl", cut=True)) is CUT


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Add.\n```python\nprint(1 + 1)", Reading("Add.\n```python\nprint(1 + 1)\n```")),
        ("Add.\n```python\nprint(2)\n```\nThis prints 2.", Reading("Add.\n```python\nprint(2)\n```")),
        ('```python\nprint("Answer:", 2)\n```', Reading('```python\nprint("Answer:", 2)\n```')),
        ("As was printed.\nAnswer: 2", Reading("As was printed.\nAnswer: 2", "2")),
        ("Only words.", "the step holds neither code nor an answer"),
    ],
)
def test_a_step_of_words_and_code(text: str, read: Reading | str) -> None:
    assert replies.read_code(Draft(text)) == read


def test_code_that_was_cut_is_no_step() -> None:
    assert replies.read_code(Draft("```python\nprint(", cut=True)) is CUT
    assert replies.read_code(Draft("```python\nprint()\n```\nSo", cut=True)) == Reading("```python\nprint()\n```")


def test_hidden_thought_is_split_off_and_nothing_else_is_touched() -> None:
    assert replies.split_thought("<think>hm</think>\n a < b ") == ("hm", "a < b")
    assert replies.split_thought(" a < b ") == ("", " a < b ")
    assert replies.split_thought("<think>\n</think>yes") == ("", "yes")


@given(st.sampled_from(sorted(READERS)), st.text(max_size=60), st.booleans(), st.sampled_from(["", "Answer:"]))
def test_no_reply_breaks_a_reader(prompt: str, text: str, cut: bool, lead: str) -> None:
    if text.strip():
        read = READERS[prompt](Draft(text, lead, cut))
        assert isinstance(read, str) or read.text.strip()


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("Here:\n```python\ndef f():\n    return 1\n```\n", "def f():\n    return 1\n"),
        ("```\nold\n```\nBetter:\n```py\nnew\n```", "new\n"),
        ("```python\ndef f():", None),
        ("no program", None),
    ],
)
def test_a_program_is_what_the_last_closed_block_holds(text: str, program: str | None) -> None:
    assert written_program(text) == program


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Thought: north.\nAction: go north", "Thought: north.\nAction: go north"),
        ("Action: do[go north]\nObservation: made up", "Action: go north"),
        ("Thought: x\n- Action: 'go north'.\nThought: y", "Thought: x\n- Action: go north"),
        ("Thought: x\nAction:\n```\ngo north\n```", "Thought: x\nAction: go north"),
    ],
)
def test_a_command_is_kept_with_its_thought_and_without_what_is_around_it(said: str, kept: str) -> None:
    assert READERS["command"](Draft(said)) == Reading(kept)


@pytest.mark.parametrize(
    ("draft", "problem"),
    [
        (Draft("I wonder."), "the reply holds no action"),
        (Draft("Thought: x\nAction: ''"), "the action is empty"),
        (Draft("Action: " + "very " * 200), "the action is no command: it has 999 characters"),
        (Draft("Thought: x\nAction: go nor", cut=True), "the reply was cut"),
    ],
)
def test_what_is_no_command_is_told(draft: Draft, problem: str) -> None:
    assert READERS["command"](draft) == problem


LISTED = ("go north", "take old key", "look")


@pytest.mark.parametrize(
    ("said", "lead", "kept"),
    [
        ("Take  old key.", "", "Action: take old key"),
        ("take old key", "Thought:", "Action: take old key"),
        (" I want it.\n- `take old key`\nlook", "Thought:", "Thought: I want it.\nAction: take old key"),
        (" go north; look; jump and sw", "Action:", "Action: go north"),
        (" GO NORTH", "Action:", "Action: go north"),
        (" so be it\nAction: fly", "Thought:", "Thought: so be it\nAction: fly"),
        ("Thought: so\nAction: fly", "Thought:", "Thought: so\nAction: fly"),
        ("Action: fly", "Thought:", "Action: fly"),
    ],
)
def test_a_line_that_was_listed_is_a_command_without_being_marked(said: str, lead: str, kept: str) -> None:
    assert READERS["command"](Draft(said, lead, commands=LISTED)) == Reading(kept)


@pytest.mark.parametrize("said", ["I go north", "north", "Observation: x\ngo north", " I will look around", ";"])
def test_words_around_a_listed_command_are_no_command(said: str) -> None:
    assert READERS["command"](Draft(said, "Thought:", commands=LISTED)) == "the reply holds no action"


def test_a_command_whose_line_is_ended_was_not_cut() -> None:
    assert READERS["command"](Draft("Action: go north\nThought: and th", cut=True)) == Reading("Action: go north")
