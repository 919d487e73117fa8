"""Filters over values: LangGraph's six operators, as its in-memory store reads them, without its two traps.

An unknown operator is refused wherever it stands (the in-memory store answers `$or` with nothing), and what cannot be
compared does not match (there a missing field raises `TypeError`). It knows nothing of how values are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any

from reflectree.rlm_ops.errors import BadInput

ORDERED: dict[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}
OPERATORS = ("$eq", "$ne", *ORDERED)

Filter = Mapping[str, Any]


def check(conditions: Filter | None) -> None:
    """Refuse what no store understands before anything is read.

    Raises:
        BadInput: An unknown operator, or an operator where a field belongs.
    """
    for field, wanted in (conditions or {}).items():
        if not isinstance(field, str) or field.startswith("$"):
            raise BadInput(f"a filter names fields, not {field!r}: write {{'field': {{'$gte': 1}}}}")
        _check_operators(wanted)


def matches(value: Mapping[str, Any], conditions: Filter | None) -> bool:
    """Whether a value fulfils every condition."""
    return all(_fulfils(value.get(field), wanted) for field, wanted in (conditions or {}).items())


def _check_operators(wanted: Any) -> None:
    if isinstance(wanted, Mapping):
        operators = [key for key in wanted if isinstance(key, str) and key.startswith("$")]
        if operators and (unknown := [str(key) for key in wanted if key not in OPERATORS]):
            raise BadInput(f"unknown filter operator {unknown[0]}: use one of {', '.join(OPERATORS)}")
        for inner in () if operators else wanted.values():
            _check_operators(inner)
    elif isinstance(wanted, list | tuple):
        for inner in wanted:
            _check_operators(inner)


def _fulfils(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if any(isinstance(key, str) and key.startswith("$") for key in wanted):
            return all(_compare(value, operator, other) for operator, other in wanted.items())
        return isinstance(value, Mapping) and all(_fulfils(value.get(key), other) for key, other in wanted.items())
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(wanted)
            and all(_fulfils(one, other) for one, other in zip(value, wanted, strict=True))
        )
    return bool(value == wanted)


def _compare(value: Any, operator: str, other: Any) -> bool:
    if operator == "$eq":
        return bool(value == other)
    if operator == "$ne":
        return bool(value != other)
    try:
        return ORDERED[operator](float(value), float(other))
    except (TypeError, ValueError, OverflowError):
        pass
    try:  # dates as ISO text, datetimes
        return type(value) is type(other) and ORDERED[operator](value, other)
    except TypeError:
        return False
