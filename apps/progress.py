"""A run seen from outside while it goes on: a small live panel on a terminal, a plain line now and then elsewhere.

The run's loop only leaves a reference here; a thread of its own looks at the structure a few times a second, so that
showing costs the search nothing. Everything is written to stderr. It knows nothing of how a run is made.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reflectree.apps.terminal import clean, clock, dollars, many, note, one_line, short
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Answered, Event
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.usage import NO_USAGE, Usage, total

if TYPE_CHECKING:
    from rich.console import RenderableType

REFRESHES_PER_SECOND = 5
PLAIN_INTERVAL_S = 5.0
BAR_WIDTH = 28


@dataclass(frozen=True, slots=True)
class Sight:
    """What is to be seen at one moment.

    Attributes:
        best: Value and answer of the best terminal step.
        spent: Share of the nearest cap that is used up, in [0, 1]; `None` without caps.
        left: Seconds left, where they are capped.
        rate: Calls a second since this process began.
    """

    nodes: int = 0
    in_flight: int = 0
    usage: Usage = NO_USAGE
    best: tuple[float | None, str] | None = None
    spent: float | None = None
    left: float | None = None
    rate: float = 0.0


class Progress:
    """Watches one run.

    Args:
        clock_now: Monotonic seconds.
    """

    def __init__(self, clock_now: Callable[[], float] = time.monotonic) -> None:
        self._title = ""
        self._budget = Budget()
        self._now = clock_now
        self._started = clock_now()
        self._before = 0.0
        self._calls_before: int | None = None
        self._structure: ReasoningStructure | None = None
        self._nested: dict[int, ReasoningStructure] = {}
        self._preparing: tuple[str, float] | None = None

    def on_event(self, event: Event, structure: ReasoningStructure) -> None:
        """Take a look at the run: called with every event."""
        if self._structure is None:
            self._calls_before = structure.usage.calls - getattr(event, "usage", NO_USAGE).calls
        self._structure = structure

    def on_nested(self, event: Event, structure: ReasoningStructure) -> None:
        """Take a look at a nested run; once it has answered, its bill is part of the outer one."""
        if isinstance(event, Answered):
            self._nested.pop(id(structure), None)
        else:
            self._nested[id(structure)] = structure

    def preparing(self, what: str, share: float) -> None:
        """The model says what it is doing before it can answer; any thread may call this."""
        self._preparing = (what, share) if share < 1.0 else None

    def watch(self, title: str, budget: Budget) -> None:
        """What runs, in a few words, and its caps."""
        self._title, self._budget = title, budget

    def begin(self, elapsed_before: float = 0.0) -> None:
        """The run begins; it has taken so many seconds in earlier processes."""
        self._started, self._before = self._now(), elapsed_before

    def sight(self) -> Sight:
        """What is to be seen now."""
        structure, elapsed = self._structure, self._now() - self._started
        cap = self._budget.seconds
        left = None if cap is None else max(0.0, cap - self._before - elapsed)
        if structure is None:
            return Sight(left=left, spent=self._spent(NO_USAGE, left))
        best = structure.best_terminal
        runs = [structure, *list(self._nested.values())]  # a copy: this may be another thread than the run's
        usage = total(run.usage for run in runs)
        return Sight(
            nodes=sum(max(0, len(run) - 1) for run in runs),
            in_flight=sum(run.calls_in_flight for run in runs),
            usage=usage,
            best=None if best is None else (structure.value(best), structure.steps[best].answer or ""),
            spent=self._spent(usage, left),
            left=left,
            rate=(usage.calls - (self._calls_before or 0)) / elapsed if elapsed > 0 else 0.0,
        )

    def _spent(self, usage: Usage, left: float | None) -> float | None:
        budget = self._budget
        shares = [
            used / cap
            for used, cap in (
                (usage.calls, budget.calls),
                (usage.tokens, budget.tokens),
                (usage.usd or 0.0, budget.usd),
                ((budget.seconds or 0.0) - (left or 0.0), budget.seconds),
            )
            if cap
        ]
        return min(1.0, max(shares)) if shares else None

    # Plain lines

    def line(self) -> str:
        """One plain line."""
        if self._preparing is not None:
            return f"{self._preparing[0]}: {self._preparing[1]:.0%}"
        sight = self.sight()
        return " · ".join([f"{clock(self._now() - self._started)}", _best(sight), *self._figures(sight)])

    def _figures(self, sight: Sight) -> list[str]:
        usage, calls = sight.usage, self._budget.calls
        figures = [
            many(sight.nodes, "node"),
            f"{usage.calls:,} of {calls:,} calls" if calls is not None else many(usage.calls, "call"),
            f"{short(usage.tokens)} tokens",
            dollars(usage.usd) if usage.calls else "",
            f"{sight.rate:.1f} calls/s" if sight.rate else "",
            f"{clock(sight.left)} left" if sight.left is not None else "",
        ]
        return [figure for figure in figures if figure]

    # The live panel

    def panel(self) -> RenderableType:
        """Three calm lines: what runs and how much of the budget is used, the figures, the best answer so far."""
        from rich.table import Table
        from rich.text import Text

        sight = self.sight()
        grid = Table.grid()
        grid.add_column(no_wrap=True, overflow="ellipsis")
        head = Text(one_line(self._title, 60), style="bold")
        if sight.spent is not None:
            head.append("  ").append(_bar(sight.spent))
            head.append(f" {sight.spent:4.0%} of the budget", style="dim")
        grid.add_row(head)
        if self._preparing is not None:
            grid.add_row(Text(f"{clean(self._preparing[0])}: {self._preparing[1]:.0%}", style="yellow"))
        else:
            grid.add_row(Text(" · ".join(self._figures(sight))))
        grid.add_row(Text(_best(sight), style="green" if sight.best else "dim"))
        return grid


@contextlib.contextmanager
def shown(progress: Progress, *, quiet: bool = False, interval: float = PLAIN_INTERVAL_S) -> Iterator[None]:
    """Show a run while the block runs; what user code prints meanwhile goes to stderr, so that stdout stays clean."""
    with contextlib.redirect_stdout(sys.stderr):
        if quiet:
            yield
        elif sys.stderr.isatty():
            with _live(progress):
                yield
        else:
            with _ticking(progress, interval):
                yield


@contextlib.contextmanager
def _live(progress: Progress) -> Iterator[None]:
    from rich.live import Live

    from reflectree.apps.terminal import console

    with Live(
        get_renderable=progress.panel,
        console=console(stderr=True),
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
    ):
        yield


@contextlib.contextmanager
def _ticking(progress: Progress, interval: float) -> Iterator[None]:
    done = threading.Event()

    def tick() -> None:
        while not done.wait(interval):
            note(progress.line())

    thread = threading.Thread(target=tick, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _best(sight: Sight) -> str:
    if sight.best is None:
        return "no answer yet"
    value, answer = sight.best
    return f"best {'?' if value is None else f'{value:.2f}'}  {one_line(answer, 60)}"


def _bar(share: float) -> str:
    full = round(share * BAR_WIDTH)
    return "━" * full + "╌" * (BAR_WIDTH - full)
