"""Where a training works and where its model ends up: a folder beside it while it runs, one rename at the end.

What is half done lies in `NAME.partial` with a key of what it is a training of, so that it is resumed by the same
training only. The model's folder exists whole or not at all. Nothing here knows torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reflectree.models.scoring.card import read_card
from reflectree.rlm_ops.errors import BadInput, RunLocked

KEY = "training.json"


def key_of(**parts: Any) -> str:
    """A key of what a training is of: equal for equal data, settings and base."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def finished(out: Path, key: str) -> bool:
    """Whether the model of this training is there already.

    Raises:
        BadInput: Something else is there.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    card = read_card(out) if out.is_dir() else None
    if card is not None and card.training.get("key") == key:
        return True
    raise BadInput(f"{out} exists and is no model of this training: choose another folder, or remove it")


@contextmanager
def workplace(out: Path, key: str, about: Mapping[str, Any], resume: bool) -> Iterator[Path]:
    """The folder a training works in, held by this process.

    Args:
        out: Where the model will be.
        key: Of the training.
        about: What it is a training of, for people.
        resume: Go on with what is there; else begin anew.

    Raises:
        BadInput: What is there is of another training, or the folder cannot be written.
        RunLocked: Another process trains there.
    """
    partial = out.with_name(out.name + ".partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = FileLock(partial / ".lock", timeout=0)
        with lock:
            _claim(partial, key, about, resume)
            yield partial
    except Timeout:
        raise RunLocked(f"{partial} is in use: another process trains this model") from None
    except PermissionError as error:
        raise BadInput(f"{partial} cannot be written: {error.strerror}") from error


def _claim(partial: Path, key: str, about: Mapping[str, Any], resume: bool) -> None:
    path = partial / KEY
    if not resume:
        for part in partial.iterdir():
            if part.name != ".lock":
                shutil.rmtree(part) if part.is_dir() else part.unlink()
    elif path.exists() and json.loads(path.read_text(encoding="utf-8")).get("key") != key:
        raise BadInput(
            f"{partial} holds a half-done training of other data, settings or base: finish that one, remove it, "
            "or begin anew with resume=False"
        )
    path.write_text(json.dumps({"key": key, **about}, indent=2, default=str) + "\n", encoding="utf-8")


def checkpoint(partial: Path) -> Path | None:
    """The latest whole checkpoint, if there is one."""
    found = [path for path in partial.glob("checkpoint-*") if _whole(path)]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _whole(path: Path) -> bool:
    """Whether a checkpoint was written to its end: its state comes last."""
    try:
        json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def publish(ready: Path, out: Path) -> None:
    """Put a whole model in its place by one rename, and remove what was half done."""
    if out.exists():
        out.rmdir()  # empty, or `finished` would have refused it
    os.replace(ready, out)
    shutil.rmtree(ready.parent)
