"""Words and numbers for a terminal: text from models made harmless, figures made short, one place for consoles.

Text that came from a model or a task never reaches a terminal but through `clean`: it may hold escape sequences that
move the cursor, set titles or hide what stands there. It knows nothing of runs. Rich is imported when it is needed.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS and other strings
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"  # direction, invisible, halves of a pair
)
_BLANKS = re.compile(r"\s+")

PIPE_WIDTH = 120
"""Columns where there is no terminal that says how many it has."""


def clean(text: str) -> str:
    """`text` without escape sequences, control characters and marks that change the direction of writing."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def one_line(text: str, width: int | None = None) -> str:
    """`text`, clean and on one line, cut to at most `width` characters."""
    line = _BLANKS.sub(" ", clean(text)).strip()
    return line if width is None or len(line) <= width else line[: max(0, width - 1)] + "…"


def many(count: int, noun: str) -> str:
    """`1 call`, `2 calls`, `1,234 calls`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def short(count: float) -> str:
    """`950`, `12.3k`, `4.5M`."""
    for limit, divisor, unit in ((1e4, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M")):
        if count < limit:
            return f"{count:,.0f}" if divisor == 1 else f"{count / divisor:.1f}{unit}"
    return f"{count / 1e9:.1f}G"


def dollars(usd: float | None) -> str:
    """`free`, `$0.0021`, `$1.50`; an unknown price is said to be unknown."""
    if usd is None:
        return "cost unknown"
    if usd == 0:
        return "free"
    return f"${usd:.4f}" if usd < 0.1 else f"${usd:,.2f}"


def clock(seconds: float) -> str:
    """`0:07`, `4:12`, `1:02:03`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `4 min 12 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def console(*, stderr: bool = False) -> Console:
    """A console that takes text as it is: no markup, no emoji codes, no guessed highlights."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=width)


def note(text: str) -> None:
    """One line on stderr."""
    typer.echo(clean(text), err=True)


def complain(text: str) -> None:
    """An error on stderr: one line, whatever the text."""
    label = "error:" if "NO_COLOR" in os.environ else typer.style("error:", fg="red", bold=True)
    typer.echo(f"{label} {one_line(text)}", err=True)
