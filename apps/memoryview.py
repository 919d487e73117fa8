"""How `reflectree memory report` looks: the lift of each kind, and the records that harm.

It knows a report's fields and no ledger.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from reflectree.memory.recall import Report

WORST = 5
"""Most records listed, the worst first."""
UNLIKELY = 0.5
"""A record is listed where the chance that it helps is below."""


def print_report(report: Report, as_json: bool) -> None:
    """Print a report, as tables or as one JSON object."""
    if as_json:
        data = asdict(report)
        for row, kind in zip(data["kinds"], report.kinds, strict=True):
            row["lift"] = {"estimate": kind.lift.estimate, "low": kind.lift.low, "high": kind.lift.high}
            row["verdict"] = kind.verdict
        typer.echo(json.dumps(data, ensure_ascii=False))
        return
    from rich.table import Table

    from reflectree.apps.terminal import console, many

    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for heading in ("kind", "records", "with memory", "without", "lift", "95 % interval", ""):
        table.add_column(heading, overflow="fold")
    for kind in report.kinds:
        gap = kind.lift
        known = kind.shown and kind.held
        table.add_row(
            kind.kind,
            str(kind.records),
            _rate(kind.shown_wins, kind.shown),
            _rate(kind.held_wins, kind.held),
            f"{gap.estimate:+.2f}" if known else "",
            f"{gap.low:+.2f} to {gap.high:+.2f}" if known else "",
            kind.verdict,
        )
    out = console()
    out.print(table)
    trust = ", ".join(f"{count} {name}" for name, count in report.trust.items())
    out.print(f"\n{many(report.runs, 'credited run')}; records: {trust}")
    worst = [one for one in report.records if one.helps < UNLIKELY][:WORST]
    if worst:
        out.print("\nleast likely to help:")
        for one in worst:
            out.print(f"  {one.id}  {one.helps:.2f}  {one.wins}/{one.uses} runs, {one.trust}")


def _rate(wins: int, runs: int) -> str:
    return f"{wins}/{runs} ({wins / runs:.0%})" if runs else "no runs"
