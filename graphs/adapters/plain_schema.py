"""The JSON schema keywords that descriptions of tools use, checked without any library.

A schema that says more is refused: one of which half the keywords were ignored would let wrong values pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reflectree.rlm_ops.errors import MissingExtra

_SAID = frozenset({
    "title", "description", "default", "examples", "example", "format", "$schema", "$id", "$defs", "definitions",
    "$comment", "deprecated", "readOnly", "writeOnly", "nullable", "strict",
})  # fmt: skip
"""Keywords that describe and restrict nothing."""
_NESTED = ("anyOf", "oneOf", "allOf")
_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: not isinstance(value, bool) and isinstance(value, int | float) and value == int(value),
    "number": lambda value: not isinstance(value, bool) and isinstance(value, int | float),
}
_LIMITS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, limit: not _TYPES["number"](value) or value >= limit,
    "maximum": lambda value, limit: not _TYPES["number"](value) or value <= limit,
    "exclusiveMinimum": lambda value, limit: not _TYPES["number"](value) or value > limit,
    "exclusiveMaximum": lambda value, limit: not _TYPES["number"](value) or value < limit,
    "minLength": lambda value, limit: not isinstance(value, str) or len(value) >= limit,
    "maxLength": lambda value, limit: not isinstance(value, str) or len(value) <= limit,
    "minItems": lambda value, limit: not isinstance(value, list) or len(value) >= limit,
    "maxItems": lambda value, limit: not isinstance(value, list) or len(value) <= limit,
}
CHECKED = frozenset({
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "$ref", *_NESTED, *_LIMITS,
})  # fmt: skip
"""Keywords that are checked."""


MOST_STEPS = 200_000
"""Steps in which a value has to be held to a schema: half a second or so."""


class TooMuch(Exception):
    """To hold a value to a schema takes too many steps."""


class PlainSchema:
    """A schema of those keywords.

    Raises:
        MissingExtra: It has others.
    """

    def __init__(self, schema: Any, where: str) -> None:
        self._root, self._left = schema, MOST_STEPS
        stack = [schema]
        while stack:
            part = stack.pop()
            if not isinstance(part, Mapping):
                continue
            unknown = sorted(part.keys() - CHECKED - _SAID)
            if unknown:
                raise MissingExtra(
                    f"{where}: the schema's {unknown[0]!r} needs jsonschema, which is not installed: "
                    "pip install 'reflectree[verify]'"
                )
            stack += [part.get("items"), part.get("additionalProperties")]
            for name in (*_NESTED, "properties", "$defs", "definitions"):
                inner = part.get(name) or ()
                stack += inner.values() if isinstance(inner, Mapping) else inner

    def problem(self, value: object) -> str | None:
        """What is wrong with a value, in one line; `None` where nothing is.

        Raises:
            TooMuch: It takes too many steps to say.
        """
        self._left = MOST_STEPS
        return self._of(value, self._root, "it")

    def _of(self, value: Any, schema: Any, place: str) -> str | None:
        self._left -= 1
        if self._left < 0:
            raise TooMuch
        if isinstance(schema, bool):
            return None if schema else f"{place}: nothing is allowed here"
        if "$ref" in schema:
            problem = self._of(value, self._target(schema["$ref"]), place)
            if problem:
                return problem
        types = schema.get("type", ())
        types = [types] if isinstance(types, str) else types
        if types and not any(_TYPES[kind](value) for kind in types):
            return f"{place}: {value!r:.80} is not of type {' or '.join(types)}"
        if "enum" in schema and value not in schema["enum"]:
            return f"{place}: {value!r:.80} is not one of {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            return f"{place}: {value!r:.80} is not {schema['const']!r}"
        for name, holds in _LIMITS.items():
            if name in schema and not holds(value, schema[name]):
                return f"{place}: {value!r:.80} breaks {name} {schema[name]}"
        return self._combined(value, schema, place) or self._inside(value, schema, place)

    def _combined(self, value: Any, schema: Mapping[str, Any], place: str) -> str | None:
        for name in _NESTED:
            if name in schema:
                problems = [self._of(value, part, place) for part in schema[name]]
                fits = problems.count(None)
                if not {"anyOf": fits > 0, "oneOf": fits == 1, "allOf": fits == len(problems)}[name]:
                    return next(filter(None, problems), f"{place}: fits more than one of oneOf")
        return None

    def _inside(self, value: Any, schema: Mapping[str, Any], place: str) -> str | None:
        if isinstance(value, list) and "items" in schema:
            inside = (self._of(item, schema["items"], f"{place}[{at}]") for at, item in enumerate(value))
            return next(filter(None, inside), None)
        if not isinstance(value, dict):
            return None
        missing = [name for name in schema.get("required", ()) if name not in value]
        if missing:
            return f"{place}: {missing[0]!r} is missing"
        known, other = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, item in value.items():
            if name not in known and other is False:
                return f"{place}: {name!r} is not among its properties"
            problem = self._of(item, known.get(name, other), f"{place}[{name!r}]")
            if problem:
                return problem
        return None

    def _target(self, reference: str) -> Any:
        """What a reference inside the schema means."""
        found = self._root
        for part in filter(None, reference.removeprefix("#").split("/")):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return found
