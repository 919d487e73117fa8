"""Values as JSON text: what goes into a memory comes out equal, and what JSON cannot hold is refused by its place.

JSON's own types round-trip, tuples come back as lists, and dates and datetimes are kept as tagged objects. Binary data
and arbitrary objects are refused: a memory is read by people and other programs. It knows nothing of stores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from reflectree.rlm_ops.errors import BadInput

MAX_BYTES = 4 * 2**20
"""Longest value in bytes of JSON: a memory is recalled into prompts, so a larger one is a mistake."""
MAX_DEPTH = 100
"""Deepest nesting of a value."""
TAG = "$type"
"""Marks what is not plain JSON; an object that has this key itself is kept as a list of pairs."""


def encode(value: Mapping[str, Any]) -> str:
    """A value as ASCII JSON, so that lone surrogates survive a store that speaks UTF-8 only.

    Raises:
        BadInput: It holds what JSON cannot, is too large or nested too deeply; the message names the place.
    """
    if not isinstance(value, Mapping):
        raise BadInput(f"a memory's value is a mapping, not {type(value).__name__}: wrap it, as in {{'text': ...}}")
    try:
        text = json.dumps(_packed(value, "value", 0))
    except ValueError as error:  # an integer of more digits than Python converts
        raise BadInput(f"the value cannot be written as JSON: {error}") from error
    if len(text) > MAX_BYTES:
        raise BadInput(f"the value takes {len(text):,} bytes and a memory holds {MAX_BYTES:,}: store a reference to it")
    return text


def decode(text: str) -> dict[str, Any]:
    """The value that `encode` wrote."""
    value = json.loads(text)
    if f'"{TAG}"' in text:
        value = _unpacked(value)
    assert isinstance(value, dict)
    return value


def plain(value: Any) -> Any:
    """The value as an embedder reads it: datetimes as ISO text, everything else as JSON has it."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def clean(text: str) -> str:
    """Text that any tokenizer and database accepts: surrogate pairs joined, lone surrogates replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _packed(node: Any, where: str, depth: int) -> Any:
    if node is None or isinstance(node, str | int | float):
        return node
    if depth > MAX_DEPTH:
        raise BadInput(f"the value is nested deeper than {MAX_DEPTH} levels: store it flat or as text")
    if isinstance(node, Mapping):
        if wrong := [key for key in node if not isinstance(key, str)]:
            raise BadInput(f"{where} has the key {wrong[0]!r}: the keys of JSON objects are strings")
        packed = {key: _packed(inner, f"{where}.{key}", depth + 1) for key, inner in node.items()}
        return {TAG: "object", "pairs": list(packed.items())} if TAG in packed else packed
    if isinstance(node, list | tuple):
        return [_packed(inner, f"{where}[{number}]", depth + 1) for number, inner in enumerate(node)]
    if isinstance(node, datetime):
        return {TAG: "datetime", "iso": node.isoformat()}
    if isinstance(node, date):
        return {TAG: "date", "iso": node.isoformat()}
    if isinstance(node, bytes | bytearray | memoryview):
        raise BadInput(f"{where} is binary: store a path to it, or base64 text")
    raise BadInput(f"{where} is of type {type(node).__name__}: a memory holds JSON values, dates and datetimes")


def _unpacked(node: Any) -> Any:
    if isinstance(node, list):
        return [_unpacked(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    match node.get(TAG):
        case "object":
            return {key: _unpacked(inner) for key, inner in node["pairs"]}
        case "datetime":
            return datetime.fromisoformat(node["iso"])
        case "date":
            return date.fromisoformat(node["iso"])
    return {key: _unpacked(inner) for key, inner in node.items()}
