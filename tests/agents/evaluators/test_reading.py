from __future__ import annotations

import time

import pytest

from reflectree.agents.evaluators.reading import first_said, read_finished, read_grade, read_word, unreadable
from reflectree.models.base import Choice

WORDS = ("sure", "likely", "impossible")


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ('{"reason": "good", "score": 10}', 10),
        ('Sure: {"score": 5.0, "reason": "so"} indeed', 5),
        ('```json\n{"Score": "7/10"}\n```', 7),
        ('{"score": 2} no, wait: {"score": 3}', 3),
        ("Score: 7", 7),
        ("**Score:** 7.5 / 10", 7.5),
        ("On a scale from 1 to 10, my score (1-10) is 4.", 4),
        ("I give it 3/10.", 3),
        ("Ich gebe 6 von 10 Punkten.", 6),
        ("Punktzahl: 9", 9),
        ("\u8bc4\u5206\uff1a\uff18", 8),
        ("\u30b9\u30b3\u30a2\u306f6\u3067\u3059", 6),
        ("Je donne 4 sur 10", 4),
        ("**8**", 8),
        ("A score of 3 at first. After the third step: score 6.", 6),
    ],
)
def test_a_grade_is_read_from_json_else_from_words(text: str, grade: float) -> None:
    assert (read_grade(text) or (None,))[0] == grade


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no grade",
        '{"score": 0}',
        '{"score": 11}',
        '{"score": true}',
        '{"score": 1e999} score: 5',
        '{"score": NaN}',
        '{"score": []}',
        '{"score": "high"}',
        "{" * 10,
        '{"score": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "score: 100",
        "score: 4/5",
        "There are 7 steps.",
        "Note that 4 is even.",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_grade_is_not_guessed(text: str) -> None:
    assert read_grade(text) is None


def test_a_grade_comes_with_its_reason_and_under_other_keys() -> None:
    assert read_grade('{"reason": " why ", "score": 2}') == (2.0, "why")
    assert read_grade('{"difficulty": 9}', ("difficulty",)) == (9.0, "")
    assert read_grade('{"reason": 5, "score": 2}') == (2.0, "")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"reason": "impossible?", "value": "Sure"}', "sure"),
        ("10 + 14 = 24\nsure", "sure"),
        ("It seemed impossible, but it is **likely**.", "likely"),
        ("This is not likely. Impossible!", "impossible"),
        ("I am not sure", None),
        ("It is unlikely.", None),
        ('{"value": "maybe"} sure', None),
        ("", None),
    ],
)
def test_a_word_of_a_scale(text: str, word: str | None) -> None:
    read = read_word(text, WORDS)
    assert (read and read[0]) == word


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ('{"reason": "no", "finished": true}', True),
        ('{"finished": "no"}', False),
        ("<end>", True),
        ("Yes, it states the answer.", True),
        ("Nein.", False),
        ("\u662f", True),
        ("The solution is not yet finished.", False),
        ("The solution is incomplete", False),
        ("I would call the solution finished.", True),
        ("Hm.", None),
        ("", None),
    ],
)
def test_whether_it_is_finished(text: str, finished: bool | None) -> None:
    read = read_finished(text)
    assert (read and read[0]) == finished


def test_what_cannot_be_read_says_why() -> None:
    assert unreadable(Choice("x"), 0.0, "score") is None
    assert unreadable(Choice(" "), None, "score") == "the judge's reply is empty"
    assert unreadable(Choice("x"), None, "score") == "the judge's reply holds no score"
    assert first_said(["", "b", "c"]) == "b"
    assert first_said([]) == ""


@pytest.mark.parametrize("piece", ["score ", "{", '{"score": ', "1/10 ", "not ", "sure ", "not finished "])
def test_reading_takes_time_linear_in_the_text(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    start = time.perf_counter()
    read_grade(text)
    read_word(text, WORDS)
    read_finished(text)
    assert time.perf_counter() - start < 20
