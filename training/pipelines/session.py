"""One session of a data generation job: the nodes of its graph, and what they work on.

plan -> generate -> label -> filter -> store -> generate ... -> report. It knows nothing of how runs are made, and not
whether the folder is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BudgetRefused
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage
from reflectree.training import filters as rules
from reflectree.training.buffer import Added, ReplayBuffer
from reflectree.training.pipelines.job import JobFolder
from reflectree.training.pipelines.labelling import Labelling
from reflectree.training.pipelines.pool import Caps, Pool
from reflectree.training.pipelines.recipe import LocalRunner, Runner
from reflectree.training.pipelines.report import GenerationReport
from reflectree.training.pipelines.runs import Entry, Run, run_name
from reflectree.training.samples import Split, from_row, to_row
from reflectree.training.splits import Splits, TestTaskRefused

CHUNK = 32
"""Runs labelled and stored together: shards of a useful size, and little to do again after a kill."""

OnRun = Callable[[Run, Entry], None]
OnBegin = Callable[["Generation"], None]


class GenerationState(TypedDict):
    """The graph's state: names and wire forms only.

    Attributes:
        batch: The finished runs that are to be labelled now.
        rows: Their samples.
        dropped: How many each filter dropped of them.
    """

    batch: list[str]
    rows: list[dict[str, Any]]
    dropped: dict[str, int]


class Generation:
    """One session of a job: the nodes of its graph, and what they work on.

    Attributes:
        job: The folder.
        order: The runs that are wanted, in order; known once `plan` has run.
        refused: How many tasks belong to the test split and were left out.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        job: JobFolder,
        runner: Runner,
        caps: Caps,
        *,
        splits: Splits,
        only: Sequence[Split],
        runs: int,
        seed: int,
        parallel: int,
        label: Labelling | None,
        filters: Sequence[rules.Filter],
        buffer: ReplayBuffer | None,
        round: int,
        on_begin: OnBegin | None,
        on_run: OnRun | None,
        on_note: Callable[[str], None] | None = None,
    ) -> None:
        self.job = job
        self.order: list[Run] = []
        self.refused = 0
        self.report: GenerationReport | None = None
        self._tasks, self._runner, self._caps = tasks, runner, caps
        self._splits, self._only, self._runs, self._seed = splits, only, runs, seed
        self._parallel, self._label, self._filters, self._buffer = parallel, label, tuple(filters), buffer
        self._round, self._on_begin, self._on_run, self._on_note = round, on_begin, on_run, on_note
        self._pool: Pool | None = None
        self._labelled = 0
        self._refused_cap: str | None = None

    def graph(self) -> StateGraph[GenerationState, None, GenerationState, GenerationState]:
        """The graph, to be compiled."""
        graph: StateGraph[GenerationState, None, GenerationState, GenerationState] = StateGraph(GenerationState)
        for name in ("plan", "generate", "label", "filter", "store", "report"):
            graph.add_node(name, getattr(self, f"{name}_node"))
        graph.add_edge(START, "plan")
        graph.add_edge("plan", "generate")
        graph.add_conditional_edges("generate", lambda state: "label" if state["batch"] else "report")
        graph.add_conditional_edges("label", lambda state: "filter" if state["batch"] else "generate")
        graph.add_edge("filter", "store")
        graph.add_edge("store", "generate")
        graph.add_edge("report", END)
        return graph

    async def plan_node(self, state: GenerationState) -> GenerationState:
        """Which runs are wanted: every task once before any is taken again, a task asked twice once.

        Raises:
            TestTaskRefused: All tasks belong to the test split.
        """
        parts: list[tuple[Task, Split]] = [(task, self._splits.of_task(task)) for task in self._tasks]
        self.refused = sum(split == "test" for _, split in parts)
        usable: list[tuple[Task, Split]] = [part for part in parts if part[1] != "test" and part[1] in self._only]
        if not usable:
            raise TestTaskRefused(
                f"none of the {len(parts)} tasks may be learnt from: {self.refused} belong to the test split, the "
                f"others not to {' or '.join(self._only)}; give other tasks, or other shares of the splits"
            )
        found: dict[str, Run] = {}
        for number in range(self._runs):
            for task, split in usable:
                name = run_name(task, self._seed + number)
                found.setdefault(name, Run(name, task, self._seed + number, split))
        self.order = list(found.values())
        self._pool = Pool(
            self._runner,
            [run for run in self.order if run.name not in self.job.bill],
            self._caps,
            self._parallel,
            spent=self.job.usage,
            elapsed=self.job.elapsed,
            on_begin=self._begun if self._caps.counted and not isinstance(self._runner, LocalRunner) else None,
            on_lost=self._lose,
        )
        if self._on_begin is not None:
            self._on_begin(self)
        return _state()

    async def generate_node(self, state: GenerationState) -> GenerationState:
        """Wait until enough runs have finished to be labelled, or all have; keep each as soon as it has."""
        assert self._pool is not None, "the graph runs plan first"
        if self._refused_cap is not None:  # runs in progress hold what completions may find free when they have ended
            if not await self._go_on():
                self._pool.pause(self._refused_cap)
                return _state()
            self._refused_cap = None
        while len(ready := self._ready()) < CHUNK and await self._go_on():
            pass
        if not ready and self._label is not None:  # the end, or a pause: what waits for an earlier run waits no more
            ready = [run.name for run in self.order if run.name in self.job.bill and run.name not in self.job.stored]
        return _state(ready[:CHUNK])

    async def label_node(self, state: GenerationState) -> GenerationState:
        """The samples of the batch; where a cap allows no more completions, those of the runs before."""
        assert self._label is not None, "without labels nothing is ready to be labelled"
        assert self._pool is not None, "the graph runs plan first"
        runs = {run.name: run for run in self.order}
        rows: list[dict[str, Any]] = []
        done: list[str] = []
        for name in state["batch"]:
            trace = await asyncio.to_thread(Trace.load, self.job.trace_path(name))
            account = Ledger(Budget(), parent=self._pool.ledger)
            run = runs[name]
            try:
                made = await self._label.samples(
                    trace, verifier=run.task.verifier, split=run.split, round=self._round, ledger=account
                )
            except BudgetRefused as error:
                self._refused_cap = error.cap
                break
            finally:
                if account.spent:
                    self.job.spend_on_labels(account.spent)
            rows += map(to_row, made)
            done.append(name)
        return _state(done, rows)

    async def filter_node(self, state: GenerationState) -> GenerationState:
        """Those that pass the filters."""
        seen = None if self._buffer is None else self._buffer.seen()
        passed = rules.apply(list(map(from_row, state["rows"])), self._filters, seen)
        return _state(state["batch"], list(map(to_row, passed.kept)), dict(passed.dropped))

    async def store_node(self, state: GenerationState) -> GenerationState:
        """Into the buffer with them; then these runs are done with."""
        samples = list(map(from_row, state["rows"]))
        added = Added()
        if self._buffer is not None:
            added = await asyncio.to_thread(self._buffer.add, samples, round=self._round)
        added.filtered.update(state["dropped"])
        self.job.store(state["batch"], added)
        return _state()

    async def report_node(self, state: GenerationState) -> GenerationState:
        """How the job stands, in the folder and for the caller."""
        self.report = self.stand()
        self.job.report(self.report.to_json())
        return _state()

    def stand(self) -> GenerationReport:
        """How the job stands now."""
        pool = self._pool
        seconds = self.job.elapsed + (pool.session_seconds if pool else 0.0)
        return GenerationReport.of(
            self.job, self.order, refused=self.refused, paused=pool.paused if pool else None, seconds=seconds
        )

    async def aclose(self) -> None:
        """Stop the runs in progress, and write down the time they took and how the job stands."""
        if self._pool is not None:
            await self._pool.cancel()
            self.job.spend(self._pool.session_seconds)
            if self.report is None:  # interrupted, or a model failed
                self.job.report(self.stand().to_json())

    def _begun(self, run: Run) -> None:
        """A run begins where no checkpoint will tell what it paid."""
        self.job.begin(run.name, self._caps.most)

    def _lose(self, most: Usage, said: str) -> None:
        """A worker died."""
        self.job.lose(most)
        if self._on_note is not None:
            self._on_note(said)

    async def _go_on(self) -> bool:
        """Wait for the next runs to finish and keep them; False where there are none."""
        assert self._pool is not None, "the graph runs plan first"
        finished = await self._pool.next()
        for run, trace in finished:
            entry = self.job.finish(trace, self._pool.session_seconds)
            await self._runner.kept(run.name)
            if self._on_run is not None:
                self._on_run(run, entry)
        return bool(finished)

    def _ready(self) -> list[str]:
        """The next runs in order that are finished and not labelled yet."""
        ready: list[str] = []
        if self._label is None:
            return ready
        while self._labelled < len(self.order) and self.order[self._labelled].name in self.job.stored:
            self._labelled += 1
        for run in self.order[self._labelled :]:
            if len(ready) == CHUNK or run.name not in self.job.bill:
                break
            if run.name not in self.job.stored:
                ready.append(run.name)
        return ready


def _state(
    batch: Sequence[str] = (), rows: Sequence[dict[str, Any]] = (), dropped: dict[str, int] | None = None
) -> GenerationState:
    return {"batch": list(batch), "rows": list(rows), "dropped": dropped or {}}
