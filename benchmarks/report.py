"""What a figure measured, and the table of all of them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HEADER = ("figure", "target", "measured", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        figure: What was measured.
        measured: The value: of several runs the median, unless the figure says otherwise.
        unit: Its unit, as shown after the value.
        at_most: The target, where it is an upper bound.
        at_least: The target, where it is a lower bound.
        note: What else has to be known to read the value.
        details: Everything measured on the way, for the file.
    """

    figure: str
    measured: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; `None` where there is none."""
        if self.at_most is not None:
            return self.measured <= self.at_most
        return None if self.at_least is None else self.measured >= self.at_least

    @property
    def target(self) -> str:
        """The target in words."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}{self.unit}"
        return "" if self.at_least is None else f">= {self.at_least:g}{self.unit}"

    def cells(self) -> tuple[str, str, str, str]:
        """The row as the table shows it."""
        value = f"{self.measured:.3f}" if abs(self.measured) < 10 else f"{self.measured:.1f}"
        value = value.rstrip("0").rstrip(".") if "." in value else value
        shown = f"{value}{self.unit}" + (f" ({self.note})" if self.note else "")
        return self.figure, self.target, shown, {True: "yes", False: "NO", None: ""}[self.met]


def table(rows: Sequence[Row]) -> str:
    """All rows, aligned."""
    lines = [HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([texts[0], "  ".join("-" * width for width in widths), *texts[1:]])


def load() -> str:
    """How busy the machine is: load averages of 1, 5 and 15 minutes, and its cores."""
    return "load " + " ".join(f"{value:.1f}" for value in os.getloadavg()) + f" on {os.cpu_count()} cores"


def write(path: Path, rows: Sequence[Row], loads: Sequence[str], quick: bool) -> None:
    """Everything measured, as one JSON file."""
    data = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "quick": quick,
        "load": list(loads),
        "rows": [{**asdict(row), "met": row.met} for row in rows],
    }
    whole = path.with_name(f".{path.name}.part")
    whole.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    os.replace(whole, path)
