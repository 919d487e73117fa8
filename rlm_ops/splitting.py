"""Splits replies into steps: visible steps, the long thought of reasoning models, and lists of proposals.

Nothing is invented and no thought is lost: pieces are slices of the text, in its order. Linear in the length of the
text, whatever it is. It does not know what a step is worth, and reads turns of thought in English and Chinese only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from reflectree.rlm_ops.errors import BadInput

Turn = Literal["forward", "check", "backtrack", "alternative", "conclude"]

_TURNING = re.compile(
    r"[ \t]*(?:(?:wait|hold on|alternatively|hmm+|so|but|okay|ok|actually"
    r"|let me (?:double[- ]?)?(?:re)?(?:check|verify))\b"
    r"|等等|等一下|不过|或者|让我)",
    re.IGNORECASE,
)
_OPENERS = re.compile(
    r"(?:(?:\W|_)*+(?:so|but|okay|ok|hmm+|well|now|and|then|oh|ah|yes|wait|hold on|actually|therefore|thus|hence"
    r"|所以|因此|但是|那么|等等|等一下)(?![a-z]))*+(?:\W|_)*+",
    re.IGNORECASE,
)
_DOUBT = re.compile(r"\b(?:wait|hold on)\b|等等|等一下", re.IGNORECASE)
_OPENING_CHARACTERS = 200
"""By these a turn is told."""
_TURNS: tuple[tuple[Turn, re.Pattern[str]], ...] = (
    (
        "backtrack",
        re.compile(
            r"no\b(?=[,.!;: ]*(?:$|that|this|it|wait|not|i\b))|oops|scratch that|never ?mind|i was wrong"
            r"|(?:i|we) (?:made|must have made|have made) (?:a|an) (?:mistake|error)|let me (?:go back|start over)"
            r"|(?:that|this|it)(?: is|['\u2019]s| seems| must be) (?:wrong|incorrect|impossible|a mistake)"
            r"|(?:that|this|it)(?: is not|['\u2019]s not| isn['\u2019]t| can(?:no|['\u2019])t be)"
            r" (?:right|correct|possible)"
            r"|(?:that|this|it) (?:does not|doesn['\u2019]t|won['\u2019]t) work"
            r"|不对|不是这样|我错了",
            re.IGNORECASE,
        ),
    ),
    (
        "check",
        re.compile(
            r"(?:let me|let['\u2019]?s|let us|i(?:['\u2019]ll| should| will| need to)|we should|to)? ?"
            r"(?:just |quickly |now )?(?:double[- ]?check|re-?check|check|verify|confirm|make sure|test|re-?examine)\b"
            r"|(?:does|is) (?:that|this|it)\b|验证|检查|让我(?:们)?(?:再)?(?:验证|检查)",
            re.IGNORECASE,
        ),
    ),
    (
        "alternative",
        re.compile(
            r"alternative|another (?:way|approach|idea|method|possibility|option)|(?:maybe|perhaps)\b"
            r"|what if\b|instead\b"
            r"|on the other hand|(?:i|we) could\b|或者|另一种|换个"
            r"|(?:let me|let['\u2019]?s|let us) (?:try|consider|use|think of) (?:another|an alternative|a different)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "conclude",
        re.compile(
            r"(?:(?:the|my|our) )?(?:final |correct )?(?:answer|result)\b(?! (?:is|was) not)"
            r"|in (?:conclusion|summary)\b|to (?:conclude|summari[sz]e)\b|overall\b|\\boxed|答案|综上|最终",
            re.IGNORECASE,
        ),
    ),
)
_THINK_TAG = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_NUMBER_MARKER = re.compile(
    r"(?:\#{1,6} )?(?:\*\*|__)?(?:"
    r"(?:step|option|idea|proposal|thought|candidate|question|sub-?question|q|choice) ?\#?[0-9]{1,3}"
    r"(?:[:.)]|(?= [-\u2013]))"
    r"|\(?[0-9]{1,3}[.)\]:](?=[\s*_]|$)|\([a-z]\)(?=[\s*_])|[a-z]\)(?=[\s*_]))"
    r"(?:\*\*|__)?[ \t]*",
    re.IGNORECASE,
)
_BULLET_MARKER = re.compile(r"[-*+\u2022\u2013](?:[ \t]+|$)")


def split_steps(text: str, delimiter: str) -> list[str]:
    """The steps of a visible solution: what stands between delimiters, stripped, blanks left out.

    Raises:
        BadInput: The delimiter is empty.
    """
    if not delimiter:
        raise BadInput("the delimiter of steps is empty: give at least one character, such as a line break")
    return [step for piece in text.split(delimiter) if (step := piece.strip())]


def split_thought(text: str) -> list[str]:
    """The steps of a long thought: they begin after blank lines and where a line begins with a turning word.

    Fenced code is never divided. Joined, the steps are the text itself, character for character; a text of white
    space has no steps.
    """
    if not text.strip():
        return []
    lines = text.splitlines(keepends=True)
    fences = [index for index, line in enumerate(lines) if line.lstrip().startswith("```")]
    inside = {index for a, b in zip(fences[::2], fences[1::2], strict=False) for index in range(a + 1, b + 1)}
    steps: list[list[str]] = [[]]
    written = blank = False
    for index, line in enumerate(lines):
        if line.isspace():
            blank = True
        else:
            if written and index not in inside and (blank or _TURNING.match(line)):
                steps.append([])
            written, blank = True, False
        steps[-1].append(line)
    return ["".join(step) for step in steps]


def turn_of(step: str) -> Turn:
    """How a step of a thought turns, told by its opening words.

    `check` doubts or verifies, `backtrack` takes something back, `alternative` tries another way, `conclude` states
    the result, `forward` is all the rest. "Wait" alone is a doubt; what follows it says whether it is more.
    """
    opening = step.lstrip()[:_OPENING_CHARACTERS]
    openers = _OPENERS.match(opening)
    end = openers.end() if openers else 0
    for turn, pattern in _TURNS:
        if pattern.match(opening, end) or (turn == "conclude" and opening.startswith("\\boxed")):
            return turn
    return "check" if _DOUBT.search(opening, 0, end) else "forward"


def parse_reasoning(text: str) -> tuple[str, str]:
    """The thought in `<think>` tags and the rest, both stripped; without tags there is no thought.

    A tag that is never closed holds all that follows (the reply was cut). A closing tag without an opening one ends
    a thought that began with the text: some chat templates write the opening tag themselves.
    """
    thoughts: list[str] = []
    rest: list[str] = []
    position, thinking, seen = 0, False, False
    for tag in _THINK_TAG.finditer(text):
        closes = bool(tag[1])
        piece = text[position : tag.start()]
        (thoughts if thinking or (closes and not seen) else rest).append(piece)
        position, thinking, seen = tag.end(), not closes, True
    (thoughts if thinking else rest).append(text[position:])
    return _paragraphs(thoughts), _paragraphs(rest)


def _paragraphs(pieces: list[str]) -> str:
    return "\n\n".join(piece for raw in pieces if (piece := raw.strip()))


def parse_numbered(text: str) -> list[str]:
    """The items of a reply that proposes several: a JSON list, a numbered list, bullets, or one a line.

    Wrapped lines and what is nested below an item belong to it, joined by spaces. A line that introduces the list and a
    paragraph after its end are left out.
    """
    listed = _json_list(text)
    if listed is not None:
        return listed
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("```")]
    first = next(filter(None, map(_marked, lines)), None)
    if first is not None:
        return _items(lines, first)
    plain = [stripped for line in lines if (stripped := line.strip())]
    return plain[1:] if len(plain) > 1 and plain[0].endswith(":") else plain


def parse_proposals(text: str, k: int) -> list[str]:
    """At most `k` different proposals of a reply, in its order; hidden thought in tags is left out.

    Raises:
        BadInput: `k` is less than 1.
    """
    if k < 1:
        raise BadInput(f"k is {k}: ask for at least one proposal")
    different: dict[str, str] = {}
    for item in parse_numbered(parse_reasoning(text)[1]):
        different.setdefault(" ".join(item.split()).casefold(), item)
    return list(different.values())[:k]


# --- lists


@dataclass(frozen=True, slots=True)
class _Marker:
    """Where an item of a list begins: the kind of its marker, its indentation, and the item's first line."""

    kind: Literal["number", "bullet"]
    indent: int
    content: str


