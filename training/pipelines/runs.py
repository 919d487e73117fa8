"""The words of a data generation job: a run that is wanted, what a finished one came to, what all of them share."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage
from reflectree.training.samples import Split


@dataclass(frozen=True, slots=True)
class Run:
    """One run that is wanted.

    Attributes:
        name: Its run id and the name of its files.
        task: What is asked.
        seed: Seed of its sampling.
        split: The part its task belongs to.
    """

    name: str
    task: Task
    seed: int
    split: Split = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides what the data are; how many tasks, runs and workers there are may change.

    Attributes:
        blueprint: The reasoning system as data.
        policy: The policy's name.
        models: Further models' names by role, the judge among them.
        tools: Names of tools.
        evaluator: The evaluator's name, where one was given.
        budget: Caps of one run.
        splits: The division of tasks.
        oracle: Whether search sees gold answers.
    """

    blueprint: dict[str, Any]
    policy: str
    models: dict[str, str] = field(default_factory=dict)
    tools: list[str] = field(default_factory=list)
    evaluator: str = ""
    budget: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, Any] = field(default_factory=dict)
    oracle: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """What the bill says of a finished run."""

    run: str
    usage: Usage
    nodes: int
    answered: bool
    correct: bool | None

    @classmethod
    def of(cls, trace: Trace) -> Entry:
        """The entry of a finished trace."""
        end = trace.answered
        if end is None:
            raise TraceError(f"run {trace.run_id} is not finished")
        return cls(trace.run_id, trace.usage, trace.nodes, end.answer is not None, end.correct)

    def to_row(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "usage": self.usage.to_row()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Entry:
        """The entry of a line."""
        return cls(row["run"], Usage(*row["usage"]), row["nodes"], row["answered"], row["correct"])


def run_name(task: Task, seed: int) -> str:
    """The name of a run: its task's id made fit for a file, a digest of what is asked, and the seed."""
    words = json.dumps([task.id, task.context, task.question], ensure_ascii=True)
    digest = hashlib.sha256(words.encode()).hexdigest()[:10]
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", task.id).strip("-.")[:60]
    return "-".join(filter(None, (slug, digest, f"s{seed}")))
