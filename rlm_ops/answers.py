"""The one answer extractor that every method shares, and beside it the one normaliser.

`extract_answer` finds the answer a text *states*; it never guesses from the last number or the last line, and does not
know what the right answer is. It is linear in the length of the text, whatever the text is.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from reflectree.rlm_ops.normal_form import normalise, same_answer

__all__ = ["cut_at_answer", "extract_answer", "normalise", "same_answer"]

_MARKER = re.compile(
    r"(?P<boxed>\\f?boxed[ ]?\{)"
    r"|(?P<tag><answer>)"
    r"|(?P<hash>^[ ]{0,3}\#{4}[ ](?!\#))"
    r"|(?P<line>\banswer\b(?:[ ]is)?[*_`]{0,3}[ ]?[:\uff1a][*_`]{0,3})"
    r"|(?P<says>\banswer[*_]{0,3}[ ]is\b)",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_CLOSING_TAG = re.compile(r"</answer>", re.IGNORECASE)
_BRACE = re.compile(r"\\[\\{}]|[{}]")
_LINE_START = re.compile(r"(?:[>#*_`\-+ ]|the |my |so,? |therefore,? |final |correct )*\Z", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|\Z)|,? (?:because|since)\b", re.IGNORECASE)
_NO_ANSWER = re.compile(r"(?:not|in)?correct\b|right\b|wrong\b|not\b|unknown\b|unclear\b", re.IGNORECASE)
_HEADING = re.compile(r"\d+[.):] ?\D")
_HASH_WORD = re.compile(r"(?:[A-Za-z]|true|false|yes|no)", re.IGNORECASE)
_END_TOKEN = re.compile(r"<\||</s>|</answer>|<eos>|<end_of_turn>", re.IGNORECASE)
_FENCE = re.compile(r"[ ]{0,3}```")
_PREFIX_WINDOW = 64
"""Characters before a marker that decide whether it begins its line."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """A place where a text states its answer: the marker's start, where the answer ends, and the answer."""

    start: int
    end: int
    answer: str
    own_line: bool


def extract_answer(text: str) -> str | None:
    r"""The answer that `text` states last, or None where it states none.

    Statements are `Answer: x` (in any usual dress: `**Final Answer:** x`, the answer on the next line or in a code
    fence below), `\boxed{x}` with nested braces, `#### x` on a line of its own (a heading is not an answer),
    `<answer>x</answer>`, and "the answer is x". Markdown, dollar signs around the whole and final full stops are
    taken off; letter case and inner spacing stay, since a verifier may care.
    """
    markers = _markers(text)
    finder = _Finder(text, markers)
    for position in range(len(markers) - 1, -1, -1):
        statement = finder.read(position)
        if statement is not None:
            return statement.answer
    return None


def cut_at_answer(text: str) -> str:
    """`text` up to the end of the line that gives the answer; unchanged where no line does.

    A line that *is* an answer (`Answer: x`, `#### x`, `<answer>` tags) ends the text the first time it occurs: what
    follows is a model that goes on to invent the next question. Softer statements (`boxed`, "the answer is") may be
    taken back later, so of those the last counts.
    """
    last: _Statement | None = None
    for statement in _Finder(text, _markers(text)):
        last = statement
        if statement.own_line:
            break
    if last is None:
        return text
    line_end = text.find("\n", last.end)
    return text if line_end < 0 else text[:line_end].rstrip()


def _markers(text: str) -> list[re.Match[str]]:
    """Where answers may be stated. Most steps of a search state none, which plain searches tell ten times quicker."""
    lowered = text.lower()
    if "answer" in lowered or "boxed" in lowered or "####" in text:
        return list(_MARKER.finditer(text))
    return []


