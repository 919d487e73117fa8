"""What is told on stderr while a benchmark runs, and once it is interrupted.

What is told of a whole one is in `reflectree.apps.benchview`.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reflectree.graphs.benching import BenchFile, Outcome, Report
    from reflectree.graphs.result import Result


@dataclass(slots=True)
class Show:
    """What is told on stderr while the benchmark runs."""

    tasks: int
    names: Sequence[str]
    quiet: bool
    file: BenchFile | None = None
    right: dict[str, int] = field(default_factory=dict)
    _by_task: Counter[str] = field(default_factory=Counter)
    _bar: Any = None
    _row: Any = None

    @contextlib.contextmanager
    def on_stderr(self) -> Iterator[None]:
        """A bar on a terminal, a line a task elsewhere; what user code prints meanwhile goes to stderr, too."""
        with contextlib.redirect_stdout(sys.stderr):
            if self.quiet or not sys.stderr.isatty():
                yield
                return
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            from reflectree.apps.terminal import console

            columns = (BarColumn(28), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            with Progress(*columns, console=console(stderr=True), transient=True) as self._bar:
                self._row = self._bar.add_task("", total=self.tasks * len(self.names))
                yield

    def preparing(self, what: str, share: float) -> None:
        """The model says what it is doing before it can answer."""
        if self._bar is not None:
            from rich.markup import escape

            self._bar.update(self._row, description=escape(f"{what}: {share:.0%}"))

    def begin(self, file: BenchFile) -> None:
        """Say what is ahead, before anything is paid."""
        from reflectree.apps.terminal import many, note, short

        self.file = file
        if self.quiet:
            return
        settings, left = file.settings, self.tasks * len(self.names) - len(file.done)
        if file.damaged:
            note("the file's last line was cut short: that task is run again")
        note(
            f"{many(self.tasks, 'task')} x {many(len(self.names), 'blueprint')} on {settings.model}: "
            f"{many(left, 'run')} left, at most {short(left * settings.tokens)} tokens"
        )
        for outcome in file.done:
            self._count(outcome)

    def outcome(self, outcome: Outcome, result: Result) -> None:
        """One run has ended."""
        self._count(outcome)
        if self._bar is None and self._by_task[outcome.task] == len(self.names):
            whole = sum(count == len(self.names) for count in self._by_task.values())
            self.note(f"{whole}/{self.tasks} {self._score()}")

    def note(self, said: str) -> None:
        """Something happened that a user may want to know."""
        if not self.quiet:
            from reflectree.apps.terminal import note

            note(said)

    def _count(self, outcome: Outcome) -> None:
        self._by_task[outcome.task] += 1
        self.right[outcome.blueprint] = self.right.get(outcome.blueprint, 0) + (outcome.correct is True)
        if self._bar is not None:
            self._bar.update(self._row, advance=1, description=self._score())

    def _score(self) -> str:
        return "right so far: " + ", ".join(f"{name} {count}" for name, count in self.right.items())


def say_interrupted(file: BenchFile, out: str | None) -> None:
    """Say what is kept of a benchmark that was interrupted, and how to go on with it."""
    from reflectree.apps.terminal import many, note

    if out is None:
        note("interrupted; nothing is kept without --out FILE")
    else:
        note(f"interrupted; {many(len(file.done), 'run')} kept in {shlex.quote(out)}: the same command goes on")


def say_paused(found: Report, out: str | None) -> None:
    """Say which cap keeps further runs from beginning, and how to go on."""
    from reflectree.apps.terminal import many, note

    wanted = found.settings.tasks * len(found.settings.blueprints)
    left = many(wanted - len(found.outcomes), "run")
    kept = "the same command with a higher one goes on" if out else "nothing is kept without --out FILE"
    note(f"paused by the cap on {found.paused}, {left} left: {kept}")
