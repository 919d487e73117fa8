"""Reads what agents ask models for: an action, sub-questions, a vote, a preference, grades.

Each function gives what the reply says, or None (no items) where it does not say it; nothing is guessed from the last
number or the last word. Linear in the length of the text, whatever it is. It knows no prompts, tools or rubrics.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.splitting import parse_numbered

Preference = Literal["first", "second", "tie"]

MOST_OBJECTS = 16
"""JSON objects tried in one reply: a reply with more openings is no reply, and each try may read to the text's end."""

_OBJECT = re.compile(r'\{(?=\s*+["}])')
_DECODER = json.JSONDecoder()
_ACTION = re.compile(r"^[ \t>*_#]*action(?: ?#?[0-9]{1,4})?[*_]*:[*_]*[ \t]*", re.IGNORECASE | re.MULTILINE)
_ACTION_INPUT = re.compile(r"[ \t>*_]*action input(?: ?#?[0-9]{1,4})?[*_]*:[*_]*[ \t]*", re.IGNORECASE)
_OBSERVATION = re.compile(r"^[ \t>*_]*observation\b", re.IGNORECASE | re.MULTILINE)
_NAME = re.compile(r"[`*]{0,3}([A-Za-z_][\w.\-]{0,63})[`*]{0,3}[ ]?")
_NAME_KEYS = ("tool", "action", "name", "tool_name", "function")
_ARGUMENT_KEYS = ("args", "arguments", "action_input", "input", "parameters", "tool_input")
_CLOSING = {"[": "]", "(": ")"}

_FIRST_SOLVE = re.compile(r"\bneed to (?:first )?(?:solve|answer|know|find(?: out)?)\b", re.IGNORECASE)
_QUOTED = re.compile(r'["\u201c]([^"\u201c\u201d]+)["\u201d]')

