"""One run from the command line: watched, interruptible, saved, and turned into an exit code.

How it is made ready, before a checkpoint is opened or a call is made, is in `reflectree.apps.ready`. The first Ctrl-C
or SIGTERM ends the run in order and says how to go on with it; a second one ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Coroutine
from typing import Any

from reflectree.apps.asking import RunOptions
from reflectree.apps.interrupting import on_signals
from reflectree.apps.people import asked, held_out
from reflectree.apps.progress import shown
from reflectree.apps.ready import Output, Ready, make_ready
from reflectree.apps.report import print_json, print_result
from reflectree.apps.store import Place, default_path, open_place
from reflectree.apps.terminal import many, note
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.result import Result
from reflectree.rlm_ops.errors import BadInput, NeedsPerson, ReflectreeError, RunLocked, TraceError
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.reflected import REFLECT
from reflectree.rlm_ops.trace import Trace

ANSWERED, NO_ANSWER, WAITS, INTERRUPTED = 0, 3, 5, 130


def solve_once(options: RunOptions, run_id: str | None, checkpoint: str | None, output: Output) -> int:
    """Begin a run, or go on with the unfinished one of that id. Returns the exit code."""
    ready = make_ready(options, output)
    run_id = run_id or uuid.uuid4().hex[:12]
    with contextlib.ExitStack() as stack:
        if checkpoint is None:
            default_path(run_id)
        try:
            place = stack.enter_context(open_place(run_id, checkpoint))
        except (RunLocked, TraceError):
            raise
        except BadInput as error:
            if checkpoint is not None:
                raise
            place = None
            note(f"this run cannot be resumed if it is interrupted: {error}")
        return to_the_end(ready, run_id, place, output)


def to_the_end(ready: Ready, run_id: str, place: Place | None, output: Output, reply: str | None = None) -> int:
    """Run; where it asks a person who sits at a terminal, ask them and go on. Returns the exit code."""
    while True:
        try:
            return carry_out(ready, run_id, place, output, reply)
        except NeedsPerson as waiting:
            reply = asked(waiting, output)
            if reply is None:
                assert place is not None  # without one the run would not have begun
                note(f"this run waits for a person; go on with:  {place.resume_command} --reply TEXT{output.flags}")
                return WAITS
            ready = make_ready(ready.options, output)


def carry_out(ready: Ready, run_id: str, place: Place | None, output: Output, reply: str | None = None) -> int:
    """Run, show, save. Returns the exit code.

    Raises:
        NeedsPerson: The run waits for a person, and is saved.
        ReflectreeError: The run failed; what was paid for is kept, and the user told how to go on.
    """
    ready.progress.begin((place.elapsed if place is not None else None) or 0.0)
    try:
        with shown(ready.progress, quiet=output.quiet):
            result, saved = run_sync(_interruptible(ready.reason(run_id, place, reply), place))
    except NeedsPerson:
        raise
    except ReflectreeError:
        _after_failure(place, output)
        raise
    if result is None:
        _say_how_to_go_on(place, saved, output)
        return INTERRUPTED
    if output.trace is not None:
        result.trace.save(output.trace)
    measured = held_out(ready.options, result.answer)
    if output.as_json:
        print_json(result, output.trace, measured)
    else:
        print_result(result, output.trace, quiet=output.quiet)
        if measured and not output.quiet:
            note(", ".join(f"{name}: {value:.6g}" if isinstance(value, float) else f"{name}: {value}"
                           for name, value in measured.items()))  # fmt: skip
    _say_what_memory_did(result, quiet=output.quiet)
    if place is not None and not place.named:
        place.drop()
    return NO_ANSWER if result.answer is None else ANSWERED


async def _interruptible(work: Coroutine[Any, Any, Result], place: Place | None) -> tuple[Result | None, Trace | None]:
    """The result; or `None` and what is saved, where a signal ended the run."""
    task = asyncio.create_task(work)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        task.cancel()

    with on_signals(interrupt):
        try:
            return await task, None
        except asyncio.CancelledError:
            if not interrupted:
                raise
        return None, await place.trace() if place is not None else None


def _after_failure(place: Place | None, output: Output) -> None:
    """Keep what was paid for and say so; leave nothing where nothing was."""
    if place is None:
        return
    saved = run_sync(place.trace())
    if saved is not None and saved.usage.calls:
        _say_how_to_go_on(place, saved, output)
    elif place.elapsed is None:
        place.drop()


def _say_what_memory_did(result: Result, *, quiet: bool) -> None:
    """How many records the run was shown; and, whatever else is kept quiet, that what it learnt was not kept."""
    began = result.trace.began
    if began is None or not began.arm:
        return
    if not quiet:
        shown = "nothing is shown to this run, for comparison (the control arm)"
        note("memory: " + (shown if began.arm == "control" else f"{many(len(began.recalled), 'record')} recalled"))
    for event in result.trace:
        if isinstance(event, Failed) and (event.of, event.how) == (REFLECT, "keep"):
            note(f"what this run learnt is not kept: {event.reason}")


def _say_how_to_go_on(place: Place | None, saved: Trace | None, output: Output) -> None:
    if saved is None or place is None:
        if place is not None and place.elapsed is None:
            place.drop()
        note("interrupted; nothing was saved")
        return
    if output.trace is not None:
        saved.save(output.trace)
    paid = many(saved.usage.calls, "call")
    note(f"interrupted, {paid} saved; go on with:  {place.resume_command}{output.flags}")
