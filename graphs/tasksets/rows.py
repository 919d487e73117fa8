"""Rows of published data sets: from a file (JSON lines, JSON, CSV, Parquet; `.gz` too) or from the Hugging Face hub.

A row is data and stays so. This module knows nothing of what the fields of any set mean.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require

_FORMATS = ("jsonl", "json", "csv", "parquet")


@dataclass(frozen=True, slots=True)
class Row:
    """One row; what is asked of a field that is missing or of another kind raises an error that names it.

    A field may be known by several names, since copies of a set differ in letter case: the first that is there counts.
    """

    fields: Mapping[str, Any]

    def value(self, *names: str) -> Any:
        """The field's value, or None where it is missing or null."""
        return next((self.fields[name] for name in names if self.fields.get(name) is not None), None)

    def text(self, *names: str) -> str:
        """A text that is not blank; whole numbers are written out.

        Raises:
            BadInput: The field is missing, blank or no text.
        """
        value = self.value(*names)
        if value is None:
            raise BadInput(f"field {names[0]!r} is missing: the row has {', '.join(map(str, self.fields)) or 'none'}")
        if type(value) is int:
            return str(value)
        if not isinstance(value, str) or not value.strip():
            raise BadInput(f"field {names[0]!r} must be a text that is not blank, got {_shown(value)}")
        return value

    def optional(self, *names: str) -> str:
        """The text of a field, or an empty one where it is missing or empty."""
        return self.text(*names) if self.value(*names) not in (None, "") else ""

    def texts(self, *names: str) -> list[str]:
        """A list of texts, in CSV written as JSON; empty where the field is missing.

        Raises:
            BadInput: The field is no such list.
        """
        value = self.structure(*names)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadInput(f"field {names[0]!r} must be a list of texts, got {_shown(value)}")
        return value

    def structure(self, *names: str) -> Any:
        """A list or an object, in CSV written as JSON; None where the field is missing.

        Raises:
            BadInput: It is a text that is no JSON.
        """
        value = self.value(*names)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"field {names[0]!r} must be a list, written as JSON: {error}") from error

    def truth(self, *names: str) -> bool:
        """A truth value; in CSV true, false, yes or no.

        Raises:
            BadInput: The field is missing or is none.
        """
        value = self.value(*names)
        if isinstance(value, bool):
            return value
        written = {"true": True, "yes": True, "false": False, "no": False}
        if not isinstance(value, str) or value.strip().lower() not in written:
            raise BadInput(f"field {names[0]!r} must be true or false, got {_shown(value)}")
        return written[value.strip().lower()]


def file_rows(path: str) -> Iterator[tuple[str, Row]]:
    """The rows of a file, each with its place in it (`line 3`, `row 3`).

    Raises:
        BadInput: The file cannot be read, is in no known format, or is not what its name says.
        MissingExtra: It is a Parquet file, and nothing is installed that reads them.
    """
    suffixes = [suffix[1:].lower() for suffix in Path(path).suffixes]
    packed = suffixes[-1:] == ["gz"]
    kind = suffixes[-2:-1] if packed else suffixes[-1:]
    if not kind or kind[0] not in _FORMATS:
        raise BadInput(f"cannot tell the format of {path!r}: its name must end in one of .{', .'.join(_FORMATS)}")
    try:
        if kind[0] == "parquet":
            yield from _parquet_rows(path)
            return
        with (
            gzip.open(path, "rt", encoding="utf-8-sig") if packed else open(path, encoding="utf-8-sig", newline="") as f
        ):
            yield from _csv_rows(f, path) if kind[0] == "csv" else _json_rows(f, path)
    except OSError as error:
        raise BadInput(f"cannot read {path!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path!r} is not UTF-8 text") from error


def hub_rows(path: str, config: str | None, split: str) -> Iterator[tuple[str, Row]]:
    """The rows of a data set on the Hugging Face hub, downloaded or from the `datasets` package's cache.

    Raises:
        BadInput: It cannot be had; a local copy can be used instead.
        MissingExtra: `datasets` is not installed.
    """
    library = require("datasets", "datasets", f"downloading {path}")
    try:
        data = library.load_dataset(path, config, split=split)
    except Exception as error:  # its errors are many: no network, no such split, a set behind a form
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise BadInput(f"cannot load {path} ({split}): {why}; or download it and give NAME:FILE") from error
    for number, fields in enumerate(data, start=1):
        yield f"row {number}", Row(fields)


def _json_rows(file: TextIO, path: str) -> Iterator[tuple[str, Row]]:
    """JSON lines, or one list; the first character shows which, since both are called .json."""
    start = file.read(64).lstrip()
    file.seek(0)
    if start.startswith("["):
        try:
            items = json.load(file)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{path}: not JSON: {error}") from error
        for number, item in enumerate(items, start=1):
            yield f"row {number}", _row(item, path, f"row {number}")
        return
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                item = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"{path}, line {number}: not JSON: {error}") from error
            yield f"line {number}", _row(item, path, f"line {number}")


def _csv_rows(file: TextIO, path: str) -> Iterator[tuple[str, Row]]:
    reader = csv.DictReader(file, strict=True)
    try:
        for number, fields in enumerate(reader, start=1):
            if None in fields:
                raise BadInput(f"{path}, row {number}: more cells than the header has columns")
            yield f"row {number}", Row({name: cell for name, cell in fields.items() if cell})
    except csv.Error as error:
        raise BadInput(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _parquet_rows(path: str) -> Iterator[tuple[str, Row]]:
    library = require("pyarrow", "datasets", "a Parquet file")
    parquet = require("pyarrow.parquet", "datasets", "a Parquet file")
    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=256):
                for fields in batch.to_pylist():
                    number += 1
                    yield f"row {number}", Row(fields)
    except library.ArrowInvalid as error:
        raise BadInput(f"{path!r} is not a Parquet file: {error}") from error


def _row(item: object, path: str, place: str) -> Row:
    if not isinstance(item, dict):
        raise BadInput(f"{path}, {place}: not a JSON object")
    return Row(item)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
