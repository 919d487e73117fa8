"""What the `reflectree memory` commands share: their options, and how a memory is opened and closed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reflectree.memory.ledger import Ledger

Folder = Annotated[Path, typer.Argument(metavar="MEMORY", help="The memory's folder, as given to solve.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Embedder = Annotated[
    str,
    typer.Option(
        "--embedder",
        "-e",
        metavar="NAME",
        help="embedded, hashing, or a LangChain provider:model; own: the one it was made with.",
    ),
]


def opened(memory: Path, embedder: str | None = None, *, create: bool = False) -> Ledger:
    """The ledger of a folder; with its index only where an embedder is named."""
    from reflectree.graphs.memory.access import open_ledger
    from reflectree.memory.ledger import Ledger

    if not create:
        must_exist(memory)
    return Ledger(memory) if embedder is None else open_ledger(memory, embedder=embedder)


def close(ledger: Ledger) -> None:
    """Let go of a ledger and of its index."""
    from reflectree.graphs.memory.access import Memory

    Memory(ledger).close()


def must_exist(memory: Path) -> None:
    """Refuse to make a memory where one should be.

    Raises:
        BadInput: There is none.
    """
    from reflectree.rlm_ops.errors import BadInput

    if not memory.is_dir():
        raise BadInput(f"there is no memory at {memory}: runs make one, reflectree solve ... --memory {memory}")
