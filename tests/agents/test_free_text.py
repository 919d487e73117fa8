"""Free text answers in replies."""

from __future__ import annotations

import time

import pytest

from reflectree.agents.free_text import begun_at, read_program, read_step, read_tokens, read_whole, reader_of, stated
from reflectree.agents.replies import CUT, READERS, Draft, Reading


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Answer: one\ntwo\n\nthree", "one\ntwo\n\nthree"),
        ("Thought.\nAnswer:\n```python\nx = 1\n```", "```python\nx = 1\n```"),
        ("**Answer:** bold", "bold"),
        ("## Final Answer:\nx", "x"),
        ("My answer: x", "x"),
        ("Reply: x", "x"),
        ("Answer: first\nAnswer: second", "first\nAnswer: second"),
        ("The word Answer: does not begin this line", None),
        ("The answer is 4.", None),
        ("Answers: no", None),
        ("Answer:", None),
        ("Answer: x<|im_end|>", "x"),
        ("Answer: say <|im_end|> to it", "say <|im_end|> to it"),
        ("Answer:   indented\n    code", "indented\n    code"),
    ],
)
def test_the_answer_is_all_that_follows_the_first_marker(text: str, answer: str | None) -> None:
    assert stated(text) == answer


def test_a_whole_solution_may_mark_no_answer() -> None:
    assert read_whole(Draft("Just words.")) == Reading("Just words.", "Just words.")
    assert read_whole(Draft("I think.\nAnswer: x\ny")) == Reading("I think.\nAnswer: x\ny", "x\ny")
    assert read_whole(Draft("I think.\nAnswer:")) == "the reply holds no answer"
    assert read_whole(Draft("Answer: x", cut=True)) is CUT


def test_a_step_that_begins_the_answer_is_still_to_be_completed() -> None:
    assert read_step(Draft("I think. ")) == Reading("I think.")
    assert read_step(Draft("Answer: x")) == Reading("Answer: x", "x", begun=True)
    assert read_step(Draft("Answer:")) == Reading("Answer:", "", begun=True)
    assert read_step(Draft("Answer: x", cut=True)) == Reading("Answer: x", "x", begun=True)
    assert read_step(Draft("I think", cut=True)) is CUT


def test_a_mini_step_begins_the_answer_once_the_marker_is_whole() -> None:
    assert read_tokens(Draft("swer", before="So.\nAn")) == Reading("swer")
    assert read_tokens(Draft(": a", before="So.\nAnswer")) == Reading(": a", "a", begun=True)


def test_code_in_an_answer_is_no_step_of_code() -> None:
    assert read_program(Draft("Answer: run\n```python\nx")) == Reading(
        "Answer: run\n```python\nx", "run\n```python\nx", True
    )
    step = read_program(Draft("I compute.\n```python\nprint(1)\n```"))
    assert isinstance(step, Reading)
    assert step.answer is None
    assert read_program(Draft("only words")) == "the step holds neither code nor an answer"


@pytest.mark.parametrize(
    ("prompt", "draft", "answer"),
    [
        ("answer", Draft("yes\nand no"), "yes\nand no"),
        ("answer", Draft(" yes", lead="Answer:"), "yes"),
        ("propose", Draft("Answer: x\ny"), "x\ny"),
        ("subquestion", Draft(" a.\nAnswer: b\nc", lead="Sub-question 1:"), "b\nc"),
        ("subquestion", Draft(" it is a\nand b", lead="Sub-question 2: what?\nReply:", last=True), "it is a\nand b"),
        ("act", Draft("Thought: done\nAction: finish[a\nb]"), "a\nb"),
        ("act", Draft("Thought: done\nAnswer: a\nb"), "a\nb"),
        ("act", Draft("Thought: look\nAction: search[x]"), None),
        ("plan", Draft("1. look\n2. reply"), None),
    ],
)
def test_every_prompt_reads_whole_texts(prompt: str, draft: Draft, answer: str | None) -> None:
    reading = reader_of(prompt, "step", READERS[prompt])(draft)
    assert isinstance(reading, Reading)
    assert reading.answer == answer


def test_hostile_texts_are_read_in_linear_time() -> None:
    began = time.perf_counter()
    for text in ("* " * 100_000, "answer" * 50_000, "#" * 200_000 + "\n" * 100_000, "Answer: " + "<|" * 100_000):
        begun_at(text)
        stated(text)
    assert time.perf_counter() - began < 20
