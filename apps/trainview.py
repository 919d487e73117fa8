"""What `reflectree train` shows: how it goes, what it came to, and what there is to train by."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import typer

from reflectree.apps.terminal import console, duration, many, short


@contextlib.contextmanager
def progress_bar(quiet: bool, name: str) -> Iterator[Any]:
    """A progress bar on stderr: a function of done, all, and a word on how it goes."""
    if quiet:
        yield lambda done, whole, how: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[how]}"))
    progress = Progress(*columns, TimeRemainingColumn(), console=console(stderr=True))
    bar = progress.add_task(name, total=None, how="")

    def show(done: int, whole: int, how: str) -> None:
        progress.start()  # with the first news: what is refused at once is a line without a bar
        progress.update(bar, completed=done, total=whole, how=how)

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


def list_trainers(as_json: bool) -> None:
    """Print what there is to train by."""
    from reflectree.training.trainers import TRAINERS
    from reflectree.training.trainers.rl.presets import PRESETS
    from reflectree.training.trainers.rl.presets import settings as preset

    if as_json:
        rows = {
            name: {
                "reads": spec.kinds, "makes": spec.makes, "summary": spec.summary,
                "settings": spec.settings().model_dump(mode="json"),
            }
            for name, spec in TRAINERS.items()
        }  # fmt: skip
        presets = {
            name: {"reads": ["tasks"], "makes": "policy", "settings": preset(name).model_dump(mode="json")}
            for name in PRESETS
        }
        typer.echo(json.dumps({**rows, **presets}))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("name", "learns from", "makes", "what it is"):
        table.add_column(heading)
    for name, spec in TRAINERS.items():
        table.add_row(name, ", ".join(spec.kinds), spec.makes, spec.summary)
    for name, given in PRESETS.items():
        table.add_row(name, "tasks", "policy", f"reinforcement learning, credit by {given.get('credit', 'outcome')}")
    console().print(table)


def outcome(found: dict[str, Any]) -> str:
    """What a training came to, in one line."""
    if "history" in found:
        rows = found["history"]
        if not rows:
            return f"{found['folder']}: nothing done yet"
        first, last = rows[0], rows[-1]
        held = f"valid {first['valid']:.3f} -> {last['valid']:.3f}, " if {"valid"} <= first.keys() & last.keys() else ""
        return (
            f"{found['folder']}: {many(len(rows), 'iteration')}, reward {first['reward']:.3f} -> {last['reward']:.3f}, "
            f"{held}{short(sum(row.get('tokens', 0) for row in rows))} tokens in {duration(found['wall_s'])}"
        )
    valid = "" if found["valid_last"] is None else f", valid {found['valid_first']:.4f} -> {found['valid_last']:.4f}"
    return (
        f"{found['folder']}: loss {found['loss_first']:.4f} -> {found['loss_last']:.4f}{valid}, "
        f"{many(found['steps'], 'update')}, {many(found['samples'], 'sample')}, {short(found['tokens'])} tokens "
        f"in {duration(found['seconds'])}"
    )
