"""What is seen of the demo: a line a puzzle while it runs, then the table, one tree, and what they mean."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reflectree.apps.terminal import clock, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from reflectree.graphs.benching import BenchFile, Outcome, Report
    from reflectree.graphs.result import Result
    from reflectree.graphs.tasksets import TaskSet

MEANING = (
    "cot is one sample and spends a fraction of the tokens; self-consistency and best-of-n are chain of thought with "
    "as many samples as the cap buys. A prompt counts each time it is sent, and a search sends more of them.",
    "A Countdown answer can be checked for free, and best-of-n uses that check as the search does: where there is one, "
    "it is the baseline to beat. A few small puzzles on one tiny model say nothing about other tasks and models: "
    "measure yours with reflectree bench.",
)


@dataclass(slots=True)
class Show:
    """The terminal.

    Attributes:
        search: The blueprint whose trees are worth looking at.
        status: The line that says what is going on, on a terminal.
        best: The run whose tree is shown.
        marks: Which blueprints solved the puzzle at hand.
    """

    out: Console
    search: str
    started: float = field(default_factory=time.monotonic)
    tasks: TaskSet | None = None
    file: BenchFile | None = None
    status: Status | None = None
    best: Result | None = None
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def elapsed(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self.started

    def preparing(self, what: str, share: float) -> None:
        """The weights are being made ready, which happens once; any thread may call this."""
        if self.status is not None:
            self.status.update(f"{one_line(what)}: {share:.0%}")

    def begin(self, file: BenchFile) -> None:
        """The comparison begins."""
        self.file = file
        self._now_doing("loading the model")

    def outcome(self, outcome: Outcome, result: Result) -> None:
        """One blueprint has done one puzzle; the line is printed once all have."""
        self.marks[outcome.blueprint] = "✓" if outcome.correct else "✗"
        if outcome.blueprint == self.search and self._is_worth_more(result):
            self.best = result
        if self.file is None or self.tasks is None:
            return
        names, done = list(self.file.settings.blueprints), len(self.file.done)
        if done % len(names) == 0:
            puzzle = done // len(names)
            verdicts = " ".join(f"{name} {self.marks[name]}" for name in names)
            asked = one_line(self.tasks[puzzle - 1].question).removeprefix("Use ").rstrip(".")
            self.out.print(
                f"{puzzle:2}/{len(self.tasks)} {clock(self.elapsed)} {asked:<23} {verdicts}",
                overflow="ellipsis",
                no_wrap=True,
            )
        self._now_doing(f"puzzle {min(done // len(names) + 1, len(self.tasks))}: {names[done % len(names)]}")

    def _now_doing(self, what: str) -> None:
        if self.status is not None:
            self.status.update(what)

    def _is_worth_more(self, result: Result) -> bool:
        """Whether a tree is better to look at than the one kept: solved, in many steps, and large."""

        def rank(one: Result) -> tuple[bool, int, int]:
            return one.selected_correct is True, len(re.findall(r"\d+", one.answer or "")), one.nodes

        return self.best is None or rank(result) > rank(self.best)

    def figures(self, found: Report) -> None:
        """The table, and one tree."""
        from reflectree.apps import benchview

        self.out.print()
        self.out.print(benchview.table(found))
        self.out.print()
        for line in benchview.lines(found):
            self.out.print(line, soft_wrap=True)
        if self.best is not None:
            self._draw(self.best)

    def _draw(self, result: Result) -> None:
        from reflectree.apps.drawing import LEGEND, Drawing, Limits, failures_by_node
        from reflectree.rlm_ops.structure import ReasoningStructure

        structure = ReasoningStructure()
        for event in result.trace:
            structure.apply(event)
        self.out.print(f"\nOne of the search's trees: {one_line(structure.task.question)}", style="bold")
        for line in Drawing(structure, failures_by_node(tuple(result.trace)), Limits(nodes=20)).lines():
            self.out.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        self.out.print(LEGEND, style="dim", no_wrap=True, overflow="ellipsis")

    def words(self, found: Report) -> None:
        """What the sample can show, and what it cannot."""
        from reflectree.apps import benchview

        for line in MEANING:
            self.out.print(f"\n{line}")
        repeat = f"python -m reflectree.apps.demo --seed {found.settings.seed}"
        self.out.print(f"\n{benchview.price(found)} · {clock(self.elapsed)} · the same again: {repeat}", style="dim")
