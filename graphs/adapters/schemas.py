"""JSON schemas that a client gives: refused where they are none, and what is wrong with a value under one.

With the package `jsonschema` (extra `verify`) the whole of a schema counts. Without it the keywords that describe tools
do (`plain_schema`), and a schema with others is refused rather than half held to. References stay inside a schema:
nothing is fetched. A schema may be a stranger's: patterns that can take for ever to match are refused, and so is what
takes too many steps to hold a value to.
"""

from __future__ import annotations

import importlib.util
import json
import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from reflectree.graphs.adapters.plain_schema import MOST_STEPS, PlainSchema, TooMuch
from reflectree.rlm_ops.errors import BadInput

LONGEST_SCHEMA = 200_000
"""Characters of a schema as JSON, and of all the tools' together."""

_MOST_WAYS = 1e8
"""Ways to match a pattern in a text: a few seconds. A longer text is refused unread."""

_NAMING = ("patternProperties", "additionalProperties", "unevaluatedProperties")
_REFERRING = ("$ref", "$dynamicRef", "$recursiveRef")


def check_schema(schema: object, where: str) -> int:
    """Refuse what is no JSON schema, or refers to anything outside itself; gives its length in characters.

    Raises:
        BadInput: The message begins with `where`.
    """
    if not isinstance(schema, Mapping):
        raise BadInput(f"{where}: a JSON schema is an object, and this is {type(schema).__name__}")
    try:
        text = json.dumps(schema, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{where}: the schema is not JSON: {error}") from error
    if len(text) > LONGEST_SCHEMA:
        raise BadInput(f"{where}: the schema has {len(text)} characters, and {LONGEST_SCHEMA} are allowed")
    for name, target in _references(schema):
        if not (isinstance(target, str) and target.startswith("#")):
            raise BadInput(f"{where}: {name} {target!r:.200} refers outside the schema: move what it means into $defs")
    if any(part is not schema and isinstance(part.get("$schema"), str) for part in _parts(schema)):
        raise BadInput(f"{where}: $schema stands below the top of the schema: leave it out there")
    for pattern in _patterns(schema):
        _check_pattern(pattern, where)
    _validator(text, where)
    return len(text)


def problem_with(value: object, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with a JSON value under a schema that was checked, in one line; `None` where nothing is."""
    try:
        return _validator(json.dumps(schema, sort_keys=True), "schema").problem(value)
    except (TooMuch, RecursionError):
        return "it is too large, or too deep, to be held to its schema"


class _Steps(threading.local):
    """How many steps a thread may still take."""

    left = 0


_steps = _Steps()


def _counted(name: str, keyword: Callable[..., Any]) -> Callable[..., Any]:
    """A keyword whose work is counted: nested choices of references take a time exponential in a schema's size."""
    own = 20 if name in _REFERRING else 1  # to follow a reference takes as long as twenty plain keywords

    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        sizes = (len(part) for part in (value, instance) if isinstance(part, dict | list))
        _steps.left -= own + sum(sizes)
        if _steps.left < 0 or any(_ways(*match) > _MOST_WAYS for match in _matches(name, value, instance, schema)):
            raise TooMuch
        return keyword(validator, value, instance, schema)

    return check


def _matches(name: str, value: Any, instance: Any, schema: Any) -> Iterator[tuple[str, int]]:
    """The regular expressions that a keyword holds texts to, each with a text's length."""
    if name == "pattern" and isinstance(instance, str):
        yield value, len(instance)
    elif name in _NAMING and isinstance(instance, dict):
        for pattern in schema.get("patternProperties", ()):
            yield pattern, max(map(len, instance), default=0)


def _ways(pattern: str, length: int) -> float:
    """At most so many ways there are to match a pattern in a text; one that backtracks may try them all."""
    loops, choices = _freedom(pattern)
    return float(math.comb(length + loops, loops)) * 2.0**choices


@lru_cache(maxsize=1024)
def _freedom(pattern: str) -> tuple[int, int]:
    """How often a pattern repeats, and how often it chooses; that it may begin anywhere is a loop too."""
    bare = _bare(pattern)
    loops = len(re.findall(r"[*+]|\{\d*,\d*\}", bare)) + (not pattern.startswith("^"))
    return min(loops, 50), min(len(re.findall(r"(?<!\()\?|\|", bare)), 1000)


def _bare(pattern: str) -> str:
    """A pattern in which what is escaped or in brackets, which neither groups nor repeats, is one letter."""
    return re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", pattern)


@lru_cache(maxsize=16)
def _bounded(kind: Any) -> Any:
    """A draft's validator, its steps counted."""
    from jsonschema import validators

    extend: Any = validators.extend
    return extend(kind, {name: _counted(name, keyword) for name, keyword in kind.VALIDATORS.items()})


class _Whole:
    """A schema under `jsonschema`, all of it."""

    def __init__(self, schema: Any, where: str) -> None:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry

        kind = validator_for(schema, default=Draft202012Validator)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise BadInput(f"{where}: the schema is no JSON schema: {error.message[:200]}") from error
        # anything else would let a schema fetch what it refers to
        self._validator = _bounded(kind)(schema, registry=Registry())

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value.

        Raises:
            TooMuch: It takes too many steps to say.
        """
        from jsonschema.exceptions import best_match

        _steps.left = MOST_STEPS
        error = best_match(self._validator.iter_errors(value))
        if error is None:
            return None
        place = "".join(f"[{part!r}]" for part in error.absolute_path)
        return f"{place or 'it'}: {error.message[:200]}"


@lru_cache(maxsize=256)
def _validator(text: str, where: str = "schema") -> _Whole | PlainSchema:
    schema = json.loads(text)
    kind = _Whole if importlib.util.find_spec("jsonschema") else PlainSchema
    try:
        made = kind(schema, where)
        made.problem(None)  # a reference that is not there, or that leads to itself, shows at once
        made.problem({})
    except BadInput:
        raise
    except TooMuch as error:
        raise BadInput(f"{where}: the schema takes too many steps to apply: make it smaller") from error
    except RecursionError as error:
        raise BadInput(f"{where}: the schema refers to itself without end") from error
    except Exception as error:  # the boundary to a library that raises what its reference resolver raises
        raise BadInput(f"{where}: the schema cannot be applied: {error}") from error
    return made


def _parts(schema: object) -> Iterator[Mapping[str, Any]]:
    """Every object in a schema; an explicit stack, since the nesting is a client's."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, Mapping):
            yield part
            stack.extend(part.values())
        elif isinstance(part, list | tuple):
            stack.extend(part)


def _patterns(schema: object) -> Iterator[str]:
    """Every regular expression in a schema."""
    for part in _parts(schema):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        if isinstance(part.get("patternProperties"), Mapping):
            yield from part["patternProperties"]


def _check_pattern(pattern: str, where: str) -> None:
    """Refuse a pattern that repeats what repeats or chooses within it: that can take exponential time."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadInput(f"{where}: the pattern {pattern[:80]!r} is no regular expression: {error}") from error
    bare = _bare(pattern)
    loose = [False]
    for match in re.finditer(r"\((?:\?[^:)]?[:=!<]?)?|\)|[*+?|]|\{\d*,?\d*\}", bare):
        sign, after = match[0], bare[match.end() : match.end() + 1]
        if sign.startswith("("):
            loose.append(False)
        elif sign == ")":
            inner = loose.pop() if len(loose) > 1 else False
            if inner and after in ("*", "+", "{"):
                raise BadInput(f"{where}: the pattern {pattern[:80]!r} repeats what repeats, and could take for ever")
            loose[-1] = loose[-1] or inner
        elif sign != "?" or bare[match.start() - 1] not in "*+?}":  # after a repetition it only says: lazily
            loose[-1] = True


def _references(schema: object) -> Iterator[tuple[str, object]]:
    """Every reference in a schema."""
    for part in _parts(schema):
        for name in _REFERRING:
            if isinstance(part.get(name), str):
                yield name, part[name]
