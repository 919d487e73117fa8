"""The traces of a benchmark's runs in a folder: one file a run, whole or not there."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from reflectree.graphs.benching.record import Outcome
from reflectree.graphs.result import Result
from reflectree.rlm_ops.errors import BadInput

OnOutcome = Callable[[Outcome, Result], None]


def keeping(folder: str | os.PathLike[str] | None, then: OnOutcome | None) -> OnOutcome | None:
    """Saves each trace as FOLDER/BLUEPRINT/TASK.jsonl, whole or not at all, and tells of the outcome."""
    if folder is None:
        return then
    if Path(folder).exists() and not Path(folder).is_dir():
        raise BadInput(f"{os.fspath(folder)} is no folder: choose another --traces")

    def keep(outcome: Outcome, result: Result) -> None:
        place = Path(folder) / file_name(outcome.blueprint)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot make the folder {place}: {error.strerror}; choose another --traces") from error
        result.trace.save(place / f"{file_name(outcome.task)}.jsonl")
        if then is not None:
            then(outcome, result)

    return keep


def file_name(name: str) -> str:
    """A name made fit for a file; where that changes it, a digest keeps two names apart."""
    fit = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60]
    return fit if fit == name else f"{fit}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
