"""A run from the command line, made ready: everything that can be wrong with it is found before anything is opened.

How it is carried out and what is said of it is in `reflectree.apps.running`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reflectree.apps.asking import RunOptions
from reflectree.apps.progress import Progress
from reflectree.apps.store import Place, check_trace_path
from reflectree.graphs.casting import check_cast
from reflectree.graphs.preparing import prepare
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models.base import PolicyModel
from reflectree.models.resolve_values import reach_values
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.task import Task


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
    if options.problem is not None:
        from reflectree.graphs.discovery.base import check_ready

        check_ready(options.measured())
    check_cast(setup.blueprint, options.roles)
    progress.watch(f"{setup.blueprint.name} · {policy.name}", setup.budget)
    return Ready(options, task, policy, judge, {**given, "memory": options.memory}, progress, values)


def _stand_in(options: RunOptions) -> Any:
    """An empty memory to check a run with: its own is opened by the run, and only when nothing else is wrong."""
    if options.memory is None:
        return None
    from reflectree.memory.ledger import Ledger

    return Ledger(oracle=options.oracle)
