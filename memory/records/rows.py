"""The wire form of records: a row of JSON values, the same in a ledger's line, an export and a snapshot.

Rows come from files that anybody may have written: each is checked whole, types and limits, before it is a record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from reflectree.memory.records.kinds import KINDS, Record
from reflectree.memory.records.origin import Origin
from reflectree.rlm_ops.errors import BadInput

Row = dict[str, Any]
ORIGIN: TypeAdapter[Origin] = TypeAdapter(Origin)
RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="kind")])


def to_row(record: Record) -> Row:
    """The record's wire form; fields at their defaults are left out."""
    row: Row = RECORD.dump_python(record, mode="json", exclude_defaults=True)
    return {"kind": record.kind, **row}


def from_row(row: Mapping[str, Any]) -> Record:
    """The record a row stands for.

    Raises:
        BadInput: It stands for none; the message says what is wrong.
        TestRecordRefused: It is of a test task.
    """
    if not isinstance(row, Mapping) or row.get("kind") not in KINDS:
        kind = row.get("kind") if isinstance(row, Mapping) else row
        raise BadInput(f"a record's kind is one of {', '.join(KINDS)}, not {kind!r:.40}")
    try:
        return RECORD.validate_json(json.dumps(row), strict=True)
    except ValidationError as error:
        raise BadInput(f"a damaged {row['kind']}: {explain(error)}") from error
    except (TypeError, ValueError) as error:
        raise BadInput(f"a damaged {row['kind']}: it holds what JSON cannot") from error


def explain(error: ValidationError) -> str:
    """The first problem of a validation, with the path of its field."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(map(str, first["loc"]))
    return f"{path}: {first['msg'].lower()}" if path else first["msg"].lower()
