"""Tasks about sheep, and a policy whose replies follow from the request alone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.verifiers import exact
from reflectree.training.pipelines.generation import generate
from reflectree.training.pipelines.report import GenerationReport
from reflectree.training.samples import Split
from reflectree.training.splits import Splits

SPLITS = Splits(valid=0.2, test=0.2)


def tasks(count: int, *parts: Split) -> list[Task]:
    """Tasks of some parts of `SPLITS`, train alone by default."""
    wanted = parts or ("train",)
    found: list[Task] = []
    number = 0
    while len(found) < count:
        task = Task(f"How many sheep are in field {number}?", verifier=exact(str(number % 4)), id=f"t{number}")
        if SPLITS.of_task(task) in wanted:
            found.append(task)
        number += 1
    return found


def say(request: Request, index: int) -> str:
    """An answer or a thought, by the words and the seed of the request."""
    words = "".join(message.content for message in request.messages) + request.prefill + str(request.seed)
    draw = zlib.crc32(words.encode()) % 7
    return f"Answer: {draw}" if draw < 4 else f"I count {draw} and then some."


def answer(body: dict[str, Any], index: int) -> str:
    """The same for a loopback server."""
    words = "".join(str(turn["content"]) for turn in body["messages"]) + str(body.get("seed"))
    draw = zlib.crc32(words.encode()) % 7
    return f"Answer: {draw}" if draw < 4 else f"I count {draw} and then some."


def half(path: Any) -> float:
    """What every step is worth."""
    return 0.5


def made(out: Path, count: int = 4, *, policy: Any = None, given: Sequence[Task] | None = None, **options: Any) -> Any:
    """A small job."""
    defaults: dict[str, Any] = {
        "blueprint": "best-of-n", "evaluator": half, "evaluator_name": "half", "splits": SPLITS,
        "budget": Budget(calls=12), "concurrency": 1,
    }  # fmt: skip
    report: GenerationReport = generate(
        given if given is not None else tasks(count),
        out,
        policy=policy or ScriptedPolicy(say),
        **{**defaults, **options},
    )
    return report
