"""How a data generation job stands, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reflectree.rlm_ops.usage import Usage
from reflectree.training.buffer import Added
from reflectree.training.pipelines.job import JobFolder
from reflectree.training.pipelines.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationReport:
    """How a job stands.

    Attributes:
        folder: Its folder.
        tasks: Different tasks it is asked to make data of.
        refused: Tasks left out because they belong to the test split.
        runs: Runs wanted.
        finished: Runs of those that are finished.
        answered: Finished runs with an answer.
        correct: Those whose answer is right.
        judged: Those whose answer a verifier could judge.
        labelled: Finished runs that were labelled and stored.
        added: What was stored of them, and what was not.
        usage: What all finished runs of the folder and their labels have cost.
        seconds: Wall-clock seconds of all sessions.
        paused: The cap that paused the job; `None` where it is through.
    """

    folder: str
    tasks: int
    refused: int
    runs: int
    finished: int
    answered: int
    correct: int
    judged: int
    labelled: int
    added: Added
    usage: Usage
    seconds: float
    paused: str | None

    @classmethod
    def of(
        cls, job: JobFolder, order: Sequence[Run], *, refused: int, paused: str | None, seconds: float
    ) -> GenerationReport:
        """How a job stands that wants these runs."""
        names = {run.name for run in order}
        entries = [entry for name, entry in job.bill.items() if name in names]
        return cls(
            folder=str(job.path),
            tasks=len({(run.task.context, run.task.question) for run in order}),
            refused=refused,
            runs=len(names),
            finished=len(entries),
            answered=sum(entry.answered for entry in entries),
            correct=sum(entry.correct is True for entry in entries),
            judged=sum(entry.correct is not None for entry in entries),
            labelled=len(names & job.stored),
            added=job.added,
            usage=job.usage,
            seconds=seconds,
            paused=paused,
        )

    @property
    def complete(self) -> bool:
        """Whether all runs that are wanted are finished, and no cap paused the job."""
        return self.finished == self.runs and self.paused is None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        data = {**asdict(self), **self.added.to_json(), "seconds": round(self.seconds, 3), "complete": self.complete}
        del data["added"]
        return data
