"""One run from the command line: made ready, watched, interruptible, saved, and turned into an exit code.

Everything that can be wrong is found before a checkpoint is opened or a call is made. The first Ctrl-C or SIGTERM ends
the run in order and says how to go on with it; a second one ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from reflectree.apps.asking import RunOptions
from reflectree.apps.people import asked, held_out
from reflectree.apps.progress import Progress, shown
from reflectree.apps.report import print_json, print_result
from reflectree.apps.store import Place, check_trace_path, default_path, open_place
from reflectree.apps.terminal import many, note
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.preparing import prepare
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models.base import PolicyModel
from reflectree.models.resolve_values import reach_values
from reflectree.rlm_ops.errors import BadInput, NeedsPerson, ReflectreeError, RunLocked, TraceError
from reflectree.rlm_ops.events import Event, Failed
from reflectree.rlm_ops.reflected import REFLECT
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace

ANSWERED, NO_ANSWER, WAITS, INTERRUPTED = 0, 3, 5, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the user wants to see and keep."""

    trace: str | None = None
    as_json: bool = False
    quiet: bool = False

    @property
    def flags(self) -> str:
        """The options that ask for the same output again."""
        import shlex

        trace = f" --trace {shlex.quote(self.trace)}" if self.trace else ""
        return trace + (" --json" if self.as_json else "") + (" --quiet" if self.quiet else "")


@dataclass(frozen=True, slots=True)
class Ready:
    """A run whose every part is there and checked. Nothing is open yet."""

    options: RunOptions
    task: Task | None
    policy: PolicyModel
    judge: PolicyModel | None
    given: dict[str, Any]
    progress: Progress
    values: Any = None

    async def reason(self, run_id: str, place: Place | None, reply: str | None = None) -> Result:
        """Solve, and let go of the models."""
        remembered = place is None

        def on_event(event: Event, structure: ReasoningStructure) -> None:
            nonlocal remembered
            if not remembered and place is not None:  # only now it is certain that the run is the one asked for
                place.remember(self.options.to_json())
                remembered = True
            self.progress.on_event(event, structure)

        try:
            await self._reach_values(place)
            return await asolve(
                self.task,
                **self.given,
                policy=self.policy,
                judge=self.judge,
                checkpoint=None if place is None else place.saver,
                run_id=run_id,
                reply=reply,
                on_event=on_event,
                on_nested=self.progress.on_nested,
            )
        finally:
            await self.policy.aclose()
            for model in (self.judge, *self.given["models"].values(), self.values):
                if model is not None:
                    await model.aclose()

    async def _reach_values(self, place: Place | None) -> None:
        """Look whether the value model is there, before anything is paid; a finished run does not need it.

        Raises:
            ModelError: It is not.
        """
        if self.values is None:
            return
        saved = None if place is None else await place.trace()
        if saved is None or saved.answered is None:
            await reach_values(self.values)


def make_ready(options: RunOptions, output: Output) -> Ready:
    """Check everything.

    Raises:
        BadInput: Something asked for cannot work. Nothing was written and nothing was paid.
    """
    check_trace_path(output.trace)
    progress = Progress()
    task = options.task()
    values = options.values()
    policy, judge = options.policy(progress.preparing), options.judge_policy()
    given: dict[str, Any] = {
        "blueprint": options.blueprint,
        "models": options.role_policies(),
        "tools": options.tool_functions(),
        "evaluator": options.evaluator_function() if values is None else values,
        "verifier": options.verifier_of(task),
        "budget": options.budget,
        "concurrency": options.concurrency,
        "seed": options.seed,
        "oracle": options.oracle,
        "environment": options.environment,
        "safety": options.safety,
    }
    setup = prepare(policy=policy, judge=judge, memory=_stand_in(options), **given)
    progress.watch(f"{setup.blueprint.name} · {policy.name}", setup.budget)
    return Ready(options, task, policy, judge, {**given, "memory": options.memory}, progress, values)


def _stand_in(options: RunOptions) -> Any:
    """An empty memory to check a run with: its own is opened by the run, and only when nothing else is wrong."""
    if options.memory is None:
        return None
    from reflectree.memory.ledger import Ledger

    return Ledger(oracle=options.oracle)


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

    with _signals(interrupt):
        try:
            return await task, None
        except asyncio.CancelledError:
            if not interrupted:
                raise
        return None, await place.trace() if place is not None else None


@contextlib.contextmanager
def _signals(interrupt: Callable[[], None]) -> Iterator[None]:
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
