"""What is wrong with the text of a step: it repeats itself, it is in another language, it repeats an earlier step.

Pure functions of text, linear in its length whatever the text is, and unsure on purpose: they speak only on strong
evidence, since a good step that is thrown away costs a model call. They do not know whether a step is right, and not
whether it is empty or was cut short. Languages that are written in Latin script are told apart for seven languages;
a task that asks for a text to be repeated many times is not recognised as one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from reflectree.rlm_ops.languages import foreign

REPEATS = 4
"""How often a sentence stands in a row before it is a loop."""
SENTENCE = 3
"""Different words that make a line or a cycle a sentence; moves, grids and tables have fewer and may repeat longer."""
GRAM = 8
"""Words in a row that a text does not use twice by chance."""
GRAM_SHARE = 0.7
"""Share of such rows of words that stood before already: a text said four times over has 0.75 or more."""
MOST_DISTINCT = 0.625
"""A text of which half is one piece four times over has no larger share of different words: 1/2 + 1/2 * 1/4."""

_LETTERS = re.compile(r"[^\W\d_]{2}")
_QUOTED_CHARACTERS = 60


def loops(text: str) -> str | None:
    """The piece that `text` repeats again and again, or None where it does not.

    A loop is the same line four times in a row, a piece that fills the second half of the text or more, or a text
    most of which was said before in the same words. Repetition that means something is spared: digits (grids,
    decimals), rows of tables, single words (moves) and lines of fenced code may repeat many times more often.
    """
    lines = text.split("\n")
    if len(lines) - len(set(lines)) >= REPEATS - 1:
        line = _line_loop(lines)
        if line is not None:
            return line[:_QUOTED_CHARACTERS]
    words = text.split()
    if len(words) >= 16 and len(set(words)) <= MOST_DISTINCT * len(words):
        piece = _tail_loop(words) or _tail_loop(words[:-1]) or _gram_loop(words)
        if piece is not None:
            return " ".join(piece)[:_QUOTED_CHARACTERS]
    return _unspaced_loop(text, words)


def repeats(text: str, earlier: Sequence[str]) -> bool:
    """Whether `text` says what one of the `earlier` steps of its path says, but for letter case and white space.

    It is for steps that are thoughts. Tokens, and moves such as `up`, may rightly be said twice: do not ask then.
    """
    if not earlier:
        return False
    words = text.split()
    if not words:
        return False
    first, last = words[0].casefold(), words[-1].casefold()
    for step in earlier:
        # the first and the last word tell nearly all steps apart, without normalising each
        head = step.split(None, 1)
        if head and head[0].casefold() == first and step.rsplit(None, 1)[-1].casefold() == last:
            if " ".join(step.split()).casefold() == " ".join(words).casefold():
                return True
    return False


def problem_with(text: str, *, question: str, earlier: Sequence[str] = ()) -> str | None:
    """What is wrong with the text of a step, in one line, or None.

    Args:
        text: The step, or the whole solution.
        question: The question of the task.
        earlier: The texts of the steps before it on its path; none where repeating one is no fault.
    """
    if loops(text) is not None:
        return "the reply repeats itself"
    languages = foreign(text, question)
    if languages is not None:
        return f"the reply is in another language than the task ({languages})"
    return "the step repeats an earlier step" if repeats(text, earlier) else None


def _line_loop(lines: list[str]) -> str | None:
    """A line that stands too often in a row, blank lines aside."""
    run, needed, previous, fenced = 0, 0, "", False
    for raw in lines:
        line = raw.strip()
        if not line:
            continue
        if line.startswith("```"):
            fenced = not fenced
        if line != previous:
            run, previous, needed = 1, line, 0
            continue
        run += 1
        if run >= REPEATS:
            needed = needed or _lines_needed(line, fenced)
            if run >= needed:
                return line
    return None


def _lines_needed(line: str, fenced: bool) -> int:
    if not any(map(str.isalpha, line)):
        return 16 * REPEATS  # a grid of digits
    if fenced or "|" in line or _variety(_units(line)) < SENTENCE:
        return 4 * REPEATS  # code, a table, a move
    return REPEATS


def _units(text: str) -> list[str]:
    """The words of a text; its characters where its script puts no spaces between words."""
    words = text.split()
    return list("".join(words)) if not text.isascii() and len(text) > 12 * len(words) else words


def _variety(words: Sequence[str]) -> int:
    """How many different words there are: two letters or more, or one of a script of syllables."""
    return sum(1 for word in set(words) if _LETTERS.search(word) or (word > "\u0fff" and word.isalpha()))


def _units_needed(piece: Sequence[str]) -> int:
    """How many words the repetitions of a piece must fill to be a loop."""
    if "|" not in piece and _variety(piece) >= SENTENCE:
        return 16
    return 200 if any(_LETTERS.search(word) or word.isalpha() for word in piece) else 2000


def _tail_loop(units: Sequence[str]) -> Sequence[str] | None:
    """The piece that, at least four times over, is the last half or more of a text.

    The prefix function of Knuth, Morris and Pratt on the text read backwards gives the least period of every ending.
    """
    backwards = units[::-1]
    borders = [0] * len(backwards)
    border = longest = period = 0
    for index in range(1, len(backwards)):
        unit = backwards[index]
        while border and backwards[border] != unit:
            border = borders[border - 1]
        if backwards[border] == unit:
            border += 1
        borders[index] = border
        if index + 1 >= REPEATS * (index + 1 - border):
            longest, period = index + 1, index + 1 - border
    if 2 * longest < len(units) or not longest:
        return None
    piece = units[len(units) - period :]
    return piece if longest >= _units_needed(piece) else None


def _gram_loop(words: list[str]) -> Sequence[str] | None:
    """Eight words in a row that a text repeats, where most of its rows of eight words stood before."""
    grams = Counter(zip(*(words[start:] for start in range(GRAM)), strict=False))
    total = len(words) - GRAM + 1
    again = total - len(grams)
    if again < GRAM_SHARE * total:
        return None
    piece = max(grams, key=grams.__getitem__)
    return piece if len(words) >= max(40, _units_needed(piece)) else None


def _unspaced_loop(text: str, words: list[str]) -> str | None:
    """A piece repeated without spaces: a script that has none, or one endless word."""
    if not text.isascii() and len(text) > 12 * len(words):
        characters = "".join(words)
        if len(characters) >= 16 and len(set(characters)) <= MOST_DISTINCT * len(characters):
            piece = _tail_loop(characters)
            return None if piece is None else "".join(piece)[:_QUOTED_CHARACTERS]
    elif len(text) >= 400:
        longest = max(words, key=len, default="")
        if len(longest) >= 400:
            piece = _tail_loop(longest)
            return None if piece is None else "".join(piece)[:_QUOTED_CHARACTERS]
    return None
