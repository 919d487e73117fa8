"""Reads a judge's reply: a grade, a word of a scale, yes or no.

JSON first, words as the fall-back, also those of a chatty reply or of another language. Nothing is guessed from the
last number, and what stands in JSON but cannot be is not looked for in words. Votes, preferences and rubrics are read
by `reflectree.rlm_ops.parsing`. Linear in the length of the text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from reflectree.models.base import Choice
from reflectree.rlm_ops.parsing import json_objects

LEAST, MOST = 1, 10
"""The grades a judge may give."""

_SCORE_KEYS = ("score", "grade", "rating")
_REASON_KEYS = ("reason", "reasoning", "explanation", "comment")
_NUMBER = r"(10|[1-9])(?:[.,](\d))?(?![.,]?\d)(?!\s?/\s?(?!10(?!\d))\d)"
_NAMES = (
    r"(?:\b(?:score|grade|rating|difficulty|punktzahl|bewertung|schwierigkeit|puntuaci[oó]n|puntaje|punteggio"
    r"|pontua[cç][aã]o|оценка|балл)\b|评分|得分|分数|評価|評分|スコア|点数|점수|평점|难度|難易度)"
)
_GRADE = re.compile(rf"{_NAMES}\D{{0,12}}?{_NUMBER}", re.IGNORECASE)
_OUT_OF_TEN = re.compile(rf"(?<![\d.,/]){_NUMBER}\s*(?:/|out of|von|sur|de|su|из)\s*10(?!\d)", re.IGNORECASE)
_ALONE = re.compile(rf"\W{{0,8}}{_NUMBER}\W{{0,8}}")
_RANGE = re.compile(r"\b(?:from |von |de )?1\s?(?:-|to|bis|à|a|~|\u2013)\s?10\b", re.IGNORECASE)

_YES = frozenset(
    {"yes", "true", "finished", "complete", "ja", "oui", "sí", "si", "sim", "да", "是", "はい", "예", "네"}
)
_NO = frozenset(
    {
        "no",
        "not",
        "false",
        "unfinished",
        "incomplete",
        "nein",
        "non",
        "não",
        "нет",
        "否",
        "不",
        "不是",
        "いいえ",
        "아니요",
    }
)
_FINISHED_KEYS = ("finished", "complete", "done", "answer")
_END = re.compile(r"<end>", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:not|never|isn't|hardly|un|im)[ \-]?(?:\w+[ \-])?\Z", re.IGNORECASE)
_FINISHED = re.compile(r"\b(?:(not|isn't|never|un|in)[ \-]?(?:yet |fully )?)?(?:finished|complete)\b", re.IGNORECASE)


def read_grade(text: str, keys: Sequence[str] = _SCORE_KEYS) -> tuple[float, str] | None:
    """The grade, 1 to 10, and the reason in a judge's reply; `None` where it gives none, or one that cannot be.

    Args:
        text: The reply.
        keys: What the grade may be called in JSON.
    """
    for found in reversed(list(json_objects(text))):
        given = _lookup(found, keys)
        if given is not _ABSENT:
            grade = _number(given)
            return None if grade is None else (grade, read_reason(found))
    plain = _RANGE.sub(" ", unicodedata.normalize("NFKC", text))
    match = _last(_GRADE, plain) or _OUT_OF_TEN.search(plain) or _ALONE.fullmatch(plain)
    if match is None:
        return None
    grade = float(f"{match[1]}.{match[2] or 0}")
    return (grade, "") if grade <= MOST else None


def read_word(text: str, words: Collection[str]) -> tuple[str, str] | None:
    """Which of a scale's words a reply ends on, and the reason; a word that is denied ("not likely") does not count."""
    by_name = {word.casefold(): word for word in words}
    for found in reversed(list(json_objects(text))):
        given = _lookup(found, ("value", "word", "judgement", "evaluation", *by_name))
        if given is not _ABSENT:
            word = by_name.get(str(given).strip(" .!\"'").casefold())
            return None if word is None else (word, read_reason(found))
    any_word = "|".join(re.escape(word) for word in sorted(by_name, key=len, reverse=True))
    last = None
    for match in re.finditer(rf"(?<!\w)(?:{any_word})(?!\w)", text, re.IGNORECASE):
        if not _DENIED.search(text[max(0, match.start() - 24) : match.start()]):
            last = by_name.get(match[0].casefold(), last)
    return None if last is None else (last, "")


def read_finished(text: str) -> tuple[bool, str] | None:
    """Whether a reply says that something is finished, and the reason; ReST-MCTS*'s `<end>` is a yes."""
    for found in reversed(list(json_objects(text))):
        given = _lookup(found, _FINISHED_KEYS)
        if given is not _ABSENT:
            said = given if isinstance(given, bool) else _yes_or_no(str(given))
            return None if said is None else (said, read_reason(found))
    if _END.search(text):
        return True, ""
    first = _yes_or_no(text)
    if first is not None:
        return first, ""
    match = _last(_FINISHED, text)
    return None if match is None else (match[1] is None, "")


def read_reason(found: dict[str, Any]) -> str:
    """The reason in a reply's JSON."""
    given = _lookup(found, _REASON_KEYS)
    return given.strip() if isinstance(given, str) else ""


def first_said(reasons: Iterable[str]) -> str:
    """The first reason that says anything."""
    return next((reason for reason in reasons if reason), "")


def value_of_grade(grade: float) -> float:
    """A grade, 1 to 10, as a value, 0 to 1."""
    return (grade - LEAST) / (MOST - LEAST)


def unreadable(choice: Choice, read: object, what: str) -> str | None:
    """What is wrong with a judge's reply of which `read` was read, or `None`."""
    if read is not None:
        return None
    if not choice.text.strip():
        return "the judge's reply is empty"
    return f"the judge's reply holds no {what}"


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last match, in memory that does not grow with the text."""
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


_ABSENT = object()


def _lookup(found: dict[str, Any], keys: Sequence[str]) -> Any:
    lowered = {key.strip().casefold(): value for key, value in found.items()}
    return next((lowered[key.casefold()] for key in keys if key.casefold() in lowered), _ABSENT)


def _number(given: object) -> float | None:
    """A grade given in JSON: a number, or a text that is one ("8", "8/10")."""
    if isinstance(given, str):
        given = given.strip().removesuffix("/10").strip()
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        number = float(given)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and LEAST <= number <= MOST else None


def _yes_or_no(text: str) -> bool | None:
    """What the first word says."""
    match = re.match(r"\W{0,8}(\w+)", text)
    word = match[1].casefold() if match else ""
    return True if word in _YES else False if word in _NO else None