class _Finder:
    """Reads statements at markers; what a hostile text could make slow is computed once for the whole text."""

    def __init__(self, text: str, markers: list[re.Match[str]]) -> None:
        self.text = text
        self.markers = markers
        kinds = {marker.lastgroup for marker in markers}
        self.braces = _closing_braces(text) if "boxed" in kinds else {}
        self.tags = [match.start() for match in _CLOSING_TAG.finditer(text)] if "tag" in kinds else []

    def __iter__(self) -> Iterator[_Statement]:
        for position in range(len(self.markers)):
            statement = self.read(position)
            if statement is not None:
                yield statement

    def read(self, position: int) -> _Statement | None:
        """The statement at a marker, or None where the marker is followed by no answer."""
        marker = self.markers[position]
        kind = marker.lastgroup
        if kind == "boxed":
            return self._boxed(marker)
        if kind == "tag":
            return self._tagged(position)
        if kind == "hash":
            return self._hash(position)
        return self._worded(position)

    def _limit(self, position: int) -> int:
        """Where the next marker begins: no answer reaches into it."""
        following = position + 1
        return self.markers[following].start() if following < len(self.markers) else len(self.text)

    def _line_end(self, start: int, limit: int) -> int:
        found = self.text.find("\n", start, limit)
        return limit if found < 0 else found

    def _boxed(self, marker: re.Match[str]) -> _Statement | None:
        end = self.braces.get(marker.end() - 1)
        if end is None:
            return None
        return _statement(marker.start(), end + 1, self.text[marker.end() : end], own_line=False)

    def _tagged(self, position: int) -> _Statement | None:
        marker = self.markers[position]
        limit = self._limit(position)
        index = bisect_left(self.tags, marker.end())
        if index < len(self.tags) and self.tags[index] <= limit:
            end = self.tags[index]
        elif index < len(self.tags):
            return None  # another statement inside the tags: that one speaks
        else:
            end = self._line_end(marker.end(), limit)
        return _statement(marker.start(), end, self.text[marker.end() : end], own_line=True)

    def _hash(self, position: int) -> _Statement | None:
        marker = self.markers[position]
        end = self._line_end(marker.end(), self._limit(position))
        content = self.text[marker.end() : end].strip()
        numeric = content[:1] in set("+-$\u2212\u20ac\u00a3(.\\0123456789") and not _HEADING.match(content)
        if not (numeric or _HASH_WORD.fullmatch(content)):
            return None
        return _statement(marker.start(), end, content, own_line=True)

    def _worded(self, position: int) -> _Statement | None:
        """`Answer: x` and `the answer is x`."""
        marker = self.markers[position]
        limit = self._limit(position)
        start = marker.end()
        if self.text.startswith(":", start):
            start += 1
        end = self._line_end(start, limit)
        sentence = marker.lastgroup == "says"
        if _is_blank(self.text[start:end]):
            if end == limit:
                return None
            start, end = self._next_block(end, limit)
        elif sentence:
            stop = _SENTENCE_END.search(self.text, start, end)
            end = stop.start() if stop else end
        content = self.text[start:end]
        if sentence and _NO_ANSWER.match(content.strip()):
            return None
        before = self.text[max(0, marker.start() - _PREFIX_WINDOW) : marker.start()].rpartition("\n")[2]
        return _statement(marker.start(), end, content, own_line=not sentence and bool(_LINE_START.match(before)))

    def _next_block(self, start: int, limit: int) -> tuple[int, int]:
        """The next line that is not blank, or what the code fence there holds."""
        while start < limit and self.text[start].isspace():
            start += 1
        end = self._line_end(start, limit)
        if not _FENCE.match(self.text, start, end):
            return start, end
        closing = self.text.find("```", end, limit)
        return end, limit if closing < 0 else closing


def _closing_braces(text: str) -> dict[int, int]:
    """For each opening brace the position of its closing one; escaped braces are not braces."""
    closing: dict[int, int] = {}
    stack: list[int] = []
    for match in _BRACE.finditer(text):
        token = match.group()
        if token == "{":
            stack.append(match.start())
        elif token == "}" and stack:
            closing[stack.pop()] = match.start()
    return closing


def _is_blank(line: str) -> bool:
    return not line.strip("*_` \t\r")


def _statement(start: int, end: int, content: str, *, own_line: bool) -> _Statement | None:
    answer = _undress(content)
    return _Statement(start, end, answer, own_line) if answer else None


def _undress(content: str) -> str:
    """An answer without markdown, fences, surrounding dollars, end-of-text tokens and final punctuation."""
    end = _END_TOKEN.search(content)
    text = (content[: end.start()] if end else content).strip()
    if text.startswith("```"):
        text = text[3:].partition("\n")[2] or text[3:]
        text = text.partition("```")[0].strip()
    text = text.strip("`").strip()
    for _ in range(3):
        text = text.strip("*").strip().rstrip(".;,").rstrip()
        if text.startswith("__") and text.endswith("__"):
            text = text[2:-2].strip()
        for opening, closing in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
            inner = text[len(opening) : -len(closing)]
            if text.startswith(opening) and text.endswith(closing) and opening not in inner:
                text = inner.strip()
    if text.endswith(")") and "(" not in text:
        text = text.rstrip(")").rstrip()
    return text
