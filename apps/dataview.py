"""What `reflectree data` shows: progress on stderr, numbers on stdout."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from reflectree.apps.terminal import clean, console, dollars, duration, many, note, one_line, short
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.usage import Usage
from reflectree.training.buffer import Added, ReplayBuffer
from reflectree.training.labels import LABELS
from reflectree.training.pipelines.relabel import LabelReport
from reflectree.training.pipelines.report import GenerationReport
from reflectree.training.pipelines.runs import Entry, Run
from reflectree.training.pipelines.session import Generation


class Show:
    """What is told on stderr while runs are made or labelled: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self.session: Generation | None = None
        self._quiet = quiet
        self._done = self._total = self._right = 0
        self._bar: Any = None
        self._row: Any = None

    @contextlib.contextmanager
    def on_stderr(self, total: int = 0) -> Iterator[None]:
        """What user code prints meanwhile goes to stderr, too."""
        self._total = total
        with contextlib.redirect_stdout(sys.stderr):
            if self._quiet or not sys.stderr.isatty():
                yield
                return
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (BarColumn(28), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            with Progress(*columns, console=console(stderr=True), transient=True) as self._bar:
                self._row = self._bar.add_task("", total=total or None)
                yield

    def begin(self, session: Generation) -> None:
        """Say what is ahead, before anything is paid."""
        self.session = session
        names = {run.name for run in session.order}
        kept = [entry for name, entry in session.job.bill.items() if name in names]
        self._total, self._done, self._right = len(names), len(kept), sum(entry.correct is True for entry in kept)
        if self._bar is not None:
            self._bar.update(self._row, total=self._total, completed=self._done)
        if not self._quiet:
            left = f", {many(session.refused, 'test task')} left out" if session.refused else ""
            note(f"{many(self._total, 'run')}: {self._done} kept, {self._total - self._done} to make{left}")

    def run(self, run: Run, entry: Entry) -> None:
        """One run has finished."""
        self._right += entry.correct is True
        self._step(f"right so far: {self._right}")

    def note(self, said: str) -> None:
        """Something happened that a user may want to know."""
        if not self._quiet:
            note(said)

    def trace(self, path: Path, samples: int) -> None:
        """One trace was labelled."""
        self._step(f"{one_line(path.stem, 40)}: {many(samples, 'sample')}")

    def _step(self, said: str) -> None:
        from rich.markup import escape

        self._done += 1
        if self._bar is not None:
            self._bar.update(self._row, advance=1, description=escape(said))
        elif not self._quiet and (self._done % max(1, self._total // 20) == 0 or self._done == self._total):
            note(f"{self._done}/{self._total} {said}")


def interrupted(report: GenerationReport | None) -> None:
    """Say what Ctrl-C left; without a report it came before anything was begun."""
    if report is None:
        note("interrupted before anything was begun")
        return
    note(f"interrupted; {many(report.finished, 'run')} kept in {shlex.quote(report.folder)}: the same command goes on")


def print_generation(report: GenerationReport, as_json: bool) -> None:
    """How a job stands."""
    if as_json:
        _json(report.to_json())
        return
    share = f", {report.correct} of {report.judged} right" if report.judged else ""
    _line(f"{report.finished} of {many(report.runs, 'run')} over {many(report.tasks, 'task')}{share}")
    _line(f"{_bill(report.usage)}, {duration(report.seconds)}; traces in {report.folder}")
    if report.labelled or report.added.stored:
        _line(f"{many(report.labelled, 'run')} labelled: {_added(report.added)}")
    if report.paused:
        if report.paused == "seconds":
            _line("paused: the cap on seconds is reached; the same command with a higher --max-seconds goes on")
        else:
            _line(
                f"paused: not even one more run fits under the cap on {report.paused}; "
                f"the same command with a higher --max-{report.paused} goes on"
            )


def print_labels(report: LabelReport, as_json: bool) -> None:
    """What became of some traces."""
    if as_json:
        _json(report.to_json())
        return
    left = [(report.refused, "test task"), (report.unsound, "damaged trace")]
    said = "".join(f", {many(count, what)} left out" for count, what in left if count)
    _line(f"{many(report.traces, 'trace')} labelled{said}: {_added(report.added)}")
    if report.usage.calls:
        _line(f"completions: {_bill(report.usage)}")
    if report.paused:
        _line(
            f"paused: the cap on {report.paused} is reached; the same command goes on with another "
            f"--max-{report.paused}, and pays nothing twice"
        )


def print_stats(folder: Path, as_json: bool) -> None:
    """A buffer's statistics, or a job's report.

    Raises:
        BadInput: It is neither.
    """
    if (folder / "job.json").exists():
        try:
            data = json.loads((folder / "report.json").read_bytes())
        except (OSError, ValueError) as error:
            raise BadInput(f"{folder} has no report yet: run its data generate to the end of a session") from error
        held = folder / "buffer"
        data["buffer"] = ReplayBuffer(held).stats() if (held / "buffer.json").exists() else None
    elif (folder / "buffer.json").exists():
        data = ReplayBuffer(folder).stats()
    else:
        raise BadInput(f"{folder} is no replay buffer and no folder of data generate: check the path")
    if as_json:
        _json(data)
        return
    for name, value in _rows(data):
        _line(f"{name:<14}{value}".rstrip())


def print_known_labels(as_json: bool) -> None:
    """The ways to label."""
    rows = [{"name": entry.name, "makes": entry.makes, "needs": list(entry.needs)} for entry in LABELS.values()]
    if as_json:
        _json({"labels": rows})
        return
    for entry in LABELS.values():
        _line(f"{entry.name:<20}{entry.makes:<11}{', '.join(entry.needs)}")


def _rows(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, dict) and name == "buffer":
            yield name, ""
            yield from ((f"  {below}", said) for below, said in _rows(value))
        elif isinstance(value, dict):
            yield name, ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
        elif value is not None:
            yield name, str(value)


def _added(added: Added) -> str:
    parts = [f"{kind} {count}" for kind, count in sorted(added.stored.items())] or ["nothing new"]
    text = "stored " + ", ".join(parts)
    if added.duplicates:
        text += f"; {many(added.duplicates, 'duplicate')} refused"
    if added.filtered:
        text += "; filtered " + ", ".join(f"{name} {count}" for name, count in sorted(added.filtered.items()))
    return text


def _bill(usage: Usage) -> str:
    return f"{many(usage.calls, 'call')}, {short(usage.tokens)} tokens, {dollars(usage.usd)}"


def _line(text: str) -> None:
    typer.echo(clean(text).replace("\n", " "))


def _json(data: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False))
