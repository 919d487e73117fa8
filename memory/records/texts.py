"""Text of a record: what may be kept, how much of it, when two texts say the same, and the key of a task.

No model and no embedding is needed here; nothing here knows what a record is.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from functools import lru_cache

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

_BLANKS = re.compile(r"\s+")
_WORDS = re.compile(r"\w+(?:[.']\w+)*")
_NEGATIONS = frozenset("no not never none nor neither cannot without avoid don't doesn't didn't isn't aren't wasn't "
                       "won't can't shouldn't mustn't".split())  # fmt: skip
CHARACTERS_A_TOKEN = 3
"""Fewer than any tokenizer needs for English prose, so that a token budget is not exceeded."""


def plain(text: str) -> str:
    """The text but for letter case, white space and Unicode's several ways to write a character."""
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def task_key(task: Task | str) -> str:
    """The key of what is asked, context included: 16 hex digits, equal whatever the spacing and case."""
    said = task.prose if isinstance(task, Task) else task
    return hashlib.sha256(plain(said).encode("utf-8", "replace")).hexdigest()[:16]


def check_text(text: str, name: str, limit: int, *, wanted: bool = False) -> None:
    """Refuse what no memory should hold.

    Args:
        text: The text.
        name: What the error calls it, as `a reflection's lesson`.
        limit: Most characters.
        wanted: It may not be blank.

    Raises:
        BadInput: Too long, binary, no Unicode, or blank where it is wanted.
    """
    if len(text) > limit:
        raise BadInput(f"{name} has {len(text)} characters and may have {limit}: shorten it, or keep a reference")
    if wanted and not text.strip():
        raise BadInput(f"{name} is empty: write what was learnt")
    for character in text:
        if (character < " " and character not in "\n\t\r") or character == "\x7f" or "\ud800" <= character <= "\udfff":
            raise BadInput(f"{name} holds the character {character!r}, which is no text: decode it first")


def clipped(text: str, limit: int) -> str:
    """The text, cut at a word to at most `limit` characters, with an ellipsis where it was cut."""
    if len(text) <= limit:
        return text
    head = text[: max(0, limit - 1)]
    return f"{head[: head.rfind(' ')] if ' ' in head[limit // 2 :] else head}\u2026"


def tokens_of(text: str) -> int:
    """How many tokens a text takes at most, give or take: its UTF-8 bytes over 3, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // CHARACTERS_A_TOKEN)


@lru_cache(maxsize=8192)
def shingles(text: str) -> frozenset[str]:
    """Its words and pairs of neighbouring words, in plain form."""
    words = _WORDS.findall(plain(text))
    return frozenset([*words, *(f"{one} {two}" for one, two in itertools.pairwise(words))])


def similarity(first: str, second: str) -> float:
    """Jaccard similarity of their shingles, in [0, 1]: shared over all; 1 for two texts without a word."""
    one, two = shingles(first), shingles(second)
    return len(one & two) / len(one | two) if one or two else 1.0


def containment(part: str, whole: str) -> float:
    """Share of the shingles of `part` that `whole` has, in [0, 1]; 0 where `part` has no word."""
    inner = shingles(part)
    return len(inner & shingles(whole)) / len(inner) if inner else 0.0


def contradictory(first: str, second: str) -> bool:
    """Whether two like texts differ in what turns their meaning: their numbers, or whether they negate."""
    return _turning(first) != _turning(second)


def _turning(text: str) -> tuple[tuple[str, ...], int]:
    words = _WORDS.findall(plain(text).replace("\u2019", "'"))
    numbers = tuple(sorted(word for word in words if any(map(str.isdigit, word))))
    return numbers, sum(word in _NEGATIONS for word in words) % 2
