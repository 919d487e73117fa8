"""A benchmark as a picture: accuracy against tokens, with intervals, baselines marked, found beside selected.

One mark a blueprint and report: the filled one is what was selected, with Wilson's 95 % interval; the hollow one above
it is how often a right answer was found at all. SVG and PNG are drawn with matplotlib, HTML with plotly as one file
that asks nobody for anything. Nothing here runs anything.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reflectree.apps.terminal import one_line, short
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require

if TYPE_CHECKING:
    from reflectree.graphs.benching import Report, Summary

SUFFIXES = {".svg": "matplotlib", ".png": "matplotlib", ".html": "plotly"}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#A6761D")
"""Okabe and Ito's, which the colour-blind can tell apart; baselines are dark grey."""
GREY = "#444444"
FEW_TASKS = 30
"""Below so many tasks only very large differences can be told from luck."""
_SHAPES = {"self-consistency": ("s", "square"), "best-of-n": ("D", "diamond")}


@dataclass(frozen=True, slots=True)
class Mark:
    """One blueprint of one report.

    Attributes:
        tokens: Mean tokens a task.
        selected: Share of tasks whose selected answer is right, from `low` to `high` with 95 % confidence.
        found: Share of tasks for which a right answer was found at all.
    """

    tokens: float
    selected: float
    low: float
    high: float
    found: float

    @classmethod
    def of(cls, row: Summary) -> Mark:
        """The mark of a row."""
        by = row.accuracy
        return cls(row.tokens, by.estimate, by.low, by.high, row.in_structure)


@dataclass(frozen=True, slots=True)
class Line:
    """The marks of one blueprint, by tokens."""

    name: str
    colour: str
    shapes: tuple[str, str]
    baseline: bool
    marks: tuple[Mark, ...]

    @property
    def label(self) -> str:
        """What the legend says."""
        return one_line(self.name, 40) + (" (baseline)" if self.baseline else "")


