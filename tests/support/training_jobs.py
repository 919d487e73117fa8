"""Samples of every kind, and settings under which a tiny model learns in a second."""

from __future__ import annotations

from collections.abc import Callable

from reflectree.training.samples import Labelled, Operated, Preferred, Sample, Solution, Valued
from reflectree.training.trainers.common import Job

QUICK = {"epochs": 6, "batch": 4, "lr": 5e-3, "checkpoint": 0}
"""Settings under which a tiny model learns in a second."""

MakeJob = Callable[..., Job]


def sample_of(kind: str, i: int) -> Sample:
    """The i-th sample of a kind; every second one is good."""
    question, good = f"add {i}", i % 2
    steps = ("good" if good else "bad", f"b{i}")
    match kind:
        case "valued":
            return Valued(question=question, steps=steps[: i % 3], value=0.9 if good else 0.1)
        case "labelled":
            return Labelled(question=question, steps=steps, labels=(float(good), 0.5))
        case "solution":
            return Solution(question=question, steps=steps, reward=float(good))
        case "operated":
            turns = (("user", question), ("assistant", "generate"), ("user", "Step 1"), ("assistant", "Answer: 1"))
            return Operated(question=question, messages=turns)
        case _:
            return Preferred(
                question=f"add {i // 2}", steps=("s",), chosen=("good",), rejected=(f"bad {i}",), values=(0.7, 0.2)
            )


def samples_of(kind: str, count: int = 8) -> list[Sample]:
    """Some samples of a kind."""
    return [sample_of(kind, i) for i in range(count)]
