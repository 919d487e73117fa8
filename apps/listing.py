"""`reflectree blueprints` and `reflectree tasksets`: what can be named, and what exactly one of them is."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(invoke_without_command=True)


@app.callback()
def blueprints(context: typer.Context) -> None:
    """List the reasoning systems that come along.

    `show NAME` prints one as YAML, ready to be changed and used.

    Try:

        reflectree blueprints

        reflectree blueprints show mcts --set scheme.strategy.width=2 > mine.yaml
    """
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table
    from rich.text import Text

    from reflectree.apps.terminal import console
    from reflectree.graphs.blueprints import load, names

    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("what it does", overflow="fold")
    table.add_column("source", style="dim", overflow="fold")
    for name in names():
        blueprint = load(name)
        table.add_row(Text(name), Text(blueprint.description), Text(blueprint.source))
    console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A blueprint.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="PATH=VALUE", help="Change it; may be repeated.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Spell out every setting, defaults too.")] = False,
) -> None:
    """Print a blueprint as YAML: the strategy whole, and of the rest what differs from its default.

    Try:

        reflectree blueprints show mcts

        reflectree blueprints show lats --full
    """
    from reflectree.apps.inputs import read_blueprint
    from reflectree.apps.terminal import clean
    from reflectree.graphs.blueprints import dump

    typer.echo(clean(dump(read_blueprint(name, settings or ()), full=full)), nl=False)


def tasksets(
    group: Annotated[
        str | None,
        typer.Argument(metavar="GROUP", help="Only this group: mathematics, logic, commonsense, code or agents."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list on stdout.")] = False,
) -> None:
    """List the task sets that can be named: families, published sets, and generators of reasoning-gym.

    Try:

        reflectree tasksets logic

        reflectree bench family:logic -t 4000 -n 20
    """
    from reflectree.graphs.tasksets import sets
    from reflectree.rlm_ops.errors import BadInput

    listed = [entry for entry in sets() if group in (None, entry.group)]
    if not listed:
        raise BadInput(f"no group {group!r}: there are {', '.join(sorted({entry.group for entry in sets()}))}")
    if as_json:
        typer.echo(json.dumps([entry._asdict() for entry in listed], ensure_ascii=False))
        return
    from rich.table import Table
    from rich.text import Text

    from reflectree.apps.terminal import console

    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for heading in ("name", "group", "what it is"):
        table.add_column(heading, overflow="fold")
    for entry in listed:
        table.add_row(Text(entry.name, style="bold"), Text(entry.group), Text(entry.about, style="dim"))
    console().print(table)
