"""Where the command line keeps runs: a checkpoint the user names, or a file a run in the user's state folder.

A run nobody asked to keep is kept only until it has finished, so that whatever interrupts it can be undone by
`reflectree resume`. One file a run means that runs never wait for each other's commits, and that a finished one leaves
nothing behind. This module knows nothing of models or terminals.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig

from reflectree.graphs.checkpoint import InlineSqliteSaver, forget, open_saver, recollect, remember, run_lock
from reflectree.graphs.postgres import is_url, shown
from reflectree.graphs.run import asaved_trace
from reflectree.rlm_ops.blueprint import nearest
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.trace import Trace

_RUN_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


@dataclass(slots=True)
class Place:
    """Where one run is kept, locked for this process.

    Attributes:
        run_id: The run.
        path: The SQLite file.
        named: Whether the user named the file: then the run stays when it has finished.
        fresh: Whether the file was made just now.
        elapsed: Seconds the run has taken so far, where its budget caps them; `None` where it has not begun.
        gone: Whether the file is to be removed in the end.
    """

    run_id: str
    path: Path
    saver: InlineSqliteSaver
    named: bool
    fresh: bool
    elapsed: float | None = None
    gone: bool = False

    def remember(self, options: dict[str, Any]) -> None:
        """Keep how the run was asked for."""
        remember(self.saver, self.run_id, options)

    def recollect(self) -> dict[str, Any] | None:
        """How the run was asked for, where that was kept."""
        return recollect(self.saver, self.run_id)

    async def trace(self) -> Trace | None:
        """What the run has saved, where it has."""
        try:
            return await asaved_trace(self.run_id, self.saver)
        except BadInput:
            return None

    def drop(self) -> None:
        """Leave nothing of the run: for one that came to nothing, or has finished and was not asked to be kept."""
        forget(self.saver, self.run_id)
        self.gone = not self.named or (self.fresh and self._alone())

    @property
    def resume_command(self) -> str:
        """What goes on with the run."""
        where = f" --checkpoint {shlex.quote(str(self.path))}" if self.named else ""
        return f"reflectree resume {shlex.quote(self.run_id)}{where}"

    def _alone(self) -> bool:
        """Whether no other run is in the file, or about to be."""
        (runs,) = self.saver.conn.execute("SELECT count(*) FROM checkpoints").fetchone()
        return not runs and len(list(self.path.parent.glob(f"{glob.escape(self.path.name)}.*.lock"))) <= 1


def state_dir() -> Path:
    """`$XDG_STATE_HOME/reflectree`, or `~/.local/state/reflectree`."""
    root = os.environ.get("XDG_STATE_HOME")
    return (Path(root) if root else Path.home() / ".local" / "state") / "reflectree"


def unfinished() -> list[str]:
    """The run ids kept in the state folder, the latest first."""
    with contextlib.suppress(OSError):
        files = sorted((state_dir() / "runs").glob("*.sqlite"), key=lambda file: file.stat().st_mtime, reverse=True)
        return [file.stem for file in files]
    return []


def default_path(run_id: str) -> Path:
    """The file a run is kept in where the user names none.

    Raises:
        BadInput: The id cannot be part of a file's name.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise BadInput(f"run id {run_id!r}: use letters, digits, '-', '_' and '.', or name a file with --checkpoint")
    return state_dir() / "runs" / f"{run_id}.sqlite"


def existing_path(run_id: str, checkpoint: str | None) -> Path:
    """The file that should hold a run.

    Raises:
        BadInput: It is not there; the message names the runs that are.
    """
    _refuse_address(checkpoint)
    path = default_path(run_id) if checkpoint is None else Path(checkpoint)
    if path.exists():
        return path
    if checkpoint is not None:
        raise BadInput(f"no checkpoint at {checkpoint}: check the path")
    kept = unfinished()
    hint = nearest(run_id, kept) if kept else "none is kept; a run with a checkpoint is resumed with --checkpoint FILE"
    raise BadInput(f"no interrupted run {run_id!r}: {hint}")


@contextlib.contextmanager
def open_place(run_id: str, checkpoint: str | None) -> Iterator[Place]:
    """Hold a run in its file, made where it is not there, until the block ends.

    Raises:
        RunLocked: Another process holds the run.
        BadInput: The file cannot be written.
        TraceError: It is of another version.
    """
    _refuse_address(checkpoint)
    path = default_path(run_id) if checkpoint is None else Path(checkpoint)
    if checkpoint is None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise BadInput(f"cannot write {path.parent}: {error.strerror}; name a file with --checkpoint") from error
    with run_lock(path, run_id):
        fresh = not path.exists()
        place = None
        try:
            with open_saver(path) as saver:
                place = Place(run_id, path, saver, checkpoint is not None, fresh, _elapsed(saver, run_id))
                yield place
        finally:
            if place is not None and place.gone:
                _unlink(path)


def _refuse_address(checkpoint: str | None) -> None:
    """Refuse the address of a database, which would be read as a path.

    Raises:
        BadInput: It is one.
    """
    if is_url(checkpoint):
        raise BadInput(
            f"{shown(str(checkpoint))} is a database, and the command line keeps its runs in files: give a path; "
            "reflectree serve, and rt.solve(checkpoint=...) in Python, take the address"
        )


def check_trace_path(path: str | None) -> None:
    """Refuse a trace file that could not be written once the run is paid for.

    Raises:
        BadInput: Nothing can be written there.
    """
    if path is None:
        return
    target = Path(path)
    if target.is_dir():
        raise BadInput(f"cannot write the trace to {path}: it is a folder; name a file in it")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise BadInput(f"cannot write the trace to {path}: {error.strerror}; choose another path") from error
    os.close(handle)
    os.unlink(name)


def _elapsed(saver: InlineSqliteSaver, run_id: str) -> float | None:
    config: RunnableConfig = {"configurable": {"thread_id": run_id, "checkpoint_ns": ""}}
    found = saver.get_tuple(config)
    return float(found.checkpoint["channel_values"].get("elapsed") or 0.0) if found else None


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
