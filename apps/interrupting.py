"""Ctrl-C in a command whose folder is its state: what is done is kept, and the same command goes on."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator

import typer

from reflectree.apps.terminal import note

INTERRUPTED = 130


@contextlib.contextmanager
def interruptible(quiet: bool) -> Iterator[None]:
    """Tell the user how to go on after Ctrl-C, and end the command.

    Raises:
        typer.Exit: It was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not quiet:
            note(f"interrupted, what is done is kept; go on with:  reflectree {shlex.join(sys.argv[1:])}")
        raise typer.Exit(INTERRUPTED) from None
