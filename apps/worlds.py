"""`reflectree environments` and `reflectree problems`: what a run can act in, and what measures its solutions."""

from __future__ import annotations

import json
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON list on stdout.")]

FORMS = (
    ("toy/FAMILY-SEED", "", "a household with errands, ours: toy/kitchen-2"),
    ("reaction/SEED[/EXPERIMENTS]", "", "a chemical reaction whose yield is to be raised, simulated: reaction/3/20"),
    ("textworld/GAME-SEED", "textworld", "text adventures: textworld/coin-3"),
    ("scienceworld/TASK[/VARIATION]", "embodied", "a simulated laboratory (wants Java): scienceworld/boil/0"),
    ("gym/WORLD[/SEED]", "embodied", "MiniGrid, BabyAI and FrozenLake in words: gym/MiniGrid-DoorKey-5x5-v0/7"),
    ("isolated/NAME", "", "any of these in a process of its own: isolated/textworld/coin-3"),
)
"""How environments are named, the extra each wants, and what it is."""


def environments(as_json: Json = False) -> None:
    """List the environments that a run can act in.

    Try:

        reflectree solve -b react-env -E toy/kitchen-2
    """
    rows = [dict(zip(("name", "extra", "about"), form, strict=True)) for form in FORMS]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    _print([(row["name"], f"pip install 'reflectree[{row['extra']}]'" if row["extra"] else "", row["about"])
            for row in rows], ("name", "wants", "what it is"))  # fmt: skip


def problems(as_json: Json = False) -> None:
    """List the problems that measure their solutions, for discovery by search.

    Seeds, numbers of cities and dimensions may be others than those listed.

    Try:

        reflectree solve -p tsp/10
    """
    from reflectree.graphs.discovery import names, problem

    listed = [(name, problem(name)) for name in names()]
    if as_json:
        rows = [{"name": name, "sense": one.sense, "question": one.task.question} for name, one in listed]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    from reflectree.apps.terminal import one_line

    _print([(name, one.sense, one_line(one.task.question, 90)) for name, one in listed], ("name", "", "what it asks"))


def _print(rows: list[tuple[str, str, str]], headings: tuple[str, str, str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from reflectree.apps.terminal import console

    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for name, wants, about in rows:
        table.add_row(Text(name, style="bold"), Text(wants, style="dim"), Text(about, style="dim"))
    console().print(table)
