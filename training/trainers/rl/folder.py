"""The folder of a training by reinforcement learning: whose it is, and how it is replaced whole.

A folder that holds anything else is never touched. It knows nothing of what is trained.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.errors import BadInput

FILE = "training.json"


def known(folder: Path, settings: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is written down of the training that a folder holds; `None` where the folder is free.

    Args:
        folder: Where the policy will be.
        settings: What is asked for, as JSON values; more or fewer iterations are the same training.
        about: What else makes it the same training, as JSON values.

    Raises:
        BadInput: It holds something else.
    """
    if not folder.exists() and _old(folder).exists():  # killed between taking the old one away and putting the new
        os.replace(_old(folder), folder)
    if not (folder / FILE).exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BadInput(f"{folder} exists and is no training of this kind: choose another folder, or remove it")
        return None
    try:
        found: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        then, before = {**found["settings"], "iterations": 0}, found.get("about", {})
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / FILE} is damaged: choose another folder, or remove it") from error
    if then != {**settings, "iterations": 0}:
        raise BadInput(f"{folder} holds a training of other settings: choose another folder, or remove it")
    for name, value in about.items():
        if name in before and before[name] != value:
            raise BadInput(f"{folder} holds a training of another {name}: choose another folder, or remove it")
    return found


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A folder to write into, which is then put in its place: it is whole, or as it was before."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
    except OSError as error:
        raise BadInput(f"cannot write {folder}: {error.strerror}; choose another folder") from error
    yield fresh
    shutil.rmtree(_old(folder), ignore_errors=True)
    if folder.exists():
        os.replace(folder, _old(folder))
    os.replace(fresh, folder)
    shutil.rmtree(_old(folder), ignore_errors=True)


def write_down(fresh: Path, settings: Mapping[str, Any], about: Mapping[str, Any], **found: Any) -> None:
    """Write what a later call is to know."""
    state = {"settings": settings, "about": about, **found}
    (fresh / FILE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
