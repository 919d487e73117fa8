"""Task sets from JSONL files: one task a line, checked line by line.

A file is data: it may name verifiers, but not `python:` ones, which would run code of its choice.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from reflectree.graphs.tasksets.base import Entry, TaskSet, canonical
from reflectree.rlm_ops.answers import extract_answer
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Example, Form, Task, Verifier
from reflectree.rlm_ops.verifiers import exact, math, numeric, parse_spec
from reflectree.rlm_ops.verifiers.number import read_number

_BARE_KINDS = ("exact", "numeric", "math")


class _ExampleLine(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    question: str
    steps: list[str] = []
    answer: str


class _Line(BaseModel):
    """One line; fields of other names are left alone, since published sets carry many."""

    model_config = ConfigDict(extra="ignore", strict=True)

    question: str
    answer: str | int | float | None = None
    verifier: str | None = None
    context: str = ""
    id: str | int | None = None
    form: Form = "line"
    examples: list[_ExampleLine] = []


def load_jsonl(path: str | os.PathLike[str], *, limit: int | None = None) -> TaskSet:
    """The first `limit` tasks of a file, in its order; blank lines do not count.

    Raises:
        BadInput: The file cannot be read or holds no task, or a line is no task; the message has its number.
        MissingExtra: A verifier needs a package that is not installed.
    """
    entries: list[Entry] = []
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        if limit is not None and len(entries) >= limit:
            break
        try:
            entries.append(_entry(line, number, seen))
        except BadInput as error:
            raise type(error)(f"{os.fspath(path)}, line {number}: {error}") from error
    if not entries:
        raise BadInput(f"{os.fspath(path)} holds no task: give one JSON object a line, with a question and an answer")
    return TaskSet(os.fspath(path), len(entries), entries.__getitem__)


def read_task(text: str) -> Task:
    """The task that one JSON object stands for, with the fields a line of a task file has.

    Raises:
        BadInput: It is no such object.
        MissingExtra: Its verifier needs a package that is not installed.
    """
    return _entry(text, 1, {}).task


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except OSError as error:
        hint = "give a JSONL file, or reasoning_gym:NAME for a generated set"
        raise BadInput(f"cannot read the task set {os.fspath(path)!r} ({error.strerror}): {hint}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"the task set {os.fspath(path)!r} is not UTF-8 text") from error


def _entry(text: str, number: int, seen: dict[str, int]) -> Entry:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadInput("not a JSON object")
    _check_names(fields)
    try:
        line = _Line.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"field {'.'.join(map(str, first['loc']))!r}: {first['msg'].lower()}") from error
    identity = line.model_dump(exclude_defaults=True)
    name = _task_id(line, identity, number, seen)
    task = Task(
        line.question.strip(),
        context=line.context,
        examples=tuple(Example(e.question, tuple(e.steps), e.answer) for e in line.examples),
        verifier=_verifier(line),
        id=name,
        form=line.form,
    )
    return Entry(task, {**identity, "id": name})


def _check_names(fields: dict[str, Any]) -> None:
    """A name that is nearly one of ours is a slip of the pen, not somebody else's field."""
    known = list(_Line.model_fields)
    for name in fields:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.8) if name not in known else []
        if near and near[0] not in fields:
            raise BadInput(f"unknown field {name!r}: did you mean {near[0]!r}?")


def _task_id(line: _Line, identity: dict[str, Any], number: int, seen: dict[str, int]) -> str:
    """The line's own id, or one made of its content, which does not change when lines move."""
    if line.id is not None:
        name = str(line.id)
        if name in seen:
            raise BadInput(f"the id {name!r} is taken by line {seen[name]}")
    else:
        stem = name = hashlib.sha256(canonical(identity)).hexdigest()[:12]
        copies = 1
        while name in seen:
            copies += 1
            name = f"{stem}-{copies}"
    seen[name] = number
    return name


def _verifier(line: _Line) -> Verifier | None:
    if line.verifier is None:
        return None if line.answer is None else _from_answer(str(line.answer))
    spec = line.verifier.strip()
    if spec.lower().startswith("python:"):
        raise BadInput("a task file may not name python: verifiers: pass them with --verifier")
    if line.answer is None:
        return parse_spec(spec)
    if spec not in _BARE_KINDS:
        raise BadInput(f"beside an answer the verifier is one of {', '.join(_BARE_KINDS)}; or give the verifier alone")
    return parse_spec(f"{spec}:{_stated(str(line.answer))}")


def _from_answer(answer: str) -> Verifier:
    """Numbers are compared as numbers, LaTeX as mathematics, everything else as text."""
    stated = _stated(answer)
    if "\\" in stated:
        return math(stated)
    number = read_number(stated)
    return exact(stated) if number is None or stated[-1:].isalpha() else numeric(number)


def _stated(answer: str) -> str:
    """The answer at the end of a worked solution (GSM8K's `#### 72`), or the answer itself."""
    return (extract_answer(answer) or answer) if "####" in answer else answer
