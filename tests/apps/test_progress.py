from __future__ import annotations

import io
import sys
import threading

import pytest
from rich.console import Console

from reflectree.apps.progress import Progress, shown
from reflectree.graphs.live import OnEvent
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Answered, Began, Evaluated, Event, Grown
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.usage import Usage

EVENTS: list[Event] = [
    Began(question="What?", width=4, root_width=4, depth=3, seq=0),
    Grown(
        nodes=(0,), node=1, text="so 24", status="terminal", answer="24\x1b[2J", usage=Usage(2, 0, 90, 10, None), seq=1
    ),
    Evaluated(node=1, value=0.75, seq=2),
]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(budget: Budget, seconds: float, before: float = 0.0) -> Progress:
    clock = Clock()
    progress = Progress(clock)
    progress.watch("mcts · [bold]model[/bold]", budget)
    progress.begin(before)
    structure = ReasoningStructure()
    for event in EVENTS:
        structure.apply(event)
        progress.on_event(event, structure)
    clock.now = seconds
    return progress


def test_a_line_says_everything() -> None:
    line = watched(Budget(calls=8, seconds=60), 4.0).line()
    assert line == (
        "0:04 · best 0.75  24 · 1 node · 2 of 8 calls · 100 tokens · cost unknown · 0.5 calls/s · 0:56 left"
    )


def test_time_spent_before_an_interruption_counts() -> None:
    sight = watched(Budget(seconds=60), 4.0, before=50.0).sight()
    assert (sight.left, sight.spent) == (6.0, 0.9)


def test_the_nearest_cap_is_the_one_shown() -> None:
    assert watched(Budget(calls=4, tokens=1000, seconds=100), 10.0).sight().spent == 0.5
    assert watched(Budget(), 10.0).sight().spent is None


def test_the_panel_takes_markup_and_escapes_as_words() -> None:
    out = Console(file=io.StringIO(), width=100, markup=False, force_terminal=True, color_system=None)
    out.print(watched(Budget(calls=8), 4.0).panel())
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]model[/bold]" in text
    assert "25% of the budget" in text
    assert "best 0.75  24" in text
    assert "\x1b[2J" not in text
    assert len(text.splitlines()) == 3


def test_the_preparation_of_a_model_is_shown_until_it_is_done() -> None:
    progress = watched(Budget(), 1.0)
    progress.preparing("preparing the embedded model (once)", 0.4)
    assert progress.line() == "preparing the embedded model (once): 40%"
    progress.preparing("preparing the embedded model (once)", 1.0)
    assert "nodes" in progress.line() or "node" in progress.line()


def test_plain_lines_go_to_stderr_and_so_do_prints(capsys: pytest.CaptureFixture[str]) -> None:
    progress = watched(Budget(), 1.0)
    ticked = threading.Event()
    look = progress.line

    def line() -> str:
        ticked.set()
        return look()

    progress.line = line  # type: ignore[method-assign]
    with shown(progress, interval=0.001):
        print("a user's print")
        assert ticked.wait(5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a user's print" in captured.err
    assert "best 0.75" in captured.err


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with shown(watched(Budget(), 1.0), quiet=True, interval=0.001):
        assert sys.stdout is sys.stderr
    assert capsys.readouterr() == ("", "")


def test_runs_nested_in_a_run_are_seen_while_they_last() -> None:
    progress = Progress(clock_now=lambda: 1.0)
    outer, inner = ReasoningStructure(), ReasoningStructure()
    paid = Usage(1, 0, 10, 5, 0.0)

    def tell(structure: ReasoningStructure, event: Event, on_event: OnEvent) -> None:
        structure.apply(event)
        on_event(event, structure)

    tell(outer, Began(question="What?", seq=0), progress.on_event)
    tell(inner, Began(question="What?", width=9, root_width=9, seq=0), progress.on_nested)
    tell(inner, Grown(nodes=(0,), node=1, text="a", usage=paid, seq=1), progress.on_nested)
    assert (progress.sight().nodes, progress.sight().usage.calls) == (1, 1)
    tell(inner, Answered(seq=2), progress.on_nested)
    tell(outer, Grown(nodes=(0,), node=1, text="a", usage=paid, seq=1), progress.on_event)
    assert (progress.sight().nodes, progress.sight().usage.calls) == (1, 1)
