from __future__ import annotations

import json
from typing import Any

import pytest

from reflectree.graphs.tasksets import schemas
from reflectree.graphs.tasksets.rows import Row
from reflectree.rlm_ops.errors import BadInput

GPQA = {
    "Question": "Which gas?\n",
    "Correct Answer": "Neon\n",
    "Incorrect Answer 1": "Argon",
    "Incorrect Answer 2": "Xenon ",
    "Incorrect Answer 3": "Radon",
    "Explanation": "It is Neon.",
    "Record ID": "rec1",
    "High-level domain": "Chemistry",
}
PAIRS = [["Paris", ["Paris is a city.", " It is in France."]], ["Rome", ["Rome is old."]]]
HOTPOT = {
    "id": "5a8b",
    "question": "Which country is Paris in?",
    "answer": "France",
    "type": "bridge",
    "level": "hard",
    "supporting_facts": {"title": ["Paris"], "sent_id": [1]},
    "context": {"title": ["Paris", "Rome"], "sentences": [PAIRS[0][1], PAIRS[1][1]]},
}
HUMANEVAL = {
    "task_id": "HumanEval/0",
    "prompt": 'def double(x: int) -> int:\n    """Twice x."""\n',
    "canonical_solution": "    return x + x  # the reference\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-3) == -6\n",
    "entry_point": "double",
}
MBPP = {
    "task_id": 11,
    "text": "Write a python function to add two numbers.",
    "code": "def helper(a):\n    return a\n\ndef add(a, b = (1, 2)[0]):\n    return helper(a) + b",
    "test_list": ["assert add(2, 3) == 5", "assert add(-1, 1) == 0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}


def score(posed: schemas.Posed, *answers: str) -> list[float]:
    assert posed.verifier.gold
    return [posed.verifier.score(answer) for answer in answers]


def test_mathematics() -> None:
    posed = schemas.gsm8k(Row({"question": "q", "answer": "It is 5.\n#### -1,234.5"}))
    assert score(posed, "-1234.5", "5") == [1.0, 0.0]
    posed = schemas.math500(Row({"problem": "q", "solution": "s", "answer": r"\left( 3, 4 \right)", "level": 2}))
    assert posed.question == "q"
    assert score(posed, r"\left( 3, 4 \right)") == [1.0]
    for fields in (
        {"problem": "q", "answer": "033"},
        {"Problem": "q", "Answer": 33},
        {"question": "q", "answer": "33^\\circ"},
    ):
        assert score(schemas.aime(Row(fields)), "33", "34") == [1.0, 0.0]


def test_gpqa_shuffles_by_the_question() -> None:
    posed = schemas.gpqa(Row(GPQA))
    assert posed == schemas.gpqa(Row(dict(reversed(GPQA.items()))))
    lines = posed.question.splitlines()
    assert lines[0] == "Which gas?"
    assert sorted(line[3:] for line in lines[2:6]) == ["Argon", "Neon", "Radon", "Xenon"]
    right = next(line[0] for line in lines[2:6] if line[3:] == "Neon")
    assert score(posed, right, f"({right})", "neon", "Argon") == [1.0, 1.0, 1.0, 0.0]
    assert score(posed, *"ABCD").count(1.0) == 1
    assert "It is" not in posed.question
    assert posed.key == "rec1"


def test_gpqa_answers_stand_anywhere() -> None:
    letters = []
    for number in range(400):
        posed = schemas.gpqa(Row({**GPQA, "Question": f"Which gas is number {number}?"}))
        letters.append("ABCD"[score(posed, *"ABCD").index(1.0)])
    assert all(70 <= letters.count(letter) <= 130 for letter in "ABCD")


@pytest.mark.parametrize(
    "context",
    [HOTPOT["context"], PAIRS, json.dumps(PAIRS), [{"title": title, "sentences": lines} for title, lines in PAIRS]],
)
def test_hotpotqa(context: Any) -> None:
    posed = schemas.hotpotqa(Row({**HOTPOT, "context": context}))
    assert posed.context == "Paris: Paris is a city. It is in France.\n\nRome: Rome is old."
    assert posed.question == HOTPOT["question"]
    assert score(posed, "france.", "Italy") == [1.0, 0.0]
    assert posed.key == "5a8b"


@pytest.mark.parametrize(
    "context", [None, "text", [["a"]], [["a", "b"]], {"title": ["a"], "sentences": []}, [[1, ["b"]]]]
)
def test_hotpotqa_without_paragraphs(context: Any) -> None:
    with pytest.raises(BadInput, match="field 'context'"):
        schemas.hotpotqa(Row({**HOTPOT, "context": context}))


def test_strategyqa_keeps_its_facts_to_itself() -> None:
    row = {
        "qid": "b8",
        "question": "Is the sky blue?",
        "answer": True,
        "facts": ["SECRET"],
        "decomposition": ["SECRET"],
    }
    posed = schemas.strategyqa(Row(row))
    assert posed.question == "Is the sky blue? Yes or no?"
    assert "SECRET" not in repr(posed)
    assert score(posed, "Yes", "no") == [1.0, 0.0]


def test_humaneval() -> None:
    posed = schemas.humaneval(Row(HUMANEVAL))
    assert 'double(x: int) -> int:\n    """Twice x."""' in posed.question
    assert "reference" not in posed.question
    assert "candidate" not in posed.question
    assert posed.key == "HumanEval/0"
    right = "```python\ndef double(x):\n    return 2 * x\n```"
    assert score(posed, right, right.replace("2 * x", "x * x"), "    return x * 2\n") == [1.0, 0.0, 1.0]


@pytest.mark.parametrize("sanitized", [False, True])
def test_mbpp(sanitized: bool) -> None:
    fields = dict(MBPP)
    if sanitized:
        fields = {**fields, "prompt": fields.pop("text"), "test_imports": ["import math"], "source_file": "s"}
    posed = schemas.mbpp(Row(fields))
    assert posed.question.startswith("Write a python function to add two numbers.")
    assert "function add(a, b = (1, 2)[0])." in posed.question
    assert "assert" not in posed.question
    assert "helper" not in posed.question
    assert score(posed, "def add(a, b):\n    return a + b", "def add(a, b):\n    return a - b") == [1.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_list": []}, "field 'test_list'"),
        ({"test_list": "assert add(1, 1) == 2"}, "field 'test_list'"),
        ({"test_list": ["assert add(1"]}, "'test_list' and 'test_setup_code': a test is not Python"),
        ({"test_setup_code": "import"}, "a set-up code is not Python"),
        ({"code": "add = sum"}, "field 'code' defines no function"),
        ({"text": None}, "field 'text' is missing"),
    ],
)
def test_mbpp_rows_that_are_wrong(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        schemas.mbpp(Row({**MBPP, **change}))


@pytest.mark.parametrize("field", ["prompt", "test", "entry_point", "task_id"])
def test_humaneval_rows_that_are_wrong(field: str) -> None:
    with pytest.raises(BadInput, match=f"field '{field}' is missing"):
        schemas.humaneval(Row({**HUMANEVAL, field: None}))
