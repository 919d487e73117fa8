"""`reflectree memory export|import|snapshot|rollback|re-embed`: a whole memory, copied, put back, or embedded anew.

Options in, a line out; the work is done by `reflectree.memory`, which is imported once a command runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reflectree.apps.memory_options import Embedder, Folder, Json, Yes, close, must_exist, opened
from reflectree.apps.terminal import many


def export_records(
    memory: Folder, file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, a record a line.")]
) -> None:
    """Write all records to a file.

    Try:

        reflectree memory export my-memory lessons.jsonl
    """
    from reflectree.memory.ledger import export

    typer.echo(f"{many(export(opened(memory), file), 'record')} written to {file}")


def import_records(
    memory: Folder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What export wrote, here or elsewhere.")],
    standing: Annotated[
        bool, typer.Option("--standing", help="Believe its trust and counts: only for files of your own.")
    ] = False,
    embedder: Embedder = "own",
    as_json: Json = False,
) -> None:
    """Take the records of a file in, all or none. They are candidates, whatever the file says: trust is earned here.

    Try:

        reflectree memory import my-memory lessons.jsonl
    """
    from reflectree.memory.ledger import load

    ledger = opened(memory, embedder, create=True)
    new = load(ledger, file, standing=standing)
    close(ledger)
    if as_json:
        typer.echo(json.dumps({"imported": list(new)}, ensure_ascii=False))
    else:
        typer.echo(many(len(new), "new record"))


def snapshot(
    memory: Folder,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Its name; without one, list those there are.")
    ] = None,
) -> None:
    """Keep the memory as it is under a name, or list the names.

    Try:

        reflectree memory snapshot my-memory before-import
    """
    from reflectree.memory import ledger as book

    ledger = opened(memory)
    if name is None:
        typer.echo("\n".join(book.snapshots(ledger)) or "no snapshots")
    else:
        typer.echo(f"kept as {book.snapshot(ledger, name)}")


def rollback(
    memory: Folder,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A snapshot.")],
    yes: Yes = False,
    embedder: Embedder = "own",
) -> None:
    """Go back to a snapshot; what was forgotten since stays forgotten.

    Try:

        reflectree memory rollback my-memory before-import
    """
    from reflectree.memory import ledger as book

    ledger = opened(memory, embedder)
    if not yes and not typer.confirm(f"Go back to {name}? What was learnt since is lost.", err=True):
        raise typer.Exit(1)
    book.rollback(ledger, name)
    close(ledger)
    typer.echo(f"rolled back to {name}: {many(len(ledger.state.records), 'record')}; what was forgotten stays so")


def re_embed(memory: Folder, embedder: Embedder = "embedded") -> None:
    """Embed all texts anew, by another embedder; killed half way, the memory is as it was.

    Try:

        reflectree memory re-embed my-memory --embedder openai:text-embedding-3-small
    """
    from reflectree.memory import reembed

    must_exist(memory)
    typer.echo(f"{many(reembed(memory, embedder), 'text')} embedded by {embedder}")
