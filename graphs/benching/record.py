"""What a benchmark writes down: its settings, one outcome a blueprint and task, and the file that outlives a kill.

The file is JSON lines: a header with the settings, then one line an outcome, each written at once and whole. A file
that ends in the middle of a line (a full disk, a kill) goes on after its last whole line. Under a cap on the whole of
it, a line is also written before each run, with the most it can cost. Nothing here runs anything.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reflectree.graphs.result import Result
from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError
from reflectree.rlm_ops.usage import NO_USAGE, Usage, total

FORMAT = "reflectree-bench"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides what is measured: outcomes of different settings do not belong into one table.

    Attributes:
        taskset: The set's specification.
        digest: The set's digest, right answers included.
        tasks: How many tasks it has.
        model: The policy's name.
        judge: The judging model's name, where it is another one.
        roles: Further models' names by role, and `tools` the names of tools.
        evaluator: The evaluator's name, where one was given.
        tokens: Cap on prompt and completion tokens a task.
        seed: Seed of all sampling.
        concurrency: Calls in flight at once.
        blueprints: Digests by name, in the order of the table.
        reflectree: The version that ran.
        memory: The memory that was recalled from, and its last event; "" is none, and is not written down.
    """

    taskset: str
    digest: str
    tasks: int
    model: str
    judge: str = ""
    roles: dict[str, str] = field(default_factory=dict)
    tools: list[str] = field(default_factory=list)
    evaluator: str = ""
    tokens: int
    seed: int
    concurrency: int
    blueprints: dict[str, str]
    reflectree: str
    memory: str = ""

    def to_header(self) -> dict[str, Any]:
        """The file's first line."""
        rows = {name: value for name, value in asdict(self).items() if name != "memory" or value}
        return {"format": FORMAT, "version": VERSION, **rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one blueprint made of one task.

    Attributes:
        blueprint: Its name.
        task: The task's id.
        correct: Whether the selected answer is right; `None` where the verifier could not judge it.
        in_structure: Whether a right answer was found at all.
        answer: The selected answer.
        stop_reason: Why the run ended.
        usd: Dollars; `None` is unknown.
        wall_s: Seconds.
    """

    blueprint: str
    task: str
    correct: bool | None
    in_structure: bool | None
    answer: str | None
    stop_reason: str
    calls: int
    failed_calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    nodes: int
    wall_s: float

    @classmethod
    def of(cls, blueprint: str, task: str, result: Result) -> Outcome:
        """The outcome a run's result is."""
        return cls(
            blueprint=blueprint,
            task=task,
            correct=result.selected_correct,
            in_structure=result.in_structure,
            answer=result.answer,
            stop_reason=result.stop_reason,
            nodes=result.nodes,
            wall_s=round(result.wall_s, 3),
            **asdict(result.usage),
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Outcome:
        """The outcome a line holds.

        Raises:
            TypeError: It holds none.
        """
        return cls(**row)

    @property
    def usage(self) -> Usage:
        """The run's bill."""
        return Usage(self.calls, self.failed_calls, self.prompt_tokens, self.completion_tokens, self.usd)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together: what the budget caps."""
        return self.prompt_tokens + self.completion_tokens


class BenchFile:
    """The outcomes so far, and where new ones are added; made by `BenchFile.open`.

    Attributes:
        settings: What is measured.
        done: What was found in the file, and what was added.
        damaged: Whether the file ended in the middle of a line, which was cut off.
        lost: The most that runs can have cost which were begun and never came to an outcome.
    """

    def __init__(
        self, settings: Settings, handle: int | None, done: list[Outcome], damaged: bool, lost: Usage = NO_USAGE
    ) -> None:
        self.settings = settings
        self.done = done
        self.damaged = damaged
        self.lost = lost
        self._handle = handle

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: str | os.PathLike[str] | None, settings: Settings) -> Iterator[BenchFile]:
        """Hold a file for this process, begun where it is new; without a path nothing is kept.

        Raises:
            BadInput: The file cannot be written, or is something else.
            TraceError: It holds outcomes of other settings; the message names them.
            RunLocked: Another process is adding to it.
        """
        if path is None:
            yield cls(settings, None, [], False)
            return
        with _locked(path):
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            except OSError as error:
                raise BadInput(
                    f"cannot write {os.fspath(path)}: {error.strerror}; choose another --out file"
                ) from error
            try:
                content = Path(path).read_bytes()
                whole = content[: content.rfind(b"\n") + 1]
                done, lost = _read(os.fspath(path), whole, settings) if whole else ([], NO_USAGE)
                if not whole and content and not content.startswith(b'{"format"'):
                    raise _foreign(os.fspath(path))
                if len(whole) < len(content):
                    os.ftruncate(handle, len(whole))
                if not whole:
                    _write(handle, settings.to_header())
                yield cls(settings, handle, done, len(whole) < len(content), lost)
            finally:
                os.close(handle)

    @property
    def spent(self) -> Usage:
        """What all outcomes have cost, and at most those runs that came to none."""
        return total([self.lost, *(outcome.usage for outcome in self.done)])

    def begin(self, blueprint: str, task: str, most: Usage) -> None:
        """Write down the most that a run can cost, before it begins: it may never come to an outcome."""
        if self._handle is not None:
            _write(self._handle, {"begun": [blueprint, task], "most": most.to_row()})

    def add(self, outcome: Outcome) -> None:
        """Write an outcome down before anything else happens."""
        if self._handle is not None:
            _write(self._handle, asdict(outcome))
        self.done.append(outcome)


@contextlib.contextmanager
def _locked(path: str | os.PathLike[str]) -> Iterator[None]:
    if not Path(path).parent.is_dir():  # the lock would make it
        raise BadInput(
            f"cannot write {os.fspath(path)}: there is no folder {Path(path).parent}; choose another --out file"
        )
    lock = FileLock(f"{os.fspath(path)}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise RunLocked(f"another process is adding to {os.fspath(path)}: wait for it, or use another file") from error
    except OSError as error:
        raise BadInput(f"cannot write {os.fspath(path)}: {error.strerror}; choose another --out file") from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _write(handle: int, row: Mapping[str, Any]) -> None:
    """One line in one write, and on the disk before the next call is paid."""
    os.write(handle, json.dumps(row, ensure_ascii=True).encode() + b"\n")
    os.fsync(handle)


def _foreign(path: str) -> BadInput:
    return BadInput(f"{path} holds no benchmark, and nothing was changed: choose another file")


def _read(path: str, content: bytes, settings: Settings) -> tuple[list[Outcome], Usage]:
    """The outcomes of a file of the same settings, and the most that runs without one can have cost."""
    header, outcomes, lost = read_lines(path, content)
    _check_same(path, header, settings)
    return outcomes, lost


def read_lines(path: str, content: bytes) -> tuple[dict[str, Any], list[Outcome], Usage]:
    """A file's header, its outcomes, and the most that runs without an outcome can have cost.

    Raises:
        BadInput: It is something else.
        TraceError: It is of another version, or a line is damaged.
    """
    lines = content.splitlines()
    try:
        header = json.loads(lines[0])
    except ValueError as error:
        raise _foreign(path) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise _foreign(path)
    if header.get("version") != VERSION:
        raise TraceError(f"{path} has version {header.get('version')} and this reads {VERSION}: use another file")
    outcomes: list[Outcome] = []
    begun: dict[tuple[str, str], list[Usage]] = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            row = json.loads(line)
            if "begun" in row:
                begun.setdefault(tuple(row["begun"]), []).append(Usage(*row["most"]))
                continue
            outcomes.append(Outcome.from_row(row))
        except (ValueError, TypeError, KeyError) as error:
            raise TraceError(
                f"{path}, line {number} is damaged: remove that line, its task is then run again"
            ) from error
    for outcome in outcomes:  # a run may have been begun more than once, and came to an outcome once
        if waiting := begun.get((outcome.blueprint, outcome.task)):
            waiting.pop()
    return header, outcomes, total([usage for waiting in begun.values() for usage in waiting])


def _check_same(path: str, header: Mapping[str, Any], settings: Settings) -> None:
    """Refuse to add to a file of other settings, and say which differ."""
    now, differing = settings.to_header(), list[str]()
    for spec in fields(Settings):
        then, wanted = header.get(spec.name), now.get(spec.name)
        if isinstance(then, dict) and isinstance(wanted, dict):
            changed = [name for name in wanted if name in then and then[name] != wanted[name]]
            if changed:
                differing.append(f"settings of {', '.join(changed)}")
            elif list(then) != list(wanted):
                differing.append(f"{spec.name} {','.join(then)}, not {','.join(wanted)}")
        elif then != wanted:
            differing.append(f"{spec.name} {then!r}, not {wanted!r}")
    if differing:
        raise TraceError(
            f"{path} holds another benchmark ({'; '.join(differing)}): ask for the same, or use another --out file"
        )
