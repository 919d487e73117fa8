"""`reflectree view FILE|FOLDER`: look at searches in a browser, on this machine or as one file to pass on."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reflectree.apps.viewer.data import Chunk
    from reflectree.apps.viewer.server import Shown
    from reflectree.rlm_ops.trace import Trace

MOST_BYTES = 64_000_000
"""Bytes of one page with all of a folder's traces in it."""


def view(
    what: Annotated[
        str, typer.Argument(metavar="FILE|FOLDER", help="A trace, a folder of traces, or a checkpoint (SQLite).")
    ],
    other: Annotated[str | None, typer.Argument(metavar="FILE2", help="A second trace, to compare.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write one page that needs nothing else, and end.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", "-l", help="Follow a run: a trace file that grows, or a checkpoint.")
    ] = False,
    run: Annotated[str, typer.Option("--run", metavar="ID", help="Which run of a checkpoint.")] = "",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
) -> None:
    """Look at a search: how it grew, what was thought, how it was scored, what it cost.

    Without --html the page is served on this machine alone until Ctrl-C ends it.

    Try:

        reflectree view run.jsonl

        reflectree view run.jsonl other.jsonl --html both.html

        reflectree view --live runs.sqlite --run my-run
    """
    from reflectree.rlm_ops.errors import BadInput

    if live and (html is not None or other is not None):
        raise BadInput("--live follows one run in the browser: leave out --html and the second file")
    if other is not None and Path(what).is_dir():
        raise BadInput("give two files, or one folder and choose two of its traces on the page")
    if run and not any(map(is_checkpoint, filter(None, (what, other)))):
        raise BadInput(f"--run names a run of a checkpoint, and {what} is none: leave it out")
    if html is not None:
        write(what, other, run, html)
    else:
        serve(shown(what, other, run, live=live), port, browser=browser)


def is_checkpoint(path: str) -> bool:
    """Whether a file is an SQLite database."""
    try:
        with open(path, "rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def chunk_of(trace: Trace) -> Chunk:
    """A trace for the page, with what models were shown rebuilt."""
    from reflectree.apps.viewer.data import encode
    from reflectree.apps.viewer.prompts import attach
    from reflectree.rlm_ops.errors import TraceError

    chunk = encode(trace)
    if not chunk["count"]:
        raise TraceError("the trace holds no event: there is nothing to see")
    return attach(chunk, trace)


def load(path: str | Path, run: str = "") -> Trace:
    """A trace from its file or from a checkpoint.

    Raises:
        BadInput: It cannot be read, or is neither.
    """
    from reflectree.rlm_ops.trace import Trace

    if not is_checkpoint(str(path)):
        return Trace.load(path)
    from reflectree.apps.viewer.sources import SavedRun

    saved = SavedRun(path, run)
    try:
        return saved.trace()
    finally:
        saved.close()


def shown(what: str, other: str | None, run: str, *, live: bool) -> Shown:
    """What the server shows.

    Raises:
        BadInput: It is no trace.
    """
    from reflectree.apps.viewer.folder import rows_of
    from reflectree.apps.viewer.live import Feed
    from reflectree.apps.viewer.server import Shown
    from reflectree.apps.viewer.sources import GrowingFile, SavedRun, listed
    from reflectree.rlm_ops.errors import BadInput

    if live:
        if Path(what).is_dir():
            raise BadInput(f"{what} is a folder: --live follows one trace file or one checkpoint")
        return Shown(feed=Feed(SavedRun(what, run) if is_checkpoint(what) else GrowingFile(what)))
    if Path(what).is_dir():
        files, left_out = listed(Path(what))
        rows = rows_of(files, Path(what))
        return Shown(files, lambda file: chunk_of(load(file)), str(what), rows, left_out)
    files = [Path(file) for file in (what, other) if file is not None]
    kept = {file: chunk_of(load(file, run)) for file in files}  # what is wrong is said before a server starts
    return Shown(files, kept.__getitem__)


def write(what: str, other: str | None, run: str, out: Path) -> None:
    """Write one page that needs nothing else.

    Raises:
        BadInput: There is no trace, or the page cannot be written.
    """
    from reflectree.apps.terminal import note, one_line
    from reflectree.apps.traces import keep_apart
    from reflectree.apps.viewer.folder import rows_of
    from reflectree.apps.viewer.html import document
    from reflectree.apps.viewer.sources import listed
    from reflectree.rlm_ops.errors import BadInput

    keep_apart(out, what, other)
    title = "reflectree"
    data: dict[str, Any]
    if Path(what).is_dir():
        files, left_out = listed(Path(what))
        rows = rows_of(files, Path(what))
        chunks = [None if "problem" in row else chunk_of(load(file)) for row, file in zip(rows, files, strict=True)]
        data = {"mode": "list", "folder": str(what), "rows": rows, "left_out": left_out, "traces": chunks}
    else:
        traces = [load(file, run) for file in (what, other) if file is not None]
        chunks = [chunk_of(trace) for trace in traces]
        data = {"mode": "view", "traces": chunks, "names": [what, other or ""]}
        title = one_line(traces[0].began.question, 80) if traces[0].began else title
    page = document(data, title).encode()
    if len(page) > MOST_BYTES:
        raise BadInput(f"the page would have {len(page) / 1e6:.0f} MB: leave out --html, or give fewer traces")
    try:
        out.write_bytes(page)
    except OSError as error:
        raise BadInput(f"cannot write the page to {out}: {error.strerror}; choose another path") from error
    note(f"wrote {out} ({len(page) / 1e6:.1f} MB); it needs no network")


def serve(what: Shown, port: int, *, browser: bool) -> None:
    """Serve the pages until Ctrl-C ends it.

    Raises:
        MissingExtra: No server is installed.
        BadInput: The port is taken.
    """
    from reflectree.apps.annotating import HOST, bound
    from reflectree.apps.terminal import note
    from reflectree.apps.viewer.server import build
    from reflectree.rlm_ops.extras import require

    purpose = "looking in the browser (a page in a file, --html OUT, does not)"
    require("starlette", "serve", purpose)
    uvicorn = require("uvicorn", "serve", purpose)
    token = secrets.token_urlsafe(24)
    with bound(port) as listening:
        listening.listen()  # whoever reads the address may ask at once
        address = f"http://{HOST}:{listening.getsockname()[1]}/?token={token}"
        typer.echo(address)
        note("Ctrl-C ends it")
        config = uvicorn.Config(
            build(what, token), log_level="warning", access_log=False, lifespan="off", ws="none",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        if browser:
            _open(address)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _open(address: str) -> None:
    """Open the browser a moment from now, when the server listens; where there is none, the address was printed."""
    import threading
    import webbrowser

    def opening() -> None:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(address)

    timer = threading.Timer(0.5, opening)
    timer.daemon = True
    timer.start()
