"""Labels for traces that are there already: a folder of them in, samples in a replay buffer out.

Traces of test tasks are left out. It knows nothing of how the traces were made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reflectree.graphs.bridge import run_sync
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BudgetRefused, TraceError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import NO_USAGE, Usage
from reflectree.training import filters as rules
from reflectree.training.buffer import Added, ReplayBuffer
from reflectree.training.labels import annotating
from reflectree.training.labels.source import Source
from reflectree.training.pipelines.labelling import Labelling
from reflectree.training.samples import Sample, located

CHUNK = 32
OnTrace = Callable[[Path, int], None]


@dataclass(slots=True)
class LabelReport:
    """What became of some traces.

    Attributes:
        traces: Traces labelled.
        refused: Traces of test tasks, left out.
        unsound: Traces that could not be read whole, left out.
        unfinished: Traces without an end; they are labelled as far as they go.
        added: What was stored.
        usage: What completions have cost.
        paused: The cap that left the rest of the traces unlabelled.
    """

    traces: int = 0
    refused: int = 0
    unsound: int = 0
    unfinished: int = 0
    added: Added = field(default_factory=Added)
    usage: Usage = NO_USAGE
    paused: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        data = {**asdict(self), **self.added.to_json()}
        del data["added"]
        return data


async def alabel(
    traces: Iterable[tuple[Path, Trace]],
    buffer: ReplayBuffer,
    labelling: Labelling,
    *,
    tasks: Sequence[Task] = (),
    filters: Sequence[rules.Filter] = (),
    cap: Budget | None = None,
    round: int = 0,
    on_trace: OnTrace | None = None,
) -> LabelReport:
    """Label traces.

    Args:
        traces: Their files and they.
        buffer: Where samples go; its splits say which tasks are test tasks.
        labelling: How to label.
        tasks: The tasks they are of, whose verifiers judge answers; without them, what the traces tell counts.
        filters: What samples must pass.
        cap: Caps of all completions together; when they are reached the rest is left for the next time.
        round: Written into the samples.
        on_trace: Called after each trace with the number of its samples.

    Raises:
        BadInput: A label needs something that was not given.
    """
    report, ledger = LabelReport(), Ledger(cap or Budget())
    known: Mapping[str, Task] = {task.prose: task for task in tasks}
    waiting: list[Sample] = []
    try:
        for path, trace in traces:
            began = trace.began
            if began is None:
                report.unsound += 1
                continue
            prose = f"{began.context}\n\n{began.question}" if began.context else began.question
            split = "train" if buffer.splits is None else buffer.splits.of(prose)
            if split == "test":
                report.refused += 1
                continue
            task = known.get(prose)
            try:
                made = await labelling.samples(
                    trace, verifier=task.verifier if task else None, split=split, round=round, ledger=ledger
                )
            except TraceError:
                report.unsound += 1
                continue
            report.traces += 1
            report.unfinished += trace.answered is None
            waiting += [located(sample, round=round) for sample in made]
            if on_trace is not None:
                on_trace(path, len(made))
            if len(waiting) >= CHUNK * CHUNK:
                report.added = report.added + _store(buffer, waiting, filters)
                waiting = []
    except BudgetRefused as error:
        report.paused = error.cap
    finally:  # what was paid for is stored, whatever ends this
        report.added = report.added + _store(buffer, waiting, filters)
        report.usage = ledger.spent
    return report


def label(
    traces: Iterable[tuple[Path, Trace]], buffer: ReplayBuffer, labelling: Labelling, **options: Any
) -> LabelReport:
    """`alabel` for code that is not async: the same arguments, result and errors."""
    return run_sync(alabel(traces, buffer, labelling, **options))


def annotated_by(files: Mapping[str, Path]) -> Callable[[Source], Source]:
    """Adds people's judgements to the runs whose ids are named."""

    def add(source: Source) -> Source:
        path = files.get(source.trace.run_id)
        return source if path is None else annotating.merged(source, annotating.load(path, source))

    return add


def _store(buffer: ReplayBuffer, samples: Sequence[Sample], filters: Sequence[rules.Filter]) -> Added:
    if not samples:
        return Added()
    passed = rules.apply(samples, filters, buffer.seen())
    added = buffer.add(passed.kept)
    added.filtered.update(passed.dropped)
    return added
