from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.answers import cut_at_answer, extract_answer

STATED = {
    "Answer: 42": "42",
    "**Answer:** 42.": "42",
    "**Final Answer**: $42$": "42",
    "### Answer: $5": "$5",
    "Step 1\nANSWER: (9 + 8) - 3": "(9 + 8) - 3",
    "Answer:\n\n42\nnonsense": "42",
    "Final Answer:\n\n```python\n[1, 2]\n[3]\n```\nDone.": "[1, 2]\n[3]",
    "Answer: ```42```": "42",
    "Answer: `x+1`": "x+1",
    "Answer: 17<|im_end|>": "17",
    "Answer: $\\boxed{12}$.": "12",
    r"so \boxed{\frac{1}{\sqrt{2}}} holds": r"\frac{1}{\sqrt{2}}",
    r"\boxed{\{1, 2\}}": r"\{1, 2\}",
    "work\n#### 1,234": "1,234",
    "work\n#### B": "B",
    "<answer>\n(9+8)-3\n</answer> bla": "(9+8)-3",
    "<answer>42": "42",
    "<ANSWER>1 0\n0 1</ANSWER>": "1 0\n0 1",
    "<answer>The answer is 5.</answer>": "5",
    "So the answer is 5.25. Next": "5.25",
    "The final answer is: 9": "9",
    "The answer is **7** because it is": "7",
    "Thus (the answer is 5)": "5",
    "The answer is U.S. dollars": "U.S",
    "Answer: New York": "New York",
    "Answer: \u221212": "\u221212",
}


@pytest.mark.parametrize(("text", "answer"), STATED.items())
def test_a_stated_answer_is_found(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6 * 7 = 42",
        "I do not know",
        "Answer:",
        "Answer:\n\n",
        "Answer:\nAnswer:",
        r"\boxed{12",
        r"\boxed{}",
        "#### Step 1: add",
        "#### 1. Add the numbers",
        "<answer></answer>",
        "I am sure the answer is not 5",
        "Check whether the answer is correct.",
        "Answers vary",
    ],
)
def test_nothing_is_guessed(text: str) -> None:
    assert extract_answer(text) is None


def test_the_last_statement_wins() -> None:
    assert extract_answer("Answer: 1\nWait.\nThe answer is 2.\nHence \\boxed{3}") == "3"
    assert extract_answer("\\boxed{3}\n#### 4\nAnswer: 5\nAnswer:") == "5"


def test_text_is_cut_after_the_line_that_gives_the_answer() -> None:
    text = "9 + 8 = 17\nAnswer: 17 - 3\n\nQuestion: next\nAnswer: 4"
    assert cut_at_answer(text) == "9 + 8 = 17\nAnswer: 17 - 3"
    assert cut_at_answer("<answer>1\n2</answer> and more\nrambling") == "<answer>1\n2</answer> and more"
    assert cut_at_answer("Answer:\n```\n5\n```\nrambling") == "Answer:\n```\n5\n```"
    assert cut_at_answer("The answer is 5.\nNo, the answer is 6.\nrambling") == "The answer is 5.\nNo, the answer is 6."
    assert cut_at_answer("nothing\nhere") == "nothing\nhere"


PIECES = [
    "Answer:", "answer is", "\\boxed{", "}", "{", "#### ", "<answer>", "</answer>", "```", "\n", " ", "5", "**", "$",
    "x.", "Final ",
]  # fmt: skip
SOUP = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=30).map("".join)


@given(SOUP)
def test_extraction_never_raises_and_never_gives_nothing(text: str) -> None:
    answer = extract_answer(text)
    assert answer is None or answer.strip() == answer != ""


@given(SOUP)
def test_cutting_cuts_only_the_end_and_only_once(text: str) -> None:
    cut = cut_at_answer(text)
    assert text.startswith(cut)
    assert cut_at_answer(cut) == cut
    assert (extract_answer(cut) is None) == (extract_answer(text) is None)


HOSTILE = [
    "\\boxed{", "Answer:", "Answer:\n", "<answer>", "</answer>", "answer is ", "\n#### 1", "{", "(", " ", "Answer: ```",
    "> ", "The answer is 5 ", "Answer:\n```\n", "**", "<|", ". ", "`", "$", "\n", "Answer: 5<|", "\\boxed{}",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * (100_000 // len(unit) + 1))[:100_000]
    start = time.process_time()
    extract_answer(text)
    cut_at_answer(text)
    extract_answer("Answer:" + text)
    assert time.process_time() - start < 2.0  # quadratic would be minutes