def check(path: Path) -> None:
    """Refuse a picture that cannot be drawn, before anything is paid.

    Raises:
        BadInput: The file's ending or folder cannot be.
        MissingExtra: What draws it is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadInput(f"cannot draw {path}: a plot is a .svg, .png or .html file")
    if not path.parent.is_dir():
        raise BadInput(f"cannot draw {path}: there is no folder {path.parent}")
    require(SUFFIXES[path.suffix.lower()], "plots", "drawing a benchmark")


def read(path: Path) -> Report:
    """The report of a file that `bench --out` has kept.

    Raises:
        BadInput: It cannot be read or holds no benchmark.
    """
    from pydantic import TypeAdapter, ValidationError

    from reflectree.graphs.benching import Settings, report
    from reflectree.graphs.benching.record import read_lines

    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    header, outcomes, _ = read_lines(str(path), content[: content.rfind(b"\n") + 1] or b"\n")
    try:
        settings = TypeAdapter(Settings).validate_python(header)
    except ValidationError as error:
        wrong = ".".join(map(str, error.errors()[0]["loc"]))
        raise BadInput(f"{path} holds no benchmark: its first line has no {wrong}, or none that can be") from error
    return report(settings, outcomes)


def draw(found: Report | Sequence[Report], path: Path) -> None:
    """Draw one report, or several of the same tasks and model at different caps on tokens.

    Raises:
        BadInput: Nothing is measured yet, the reports cannot stand in one picture, or the file cannot be written.
        MissingExtra: What draws it is not installed.
    """
    check(path)
    reports = list(found) if isinstance(found, Sequence) else [found]
    lines = arranged(reports)
    words = title(reports)
    try:
        if path.suffix.lower() == ".html":
            _with_plotly(lines, words, path)
        else:
            _with_matplotlib(lines, words, path)
    except OSError as error:
        raise BadInput(f"cannot draw {path}: {error.strerror or error}; choose another file") from error


def arranged(reports: Sequence[Report]) -> list[Line]:
    """The lines of a picture, in the order of the tables.

    Raises:
        BadInput: Nothing is measured yet, or the reports are not of the same tasks, model, judges and seed.
    """
    from reflectree.graphs.benching import BASELINES

    for found in reports:
        if not found.n:
            raise BadInput(f"{found.settings.taskset}: no task is done by every blueprint yet: nothing to draw")
        for name in ("digest", "tasks", "model", "judge", "roles", "evaluator", "seed"):
            if getattr(found.settings, name) != getattr(reports[0].settings, name):
                raise BadInput(f"reports of another {name} cannot stand in one picture: draw them one by one")
    rows: dict[str, list[Mark]] = {}
    for found in reports:
        for row in found.rows:
            rows.setdefault(row.blueprint, []).append(Mark.of(row))
    colours = iter(COLOURS * (1 + len(rows) // len(COLOURS)))
    return [
        Line(
            name,
            GREY if name in BASELINES else next(colours),
            _SHAPES.get(name, ("o", "circle")),
            name in BASELINES,
            tuple(sorted(marks, key=lambda mark: mark.tokens)),
        )
        for name, marks in rows.items()
    ]


def title(reports: Sequence[Report]) -> tuple[str, str]:
    """What was measured, and what one must know to read it."""
    settings = reports[0].settings
    caps = ", ".join(short(cap) for cap in sorted({found.settings.tokens for found in reports}))
    counted = sorted({found.n for found in reports})
    n = " and ".join(map(str, counted)) + (f" of {settings.tasks}" if counted != [settings.tasks] else "")
    first = one_line(f"{settings.taskset} · {settings.model}", 100)
    second = f"n = {n} tasks, seed {settings.seed}, at most {caps} tokens a task; bars are 95 % intervals"
    return first, second + ("; too few tasks for small differences" if counted[0] < FEW_TASKS else "")


def _with_matplotlib(lines: Sequence[Line], words: tuple[str, str], path: Path) -> None:
    require("matplotlib", "plots", "drawing a benchmark")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "reflectree"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*Glyph .* missing from.*")
        figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        handles = []
        for line, marks in _apart(lines):
            look: dict[str, Any] = {"color": line.colour, "marker": line.shapes[0], "markersize": 7}
            xs, ys = [mark.tokens for mark in marks], [mark.selected for mark in marks]
            bars = [[max(0.0, m.selected - m.low) for m in marks], [max(0.0, m.high - m.selected) for m in marks]]
            axes.errorbar(xs, ys, yerr=bars, capsize=3, linewidth=1.2, elinewidth=1.2, **look)
            axes.vlines(xs, ys, [mark.found for mark in marks], color=line.colour, linestyle=":", linewidth=1)
            axes.plot(xs, [mark.found for mark in marks], linestyle="", markerfacecolor="none", alpha=0.8, **look)
            handles.append(Line2D([], [], linestyle="-" if len(marks) > 1 else "", **look))
        handles.append(Line2D([], [], color=GREY, marker="o", linestyle="", markerfacecolor="none"))
        texts = [line.label for line in lines] + ["hollow: a right answer was found, selected or not"]
        legend = figure.legend(handles, ["x"] * len(handles), loc="outside lower center", ncols=3, fontsize=8)
        for text, label in zip(legend.get_texts(), texts, strict=True):
            text.set_parse_math(False)
            text.set_text(label)
        axes.set_ylim(-0.02, 1.02)
        if _is_wide(lines):
            axes.set_xscale("log")
        else:
            axes.set_xlim(left=0)
        axes.set_xlabel("mean tokens a task, prompt and written")
        axes.set_ylabel("share of tasks right")
        axes.grid(alpha=0.25)
        figure.suptitle("\n".join(words), fontsize=9, parse_math=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _with_plotly(lines: Sequence[Line], words: tuple[str, str], path: Path) -> None:
    graphs = require("plotly.graph_objects", "plots", "drawing a benchmark")
    figure = graphs.Figure()
    for line, marks in _apart(lines):
        label = html.escape(line.label)
        xs = [mark.tokens for mark in marks]
        look: dict[str, Any] = {"color": line.colour, "symbol": line.shapes[1], "size": 10}
        shown = [
            f"{label}<br>selected {m.selected:.2f} [{m.low:.2f}, {m.high:.2f}]<br>found {m.found:.2f}"
            f"<br>{m.tokens:,.0f} tokens a task"
            for m in line.marks
        ]
        figure.add_scatter(
            x=xs, y=[mark.selected for mark in marks], name=label, legendgroup=label, mode="lines+markers", marker=look,
            line={"color": line.colour}, hovertext=shown, hoverinfo="text",
            error_y={
                "type": "data", "symmetric": False, "array": [m.high - m.selected for m in marks],
                "arrayminus": [m.selected - m.low for m in marks],
            },
        )  # fmt: skip
        figure.add_scatter(
            x=xs, y=[mark.found for mark in marks], name=f"{label}: found", legendgroup=label, showlegend=False,
            mode="markers", marker={**look, "symbol": f"{line.shapes[1]}-open"}, hovertext=shown, hoverinfo="text",
        )  # fmt: skip
    heading = f"{html.escape(words[0])}<br><sup>{html.escape(words[1])}; hollow: a right answer was found</sup>"
    figure.update_layout(title={"text": heading}, template="plotly_white", hovermode="closest")
    kind = {"type": "log"} if _is_wide(lines) else {"rangemode": "tozero"}
    figure.update_xaxes(title="mean tokens a task, prompt and written", **kind)
    figure.update_yaxes(title="share of tasks right", range=[-0.02, 1.04])
    page = figure.to_html(include_plotlyjs=True, full_html=True, config={"displayModeBar": False})
    path.write_text(page, encoding="utf-8")


def _apart(lines: Sequence[Line]) -> Iterator[tuple[Line, tuple[Mark, ...]]]:
    """The lines, those whose marks would cover each other moved aside a little: 1 % of the axis, or 4 % of a log one.

    Blueprints that use up the same cap stand at nearly the same tokens. Hover texts keep the true figure.
    """
    wide = _is_wide(lines)
    most = max(mark.tokens for line in lines for mark in line.marks) or 1.0
    taken: list[float] = []
    for line in lines:
        moved = []
        for mark in line.marks:
            x = mark.tokens
            while any(abs(x - other) < (0.035 * x if wide else 0.0095 * most) for other in taken):
                x += 0.04 * x if wide else 0.01 * most
            taken.append(x)
            moved.append(Mark(x, mark.selected, mark.low, mark.high, mark.found))
        yield line, tuple(moved)


def _is_wide(lines: Sequence[Line]) -> bool:
    """Whether tokens span so much that a linear axis would hide the small ones."""
    tokens = [mark.tokens for line in lines for mark in line.marks]
    return min(tokens) > 0 and max(tokens) / min(tokens) > 20
