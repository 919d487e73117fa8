"""Going on with a run by its id: everything it was asked with comes from its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from reflectree.apps.asking import RunOptions
from reflectree.apps.inputs import task_row
from reflectree.apps.ready import Output, make_ready
from reflectree.apps.running import to_the_end
from reflectree.apps.store import Place, existing_path, open_place, state_dir, unfinished
from reflectree.apps.terminal import many, note, one_line
from reflectree.graphs.bridge import run_sync
from reflectree.rlm_ops.errors import BadInput, ReflectreeError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace


def resume_run(
    run_id: str, checkpoint: str | None, given: Mapping[str, Any], output: Output, reply: str | None = None
) -> int:
    """Resume a run; `given` replaces what it was asked with, `reply` answers its question. Returns the exit code.

    Raises:
        BadInput: There is no such run, or what it was asked with does not work here.
    """
    existing_path(run_id, checkpoint)
    with open_place(run_id, checkpoint) as place:
        saved = run_sync(place.trace())
        if saved is None:
            raise BadInput(f"no run {run_id!r} in {place.path}: check the run id and the file")
        options = _remembered(place, saved).changed(**given)
        ready = make_ready(options, output)
        if saved.answered is None and not output.quiet:
            note(f"going on with run {run_id}: {many(saved.usage.calls, 'call')} so far")
        return to_the_end(ready, run_id, place, output, reply)


def list_unfinished(checkpoint: str | None) -> int:
    """Print the runs that wait to be resumed. Returns the exit code."""
    if checkpoint is not None:
        raise BadInput("no run id: give the one that was printed when the run was interrupted")
    runs = unfinished()
    if not runs:
        note("no interrupted run")
    for run_id in runs:
        typer.echo(f"{run_id}  {_in_words(run_id)}")
    if runs:
        note(f"reflectree resume RUN_ID goes on with one; the files are in {state_dir() / 'runs'}")
    return 0


def _remembered(place: Place, saved: Trace) -> RunOptions:
    """How a run was asked for; one that was begun by the Python API tells it in its first event."""
    kept = place.recollect()
    if kept is not None:
        return RunOptions.from_json(kept)
    began = saved.began
    if began is None:
        raise BadInput(f"run {place.run_id} does not begin with its task: it cannot be resumed")
    task = Task(began.question, began.context, began.examples, began.tools, id=began.task_id, form=began.form)
    return RunOptions(
        row=task_row(task), blueprint=began.blueprint, model=began.policy, seed=began.seed, oracle=began.oracle
    ).with_default_caps()


def _in_words(run_id: str) -> str:
    try:
        with open_place(run_id, None) as place:
            saved = run_sync(place.trace())
    except ReflectreeError as error:
        return one_line(str(error), 80)
    if saved is None or saved.began is None:
        return "(empty)"
    return f"{many(saved.usage.calls, 'call')}  {one_line(saved.began.question, 80)}"
