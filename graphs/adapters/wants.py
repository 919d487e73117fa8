"""What an answer may be: words, calls of tools, JSON under a schema; and how the answer's text is read as that.

Any policy can answer so, because calls are words: JSON objects in the text of the answer. They are read leniently in
dress (fences, words around them) and held to their schemas strictly. Nothing here knows of prompts, models or runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reflectree.graphs.adapters.schemas import LONGEST_SCHEMA, check_schema, problem_with
from reflectree.rlm_ops.errors import BadInput, ModelError

MOST_TOOLS = 128
MOST_CALLS = 64
"""Calls that one answer may make."""
CHOICES = ("auto", "none", "required")
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_FENCED = re.compile(r"```[a-zA-Z_]*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_DRESS = re.compile(r"(?:```[a-zA-Z_]*|<tool_calls?>)\s*\Z")
_BEGUN = re.compile(r'\{\s*"(?:tool|name|tool_name)"\s*:\s*"([^"\\]{1,128})"')
_OPENING = re.compile(r'[\[{](?=\s*["{}\[\]])')


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


class Unreadable(ModelError):
    """The model's answer is not of a form that was wanted."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that may be called; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True)
class Wants:
    """What an answer may be.

    Attributes:
        tools: Tools that may be called.
        choice: `auto` (words or calls), `none` (words), `required` (calls), or the name of the tool to call.
        parallel: Whether one answer may make several calls.
        schema: The JSON schema of an answer in words.
        json: Whether an answer in words is to be a JSON object.

    Raises:
        BadInput: A tool's name or schema cannot be, or the choice names no tool.
    """

    tools: tuple[ToolSpec, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    schema: Mapping[str, Any] | None = None
    json: bool = False

    def __post_init__(self) -> None:
        names = [tool.name for tool in self.tools]
        if len(names) > MOST_TOOLS:
            raise BadInput(f"{len(names)} tools, and {MOST_TOOLS} are allowed")
        for name in names:
            if not _NAME.fullmatch(name):
                raise BadInput(f"tool {name[:128]!r}: a name is letters, digits and _-./: (128 at most)")
        if len(set(names)) < len(names):
            raise BadInput(f"tools {names}: each needs a name of its own")
        if self.choice not in (*CHOICES, *names):
            raise BadInput(f"tool choice {self.choice!r}: use one of {', '.join((*CHOICES, *names))}")
        if self.choice == "required" and not names:
            raise BadInput("tool choice 'required', and there are no tools")
        size = 0
        for tool in self.tools:
            size += check_schema(tool.parameters, f"tool {tool.name}")
            if size > LONGEST_SCHEMA:
                raise BadInput(f"the tools' schemas have more than {LONGEST_SCHEMA:,} characters together: send fewer")
        if self.schema is not None:
            check_schema(self.schema, "response format")

    @property
    def callable(self) -> tuple[ToolSpec, ...]:
        """The tools that an answer may call under the choice."""
        if self.choice in CHOICES:
            return () if self.choice == "none" else self.tools
        return tuple(tool for tool in self.tools if tool.name == self.choice)

    @property
    def must_call(self) -> bool:
        """Whether words alone are no answer."""
        return self.choice not in ("auto", "none")

    def __bool__(self) -> bool:
        """Whether an answer is wanted in any form beyond words."""
        return bool(self.callable) or self.schema is not None or self.json


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool, valid under its schema."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it was read: words, calls, or both."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()


def said(answer: str, wants: Wants, run_id: str = "") -> Said:
    """Read an answer.

    Args:
        answer: Its text.
        wants: What it may be.
        run_id: Whose answer it is: ids of calls follow from it and from the call's position.

    Raises:
        Unreadable: It is nothing that is wanted; the message says what is wrong.
    """
    text = answer.strip()
    if wants.callable:
        words, calls = _calls(text, wants, run_id)
        if calls:
            return Said(words, calls)
        if wants.must_call:
            raise Unreadable("the answer calls no tool, and it has to")
    return Said(_worded(text, wants))


def problem_of(answer: str, wants: Wants) -> str | None:
    """What is wrong with an answer, or `None`."""
    try:
        said(answer, wants)
    except Unreadable as error:
        return str(error)
    return None


def _worded(text: str, wants: Wants) -> str:
    """An answer in words, held to the form that is wanted."""
    if wants.schema is None and not wants.json:
        return text
    found = list(_values(text))
    if len(found) != 1:
        raise Unreadable(f"the answer holds {len(found) or 'no'} JSON values, and one is wanted")
    value = found[0][2]
    if wants.json and wants.schema is None and not isinstance(value, dict):
        raise Unreadable("the answer is no JSON object")
    problem = problem_with(value, wants.schema) if wants.schema is not None else None
    if problem:
        raise Unreadable(f"the answer does not follow its schema: {problem}")
    return json.dumps(value, ensure_ascii=False)


def _calls(text: str, wants: Wants, run_id: str) -> tuple[str, tuple[ToolCall, ...]]:
    """The words before the calls, and the calls.

    Raises:
        Unreadable: One names no tool, is no JSON, or its arguments are not what the tool takes.
    """
    tools = {tool.name: tool for tool in wants.tools}
    found: list[tuple[str, Any]] = []
    first, rest, position = len(text), "", 0
    for start, end, value in _values(text):
        rest, position = rest + text[position:start], end
        meant = [call for item in _flat(value) if (call := _meant(item)) is not None]
        alone = not text[:start].strip("` \n\tjson") and (wants.schema is None or problem_with(value, wants.schema))
        if meant and (alone or any(name in tools for name, _ in meant)):
            found += meant
            first = min(first, start)
    broken = next((begun[1] for begun in _BEGUN.finditer(rest + text[position:]) if begun[1] in tools), None)
    if broken is not None:
        raise Unreadable(f"the call of {broken} is no JSON")
    if len(found) > MOST_CALLS or (len(found) > 1 and not wants.parallel):
        raise Unreadable(f"the answer makes {len(found)} calls, and {MOST_CALLS if wants.parallel else 1} may be made")
    made = [_made(position, name, given, wants, run_id) for position, (name, given) in enumerate(found)]
    words = _DRESS.sub("", text[:first]).strip() if made else text
    return words, tuple(made)


def _made(position: int, name: str, given: Any, wants: Wants, run_id: str) -> ToolCall:
    """One call, held to its tool."""
    tool = next((tool for tool in wants.callable if tool.name == name), None)
    if tool is None:
        allowed = ", ".join(tool.name for tool in wants.callable)
        raise Unreadable(f"the answer calls {name[:128]!r}, and may call: {allowed}")
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (ValueError, RecursionError):
            raise Unreadable(f"the arguments of {name} are no JSON") from None
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Unreadable(f"the arguments of {name} are no JSON object")
    problem = problem_with(given, tool.parameters)
    if problem:
        raise Unreadable(f"the arguments of {name} do not follow its schema: {problem}")
    digest = hashlib.sha256(f"{run_id}\0{position}".encode("utf-8", "backslashreplace")).hexdigest()
    return ToolCall(f"call_{digest[:24]}", name, given)


def _flat(value: Any) -> Iterator[Any]:
    """The objects that may be calls: a list's items, those under `tool_calls`, or the value itself."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    yield from value if isinstance(value, list) else [value]


def _meant(value: Any) -> tuple[str, Any] | None:
    """The name and the arguments of a call, in the usual spellings; `None` where the object is none."""
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), dict):
        value = value["function"]
    name = next(
        (value[key] for key in ("tool", "name", "tool_name", "function") if isinstance(value.get(key), str)), None
    )
    keys = [key for key in ("arguments", "args", "parameters", "input") if key in value]
    if name is None or not (keys or ("tool" in value and len(value) == 1)):
        return None
    return name, value[keys[0]] if keys else {}


def _values(text: str) -> Iterator[tuple[int, int, Any]]:
    """The outermost JSON objects and lists in a text, with where they begin and end; or the one value it is."""
    bare = _FENCED.fullmatch(text.strip())
    whole = bare[1] if bare else text
    try:
        yield 0, len(text), json.loads(whole, parse_constant=_no_constant)
        return
    except (ValueError, RecursionError):
        pass
    position = 0
    for _ in range(MOST_CALLS + 1):
        opening = _OPENING.search(text, position)
        if opening is None:
            return
        try:
            value, position = _DECODER.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            position = opening.end()
        else:
            yield opening.start(), position, value
