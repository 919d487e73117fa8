"""`reflectree memory list|show|search|forget|report`: what runs have learnt, looked at and corrected.

Options in, rows out; the work is done by `reflectree.memory`, which is imported once a command runs. Text of records
came from models: it reaches the terminal only through `clean`. The commands on a memory as a whole are in
`reflectree.apps.memory_copies`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reflectree.apps import memory_copies
from reflectree.apps.memory_options import Embedder, Folder, Json, Yes, close, opened
from reflectree.apps.terminal import many

if TYPE_CHECKING:
    from reflectree.memory.records import Record

app = typer.Typer(no_args_is_help=True, help="What runs have learnt: look at it, correct it, forget it, measure it.")

TEXT = 90
"""Columns of a record's text in a table."""


@app.command("list")
def list_records(
    memory: Folder,
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", help="Only experience, reflection, concept or skill.")
    ] = None,
    trust: Annotated[str | None, typer.Option("--trust", "-t", help="Only candidate, trusted or quarantined.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Only those of a run.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only those about somebody or something.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most rows, the newest of them.")] = 50,
    as_json: Json = False,
) -> None:
    """List records, the newest last.

    Try:

        reflectree memory list my-memory --kind reflection --trust trusted
    """
    from reflectree.memory.records import KINDS, to_row
    from reflectree.rlm_ops.strategies.parse import nearest

    _one_of(kind, KINDS, "--kind", nearest)
    _one_of(trust, ("candidate", "trusted", "quarantined"), "--trust", nearest)
    records = [
        record
        for record in opened(memory).state.records.values()
        if kind in (None, record.kind)
        and trust in (None, record.standing.trust)
        and run in (None, record.origin.run)
        and subject in (None, record.origin.subject)
    ]
    shown = records[-limit:]
    if as_json:
        _print({"records": [to_row(record) for record in shown], "count": len(records)})
        return
    _table(shown)
    if len(records) > len(shown):
        typer.echo(f"{len(shown)} of {len(records)} records; --limit shows more", err=True)


@app.command()
def show(
    memory: Folder,
    name: Annotated[str, typer.Argument(metavar="ID", help="A record's id, as list prints it.")],
    as_json: Json = False,
) -> None:
    """Show one record whole: what it says, where it comes from, what has become of it.

    Try:

        reflectree memory show my-memory r-0123456789ab
    """
    from reflectree.apps.terminal import clean
    from reflectree.memory.records import to_row

    record = opened(memory).get(name)
    if as_json:
        _print(to_row(record))
        return
    origin, standing = record.origin, record.standing
    typer.echo(clean(f"{record.id}  {record.kind}, {standing.trust}"))
    typer.echo(clean(record.told))
    typer.echo("")
    said = {"source": origin.source, "run": origin.run, "model": origin.model, "scope": origin.scope}
    said |= {"subject": origin.subject, "parents": ", ".join(origin.parents), "because": standing.reason}
    said |= {"used": _share(standing.wins, standing.uses), "held back": _share(standing.held_wins, standing.held)}
    said |= {"votes": str(standing.votes or ""), "tasks for": str(len(standing.support) or "")}
    said |= {"tasks against": str(len(standing.counter) or "")}
    for label, value in said.items():
        if value:
            typer.echo(clean(f"  {label + ':':<15}{value}"))


@app.command()
def search(
    memory: Folder,
    query: Annotated[str, typer.Argument(metavar="TEXT", help="A task, or what it is about.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="Most records.")] = 6,
    embedder: Embedder = "own",
    as_json: Json = False,
) -> None:
    """Search as a run would: what it would be shown, with its relevance, recency, utility and score.

    Nothing is noted: a search is no use of a record.

    Try:

        reflectree memory search my-memory "How many fence posts does a square field need?"
    """
    from rich.table import Table

    from reflectree.apps.terminal import console, one_line
    from reflectree.memory.recall import Recall, Recaller

    ledger = opened(memory, embedder)
    settings = Recall(limit=limit, kinds=dict.fromkeys(Recall().kinds, limit), probation=limit, tokens=100_000)
    found = Recaller(ledger, settings).recall(query, run="search", split="test").shown
    if as_json:
        rows = [
            {
                "id": one.record.id,
                "kind": one.record.kind,
                "score": round(one.score, 4),
                "relevance": round(one.relevance, 4),
                "recency": round(one.recency, 4),
                "utility": round(one.utility, 4),
                "text": one.record.told,
            }
            for one in found
        ]
        _print({"records": rows})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for heading in ("id", "score", "relevance", "recency", "utility", "text"):
        table.add_column(heading, overflow="fold")
    for one in found:
        numbers = (f"{number:.2f}" for number in (one.score, one.relevance, one.recency, one.utility))
        table.add_row(one.record.id, *numbers, one_line(one.record.told, TEXT))
    console().print(table)


@app.command()
def forget(
    memory: Folder,
    names: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Records.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="All about somebody or something.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="All of a run.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the ids, which never come back.")] = "by hand",
    yes: Yes = False,
    embedder: Embedder = "own",
    as_json: Json = False,
) -> None:
    """Erase records and everything derived from them: from the ledger, the index and all snapshots, for good.

    Try:

        reflectree memory forget my-memory --subject customer-17

        reflectree memory forget my-memory r-0123456789ab --yes
    """
    from reflectree.rlm_ops.errors import BadInput

    if not names and subject is None and run is None:
        raise BadInput("say what to forget: ids, --subject or --run")
    ledger = opened(memory, embedder)
    if not yes and not typer.confirm("Forget for good, with all that was derived?", err=True):
        raise typer.Exit(1)
    gone = ledger.forget(*(names or ()), subject=subject, run=run, reason=reason)
    close(ledger)
    if as_json:
        _print({"forgotten": list(gone)})
    else:
        typer.echo(f"{many(len(gone), 'record')} forgotten" + (f": {', '.join(gone)}" if gone else ""))


app.command("export")(memory_copies.export_records)
app.command("import")(memory_copies.import_records)
app.command()(memory_copies.snapshot)
app.command()(memory_copies.rollback)
app.command("re-embed")(memory_copies.re_embed)


@app.command()
def report(memory: Folder, as_json: Json = False) -> None:
    """Does it help? Success with memory shown against the control arm, with a 95 % interval, for each kind.

    A share of runs is shown nothing: that is the control arm. `helps` and `harms` mean that the interval excludes 0.

    Try:

        reflectree memory report my-memory --json
    """
    from reflectree.apps.memoryview import print_report
    from reflectree.memory.recall import report as made

    print_report(made(opened(memory).state), as_json)


def _one_of(given: str | None, known: Any, option: str, nearest: Any) -> None:
    from reflectree.rlm_ops.errors import BadInput

    if given is not None and given not in known:
        raise BadInput(f"{option} {given}: {nearest(given, list(known))}")


def _share(wins: int, runs: int) -> str:
    return f"succeeded in {wins} of {runs} runs" if runs else ""


def _table(records: list[Record]) -> None:
    from rich.table import Table

    from reflectree.apps.terminal import console, one_line

    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="dim")
    for heading in ("id", "trust", "source", "won", "text"):
        table.add_column(heading, overflow="fold")
    for record in records:
        standing = record.standing
        won = f"{standing.wins}/{standing.uses}" if standing.uses else ""
        table.add_row(record.id, standing.trust, record.origin.source, won, one_line(record.told, TEXT))
    console().print(table)


def _print(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
