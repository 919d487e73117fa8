"""Ctrl-C in a command: what is done is kept, and the user is told how to go on."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import sys
from collections.abc import Callable, Iterator

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


@contextlib.contextmanager
def on_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` at the first Ctrl-C or SIGTERM; the second one has its usual effect."""
    loop = asyncio.get_running_loop()
    installed: list[signal.Signals] = []

    def release() -> None:
        while installed:
            loop.remove_signal_handler(installed.pop())

    def once() -> None:
        release()
        interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # only a main thread has signals
            loop.add_signal_handler(number, once)
            installed.append(number)
    try:
        yield
    finally:
        release()
