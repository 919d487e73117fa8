"""Samples as parquet files: one schema a kind, written whole or not at all, read with errors that name the file.

It knows nothing of duplicates, filters or tasks. pyarrow is imported when a file is written or read.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.training.samples import KINDS, Sample, digest, from_row, to_row

SUFFIX = ".parquet"
VERSION = 1

_TEXTS, _NUMBERS = "texts", "numbers"
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "solution": {"question": "text", "steps": _TEXTS, "answer": "text", "reward": "number", "given": "whole"},
    "valued": {"question": "text", "steps": _TEXTS, "value": "number"},
    "labelled": {"question": "text", "steps": _TEXTS, "labels": _NUMBERS},
    "preferred": {
        "question": "text", "steps": _TEXTS, "chosen": _TEXTS, "rejected": _TEXTS, "values": _NUMBERS,
    },
    "operated": {"question": "text", "messages": "turns", "operators": _TEXTS, "reward": "number"},
}  # fmt: skip
_ORIGIN = {"task": "text", "trace": "text", "node": "whole", "policy": "text", "seed": "whole", "split": "text",
           "label": "text", "round": "whole"}  # fmt: skip


class DamagedShard(BadInput):
    """A file of samples cannot be read."""


def arrow() -> Any:
    """The pyarrow module.

    Raises:
        MissingExtra: It is not installed.
    """
    return require("pyarrow", "datasets", "the replay buffer")


def schema(kind: str) -> Any:
    """The arrow schema of a kind: the sample's fields, its weight, its origin as a struct, and its digest.

    Raises:
        BadInput: There is no such kind.
    """
    if kind not in KINDS:
        raise BadInput(f"a sample is one of {', '.join(KINDS)}, not {kind!r}")
    pa = arrow()
    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    types = {
        "text": pa.string(), "number": pa.float64(), "whole": pa.int64(), _TEXTS: pa.list_(pa.string()),
        _NUMBERS: pa.list_(pa.float64()), "turns": pa.list_(turn),
    }  # fmt: skip
    origin = pa.struct([(name, types[what]) for name, what in _ORIGIN.items()])
    columns = [(name, types[what]) for name, what in _FIELDS[kind].items()]
    return pa.schema([*columns, ("weight", pa.float64()), ("origin", origin), ("digest", pa.string())])


def record(sample: Sample) -> dict[str, Any]:
    """A sample as a row of its file."""
    row = {name: value for name, value in to_row(sample).items() if name != "kind"}
    if "messages" in row:
        row["messages"] = [{"role": role, "content": content} for role, content in row["messages"]]
    return {**row, "digest": digest(sample)}


def sample_of(kind: str, row: Mapping[str, Any]) -> Sample:
    """The sample a row of a file stands for.

    Raises:
        BadInput: It stands for none.
    """
    values = {name: value for name, value in row.items() if name != "digest"}
    if "messages" in values:
        values["messages"] = [(turn["role"], turn["content"]) for turn in values["messages"]]
    return from_row({"kind": kind, **values})


def is_writable(sample: Sample) -> bool:
    """Whether all its texts are Unicode: half a surrogate pair, which a broken client may hand on, is not."""
    return _is_unicode(to_row(sample))


def write(folder: Path, name: str, kind: str, samples: Sequence[Sample]) -> Path:
    """Write a file of samples of one kind: it is there whole and on the disk, or not there.

    Raises:
        BadInput: It cannot be written.
    """
    pa, parquet = arrow(), require("pyarrow.parquet", "datasets", "the replay buffer")
    table = pa.Table.from_pylist([record(sample) for sample in samples], schema=schema(kind))
    table = table.replace_schema_metadata({"reflectree": f"{kind}:{VERSION}"})
    target = folder / f"{name}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                parquet.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync(folder)
    except OSError as error:
        raise BadInput(
            f"cannot write {target}: {error.strerror or error}; make room, or choose another folder"
        ) from error
    return target


def files(folder: Path) -> list[Path]:
    """The whole files of a folder, the oldest first; what a killed writer left half written is not among them."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and not path.name.startswith("."))


def sweep(folder: Path) -> None:
    """Remove what killed writers left half written. Only for the one who holds the buffer's lock."""
    if folder.is_dir():
        for path in folder.glob(".writing-*"):
            path.unlink(missing_ok=True)


def table(path: Path, kind: str, columns: Sequence[str] | None = None) -> Any:
    """The arrow table of a file.

    Raises:
        DamagedShard: It cannot be read, or holds something else; the message names it and says what to do.
    """
    parquet = require("pyarrow.parquet", "datasets", "the replay buffer")
    with _readable(path):
        file = parquet.ParquetFile(path)
        with file:
            said = (file.schema_arrow.metadata or {}).get(b"reflectree", b"").decode()
            if said != f"{kind}:{VERSION}":
                raise ValueError(f"it holds {said or 'something else'}, not {kind}:{VERSION}")
            return file.read(columns=None if columns is None else list(columns))


def samples(path: Path, kind: str) -> list[Sample]:
    """The samples of a file.

    Raises:
        DamagedShard: It cannot be read.
    """
    rows = table(path, kind).to_pylist()
    with _readable(path):
        return [sample_of(kind, row) for row in rows]


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    arrow_error = arrow().ArrowException
    try:
        yield
    except (arrow_error, OSError, ValueError, KeyError, TypeError, BadInput) as error:
        said = str(error).partition("\n")[0]
        raise DamagedShard(
            f"{path} is damaged ({said}): move it away, the other samples can be read without it"
        ) from error


def _is_unicode(value: Any) -> bool:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True
    if isinstance(value, Mapping):
        return all(map(_is_unicode, value.values()))
    return all(map(_is_unicode, value)) if isinstance(value, list | tuple) else True


def _sync(folder: Path) -> None:
    """Make the new name survive a power cut, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
