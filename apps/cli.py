"""The command line: `reflectree COMMAND`. It maps commands to modules and errors to exit codes, and does nothing else.

Exit codes: 0 answered, 1 a defect of ours, 2 bad input, 3 the budget ended without an answer (a job is paused by a
cap), 4 the model cannot be reached or refuses, 5 a training's loss is no number, 130 interrupted and saved.
`REFLECTREE_DEBUG=1` shows the traceback of an error.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from reflectree.apps import (
    bench_command,
    data_command,
    design_search_command,
    doctor,
    listing,
    loop_command,
    mcp_command,
    memory_command,
    plot_command,
    serve_command,
    solving,
    traces,
    train_command,
    value_server,
    view_command,
    worlds,
)
from reflectree.apps.terminal import complain
from reflectree.rlm_ops.errors import ReflectreeError

app = typer.Typer(
    name="reflectree",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(solving.solve)
app.command()(solving.resume)
app.command()(bench_command.bench)
app.add_typer(data_command.app, name="data")
app.add_typer(memory_command.app, name="memory")
app.command()(train_command.train)
app.command()(loop_command.loop)
app.add_typer(traces.app, name="trace")
app.command()(view_command.view)
app.command()(plot_command.plot)
app.add_typer(listing.app, name="blueprints")
app.command()(listing.tasksets)
app.command("design-search")(design_search_command.design_search)
app.command()(worlds.environments)
app.command()(worlds.problems)
app.command()(serve_command.serve)
app.command()(mcp_command.mcp)
app.command()(value_server.value_server)
app.command()(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        from reflectree import __version__

        typer.echo(f"reflectree {__version__}")
        raise typer.Exit


@app.callback()
def reflectree(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make any language model reason better: search over its steps of thought.

    A first run needs no key and no server:

        reflectree solve "What is 17 times 23?"
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(args=None if arguments is None else list(arguments), prog_name="reflectree")
    except ReflectreeError as error:
        _end(error, str(error), error.exit_code)
    except KeyboardInterrupt as error:
        _end(error, "interrupted", 130)
    except Exception as error:  # the boundary to the user: a defect of ours is one line too
        said = f"unexpected {type(error).__name__}: {error}; REFLECTREE_DEBUG=1 shows where, please report it"
        _end(error, said, 1)


def _end(error: BaseException, message: str, code: int) -> None:
    if os.environ.get("REFLECTREE_DEBUG") not in (None, "", "0"):
        import traceback

        traceback.print_exception(error)
    complain(message)
    sys.exit(code)


if __name__ == "__main__":
    main()
