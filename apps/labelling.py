"""`reflectree data label`: words in, samples in a buffer out; Ctrl-C and caps keep what is done."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reflectree.graphs.bridge import run_sync
from reflectree.graphs.tasksets import load_taskset
from reflectree.models.base import PolicyModel
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.filters import read
from reflectree.training.labels import named
from reflectree.training.pipelines.labelling import Labelling, traces_in, wants_completions
from reflectree.training.pipelines.recipe import ModelWords
from reflectree.training.pipelines.relabel import LabelReport, alabel, annotated_by
from reflectree.training.splits import Splits

if TYPE_CHECKING:
    from reflectree.apps.dataview import Show

JUDGED = ".judged.json"


def label_traces(
    place: Path,
    labels: Sequence[str],
    filters: Sequence[str],
    buffer: Path,
    *,
    words: ModelWords | None,
    taskset: tuple[str | None, int | None, int],
    annotations: Sequence[Path] | None,
    rollouts: int,
    round: int,
    cap: Budget,
    splits: Splits | None,
    show: Show,
) -> LabelReport:
    """Label the traces at a place.

    Raises:
        BadInput: Something given cannot work.
        ModelError: The model that completes cannot be reached or refuses.
    """
    if not labels:
        raise BadInput("no label: give --label NAME; reflectree data labels lists them")
    for name in labels:
        named(name)
    rules = [read(spec) for spec in filters]
    found = list(traces_in(place))
    spec, limit, seed = taskset
    tasks: Sequence[Task] = () if spec is None else load_taskset(spec, limit=limit, seed=seed)
    store = ReplayBuffer(buffer, splits=splits)
    if store.splits is None:
        store = ReplayBuffer(buffer, splits=Splits())
    beside = {trace.run_id: Path(f"{path}{JUDGED}") for path, trace in found}
    if annotations is not None:
        if len(found) != 1 or len(annotations) != 1:
            raise BadInput("--annotations takes one file of one trace; those of a folder are TRACE.judged.json in it")
        beside = {found[0][1].run_id: annotations[0]}
    judged = {run: path for run, path in beside.items() if path.exists() or annotations is not None}
    folder = (place if place.is_dir() else place.parent) / "rollouts"

    async def work() -> LabelReport:
        async with _writer(words if wants_completions(labels) else None) as policy:
            labelling = Labelling(
                labels, policy=policy, rollouts=rollouts, folder=folder,
                annotated=annotated_by(judged) if judged else None,
            )  # fmt: skip
            return await alabel(
                found, store, labelling, tasks=tasks, filters=rules, cap=cap, round=round, on_trace=show.trace
            )

    with show.on_stderr(len(found)):
        return run_sync(work())


@contextlib.asynccontextmanager
async def _writer(words: ModelWords | None) -> AsyncIterator[PolicyModel | None]:
    """The model that completes prefixes, closed in the end."""
    if words is None:
        yield None
        return
    policy = words.build()
    try:
        yield policy
    finally:
        await policy.aclose()