def _marked(line: str) -> _Marker | None:
    body = line.lstrip()
    indent = len(line) - len(body)
    bullet = _BULLET_MARKER.match(body)
    if bullet:
        return _Marker("bullet", indent, body[bullet.end() :].strip())
    number = _NUMBER_MARKER.match(body)
    if number is None:
        return None
    marker, content = number.group(), body[number.end() :].strip()
    for sign in ("**", "__"):
        if marker.lstrip("# ").startswith(sign) and marker.count(sign) == 1:
            # the emphasis goes on into the item: give it its beginning back, or drop the empty end
            content = sign + content if sign in content else content
    return _Marker("number", indent, content)


def _items(lines: list[str], first: _Marker) -> list[str]:
    """The items of the list that begins with the first marker: markers of its kind that stand no deeper."""
    items: list[list[str]] = []
    pending: list[str] = []  # a paragraph after a blank line: the item's, if another item follows
    blank = False
    for line in lines:
        marker = _marked(line)
        if marker and marker.kind == first.kind and marker.indent <= first.indent + 1:
            if items:
                items[-1].extend(pending)
            items.append([marker.content])
            pending, blank = [], False
        elif not line.strip():
            blank = True
        elif items and (pending or (blank and not line[0].isspace())):
            pending.append(line.strip())
        elif items:
            items[-1].append(line.strip())
    joined = (" ".join(filter(None, item)) for item in items)
    return [item for item in joined if item]


def _json_list(text: str) -> list[str] | None:
    """The items of a text that is, but for a code fence, a JSON list, or an object that holds one list and no more."""
    body = text.strip()
    if body.startswith("```"):
        body = body[3:].partition("\n")[2].partition("```")[0].strip()
    if body[:1] not in ("[", "{"):
        return None
    try:
        value = json.loads(body)
        if isinstance(value, dict) and len(value) == 1:
            (value,) = value.values()
        return [item for item in _texts(value) if item] if isinstance(value, list) else None
    except (ValueError, RecursionError):
        return None


def _texts(values: list[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict):
            said = [part for part in value.values() if isinstance(part, str)]
            value = said[0] if len(said) == 1 else value
        yield value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
