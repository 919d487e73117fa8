"""Whether the row of an event, read from a file, holds values of the right kind.

Rows that this process made need no check; those of a file may be anything. It looks at one row alone: whether the nodes
it names are there, and whether its number is in sequence, the fold says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.events import Row

HIGHEST = 1 << 24
"""No id or index reaches this: indices are bits of a number, and a file must not choose its size."""


def check_row(row: Row) -> Row:
    """The row itself.

    Raises:
        TraceError: A value is of the wrong kind; the message names its field.
    """
    for name, value in row.items():
        check = _CHECKS.get(name)
        if check is not None and not check(value):
            raise TraceError(f"a damaged {row.get('op')!r} event: {name} is {value!r:.60}")
    return row


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _id(value: Any) -> bool:
    return _whole(value) and 0 <= value < HIGHEST


def _node(value: Any) -> bool:
    return _id(value) or (_whole(value) and value == -1)  # -1: a run that found no answer


def _ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_id, value))


def _number(value: Any) -> bool:
    return (_whole(value) or isinstance(value, float)) and math.isfinite(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _example(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and _text(value[0]) and _texts(value[1]) and _text(value[2])


def _rows(value: Any) -> bool:
    """The events of a nested run, which may hold nested runs in their turn."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        return False
    for row in value:
        check_row(row)
    return True


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _records(value: Any) -> bool:
    """What was recalled; where the run was not shown it, without its text."""
    return _objects(value) and all(
        _text(item.get("id")) and _text(item.get("kind")) and _text(item.get("text", "")) for item in value
    )


def _usage(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > 5:
        return False
    return all(map(_whole, value[:4])) and all(usd is None or _number(usd) for usd in value[4:])


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("seq", "index", "to", "width", "root_width", "depth"), _id),
    **dict.fromkeys(
        ("text", "note", "source", "reason", "context", "of", "granularity", "status", "how", "run"), _text
    ),
    **dict.fromkeys(("policy", "evaluator", "verifier", "task_id", "stop_reason", "selection", "how", "run"), _text),
    **dict.fromkeys(("prior", "score", "confidence"), _or_none(_number)),
    **dict.fromkeys(("correct", "in_structure"), _or_none(lambda value: isinstance(value, bool))),
    "after": _node,
    "against": _node,
    "answer": _or_none(_text),
    "aside": lambda value: isinstance(value, bool),
    "backup": lambda value: isinstance(value, dict),
    "blueprint": lambda value: isinstance(value, dict),
    "form": lambda value: value in ("line", "code", "text"),
    "examples": lambda value: isinstance(value, list) and all(map(_example, value)),
    "node": _node,
    "nodes": _ids,
    "ops": lambda value: _texts(value) and bool(value),
    "oracle": lambda value: isinstance(value, bool),
    "question": lambda value: _text(value) and bool(value.strip()),
    "seed": _whole,
    "tools": _texts,
    "arm": lambda value: value in ("", "memory", "control"),
    "recalled": _records,
    "items": _objects,
    "trace": _rows,
    "usage": _usage,
    "value": _number,
}