_NUMBER = (
    r"[^\w\n]{0,6}(?:(?:choice|option|candidate|number|no\.)[^\w\n]{1,3}|s)?"
    r"(?<![-+.])([0-9]{1,6})(?![0-9]|[.,][0-9]| ?(?:or|and|/|-) ?[0-9])"
)
_CHOICE = re.compile(
    r"\b(?:best (?:choice|option|candidate|solution|answer|step|proposal|one)|(?:my|the|final) (?:choice|vote)"
    r"|(?:most promising|preferred) (?:choice|option|candidate|step|one))\b[^\w\n]{0,4}(?:is|:|=)?" + _NUMBER
    + r"|\bi (?:choose|pick|select|vote for|prefer)\b(?: the)?" + _NUMBER
    + r"|^[^\w\n]{0,6}(?:choice|vote|answer)[^\w\n]{0,3}[:=]" + _NUMBER
    + r"|\b(?:choice|option|candidate|solution|proposal)[ #]{1,2}([0-9]{1,6}) is (?:clearly |definitely )?"
    r"(?:the )?(?:best|most promising)\b",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_BARE_NUMBER = re.compile(
    r"[^\w.+-]{0,6}(?:(?:choice|option|candidate)[ #:]{1,3})?([0-9]{1,6})[^\w]{0,6}", re.IGNORECASE
)
_CHOICE_KEYS = ("choice", "best", "best_choice", "vote", "answer", "index")

_SIDES: dict[str, Preference] = {
    "a": "first",
    "1": "first",
    "first": "first",
    "b": "second",
    "2": "second",
    "second": "second",
}
_THING = r"(?:solution|answer|response|option|candidate|path|step|assistant|one|attempt|argument)"
_SIDE = rf"(?:(?:the )?(first|second)(?: {_THING})?|(?:{_THING} )(a|b|1|2))"
_BETTER = (
    r"(?: (?:clearly|much|slightly|somewhat|definitely|significantly|far))?"
    r" (better|best|preferable|stronger|superior|worse|weaker|inferior)"
)
_PREFERENCE = re.compile(
    r"\[\[(?P<verdict>a|b|c|1|2|tie)\]\]"
    rf"|\b{_SIDE}(?: is| was| seems| looks)(?: the)?{_BETTER}\b"
    r"|(?-i:\b(A|B)) is(?: the)?" + _BETTER + r"\b"
    rf"|\bprefer {_SIDE}\b"
    r"|\bprefer (?-i:(A|B))\b"
    rf"|\b(?:better|best|winner|preference|preferred|verdict)(?: {_THING})?[*_]*(?: is|:)[ *_]{{0,5}}"
    rf"(?:{_SIDE}\b|(?:the )?(a|b|1|2|first|second|tie|neither)\b)"
    r"|(?P<tie>\b(?:it(?: is|'s) a tie|(?:are|is) equally (?:good|bad|correct|strong|right|wrong)"
    r"|neither(?: one)? is better"
    r"|(?:are|is) (?:of )?equal(?: quality)?\b))",
    re.IGNORECASE,
)  # fmt: skip
_WORSE = frozenset(("worse", "weaker", "inferior"))
_PREFERENCE_KEYS = ("preference", "preferred", "better", "winner", "verdict", "choice", "best")


@dataclass(frozen=True, slots=True)
class Action:
    """What an agent wants done: the tool's name as it was written, and the text of its arguments, data to the tool."""

    name: str
    arguments_text: str


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that stand in a text, outermost ones, in its order; at most `MOST_OBJECTS` places are tried."""
    position = 0
    for _ in range(MOST_OBJECTS):
        opening = _OBJECT.search(text, position)
        if opening is None:
            return
        try:
            value, position = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            position = opening.end()
        else:
            yield value


def parse_action(text: str) -> Action | None:
    """The first action of a reply: what comes after it rests on an observation that the model made up.

    `Action: search[query]`, `Action 3: Finish[x]`, `Action: calculator(2+3)`, `Action: search` with `Action Input:
    query` below, or a JSON object that names a tool and its arguments (`{"tool": ..., "args": {...}}` and the usual
    spellings). Arguments that are no string are given as JSON.
    """
    observed = _OBSERVATION.search(text)
    if observed:
        text = text[: observed.start()]
    marker = _ACTION.search(text)
    if marker is None:
        return next((action for found in json_objects(text) if (action := _json_action(found))), None)
    start = marker.end()
    while start < len(text) and (text[start].isspace() or text[start] == "`"):
        start += 1
    rest = text[start:]
    if rest.startswith(("{", "json\n")):
        return next((action for found in json_objects(rest) if (action := _json_action(found))), None)
    name = _NAME.match(rest)
    if name is None:
        return None
    opening = rest[name.end() : name.end() + 1]
    if opening in ("[", "("):
        return Action(name[1], _bracketed(rest, name.end()))
    line, _, below = rest.partition("\n")
    given = _ACTION_INPUT.match(below.lstrip())
    if line[name.end() :].strip(" `*."):
        return None  # a sentence, not a call
    return Action(name[1], below.lstrip()[given.end() :].strip().strip("`").strip() if given else "")


def parse_subquestions(text: str) -> list[str]:
    """The sub-questions of a decomposition, different ones in order (least-to-most prompting, Zhou et al. 2022).

    A JSON list, quoted after "we need to first solve:", a numbered or bulleted list, or lines that end in a question
    mark.
    """
    said = _FIRST_SOLVE.search(text)
    items = _QUOTED.findall(text, said.end()) if said else []
    if not items:
        items = parse_numbered(text)
        if any(item.endswith("?") for item in items):
            items = [item for item in items if item.rstrip("\"'*_\u201d ").endswith("?")]
        elif text.strip()[:1] not in ("[", "{", "`") and items == list(filter(None, map(str.strip, text.splitlines()))):
            return []  # prose, no list
    return list(dict.fromkeys(stripped for item in items if (stripped := item.strip(' \t\n"\u201c\u201d*_'))))


def parse_choice(text: str, n: int) -> int | None:
    """Which of `n` choices a vote names, 1 to n: "The best choice is 3", `{"choice": 3}`, or the number alone.

    The last vote counts. A number outside the range is no vote, nor are two at once ("1 or 2").

    Raises:
        BadInput: There is no choice to vote for.
    """
    if n < 1:
        raise BadInput(f"n is {n}: a vote needs at least one choice")
    said = [_value(found, _CHOICE_KEYS) for found in json_objects(text)]
    numbers = [str(value) for value in said if isinstance(value, int | str) and not isinstance(value, bool)]
    if not numbers:
        numbers = [next(filter(None, match.groups())) for match in _CHOICE.finditer(text)]
    if not numbers:
        alone = _BARE_NUMBER.fullmatch(text.strip())
        numbers = [alone[1]] if alone else []
    last = numbers[-1].strip() if numbers else ""
    if not (last.isascii() and last.isdigit() and len(last) <= 6):
        return None
    return int(last) if 1 <= int(last) <= n else None


def parse_preference(text: str) -> Preference | None:
    """Which of two a judge prefers: `[[A]]`, "the second is better", `{"winner": "B"}`, or the word alone.

    The last statement counts; of two names, A and 1 are the first.
    """
    said = [_value(found, _PREFERENCE_KEYS) for found in json_objects(text)]
    words = [str(value) for value in said if isinstance(value, int | str) and not isinstance(value, bool)]
    if words:
        return _side(words[-1])
    alone = _side(text) if len(text) <= 40 else None
    if alone is not None:
        return alone
    statements = list(_PREFERENCE.finditer(text))
    return _stated(statements[-1]) if statements else None


def _stated(last: re.Match[str]) -> Preference | None:
    """What one statement prefers: the other one, where it calls its subject worse."""
    if last["tie"]:
        return "tie"
    if last["verdict"]:
        return "tie" if last["verdict"].lower() == "c" else _side(last["verdict"])
    groups = [group.lower() for group in last.groups() if group]
    side: Preference | None = next((found for group in groups if (found := _side(group))), None)
    if _WORSE.intersection(groups) and side in ("first", "second"):
        return "second" if side == "first" else "first"
    return side


def parse_grades(text: str, names: Sequence[str]) -> dict[str, float] | None:
    """The grades of a rubric, by name, from the last JSON object that gives all of them as finite numbers; else None.

    Names are compared without letter case, spaces, hyphens and underscores. A grade may be a number, a number in
    quotes, or an object with a `score`; the grades may stand one level down. Nothing is clipped, for only the caller
    knows the scale.

    Raises:
        BadInput: No names are given, or two that are the same.
    """
    keys = [_key(name) for name in names]
    if not keys or len(set(keys)) < len(keys):
        raise BadInput("a rubric needs names, each different from the others but for letter case and spaces")
    grades = None
    for found in json_objects(text):
        for candidate in (found, *(value for value in found.values() if isinstance(value, dict))):
            given = {_key(name): _grade(value) for name, value in candidate.items()}
            values = [given.get(key) for key in keys]
            complete = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            grades = complete if len(complete) == len(keys) else grades
    return grades


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


def _grade(value: object) -> float | None:
    if isinstance(value, dict):
        value = value.get("score", value.get("grade"))
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _value(found: dict[str, Any], keys: Sequence[str]) -> object:
    lowered = {key.lower(): value for key, value in found.items()}
    return next((lowered[key] for key in keys if key in lowered), None)


def _side(word: str) -> Preference | None:
    bare = re.sub(r"^the ", "", word.strip(" \t\n.*_`[]()\"'!:").lower())
    bare = re.sub(rf"^{_THING} | {_THING}$", "", bare)
    if bare in ("tie", "neither", "both", "equal", "draw"):
        return "tie"
    return _SIDES.get(bare)


def _json_action(found: dict[str, Any]) -> Action | None:
    inner = found.get("function")
    if isinstance(inner, dict):
        found = inner
    name = _value(found, _NAME_KEYS)
    if not isinstance(name, str) or not name.strip():
        return None
    if not any(key in _ARGUMENT_KEYS for key in map(str.lower, found)):
        return None if len(found) > 1 else Action(name.strip(), "")
    arguments = _value(found, _ARGUMENT_KEYS)
    try:
        said = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    except RecursionError:
        return None
    return Action(name.strip(), "" if arguments is None else said)


def _bracketed(text: str, start: int) -> str:
    """What stands in the bracket at `start`: up to the one that closes it, else to the end of the line (it was cut)."""
    opening = text[start]
    closing = _CLOSING[opening]
    depth = 0
    for match in re.finditer(rf"[{re.escape(opening + closing)}]", text[start:]):
        depth += 1 if match.group() == opening else -1
        if not depth:
            return text[start + 1 : start + match.start()].strip()
    return text[start + 1 :].partition("\n")[0].strip()
