"""Traces written by hand, and a toy task whose first wrong step is known."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from reflectree.rlm_ops.events import Answered, BackedUp, Began, Evaluated, Event, Grown
from reflectree.rlm_ops.step import Status
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.trace import Trace
from reflectree.training.labels.source import Completion

QUESTION = "What is 1 + 1 + 1?"


class Tree:
    """A trace that grows step by step."""

    def __init__(self, question: str = QUESTION, run_id: str = "run-1", **began: Any) -> None:
        self.live = ReasoningStructure()
        self.events: list[Event] = []
        self.run_id = run_id
        fields = {"width": 99, "root_width": 99, "depth": 99, "task_id": "task-1", "policy": "toy", "seed": 5, **began}
        self.tell(Began(question=question, **fields))

    def tell(self, event: Any) -> None:
        """Number an event and fold it in."""
        numbered = {"node": len(self.live)} if isinstance(event, Grown) else {}
        event = replace(event, seq=len(self.events), **numbered)
        self.live.apply(event)
        self.events.append(event)

    def grow(
        self, text: str, under: int = 0, answer: str | None = None, value: float | None = None, **fields: Any
    ) -> int:
        """A step; with `value` it is scored and backed up."""
        op = fields.pop("op", "generate")
        status: Status = "open" if answer is None else "terminal"
        index = self.live.next_index(op, (under,))
        self.tell(Grown(op=op, nodes=(under,), index=index, text=text, answer=answer, status=status, **fields))
        node = len(self.live) - 1
        if value is not None:
            self.score(node, value)
        return node

    def score(self, node: int, value: float, **fields: Any) -> None:
        """Score a step and back it up."""
        self.tell(Evaluated(node=node, index=self.live.next_index("evaluate", (node,)), value=value, **fields))
        if not fields.get("aside"):
            self.tell(BackedUp(node=node, value=value))

    def chain(self, *texts: str, under: int = 0, answer: str | None = None, value: float | None = None) -> list[int]:
        """Steps one after the other, the last with an answer."""
        nodes = []
        for place, text in enumerate(texts, 1):
            under = self.grow(text, under, answer if place == len(texts) else None, value)
            nodes.append(under)
        return nodes

    def end(self, node: int, correct: bool | None = None, in_structure: bool | None = None) -> Tree:
        """The run gives its answer."""
        answer = self.live.steps[node].answer if node > 0 else None
        self.tell(Answered(node=node, answer=answer, correct=correct, in_structure=in_structure))
        return self

    @property
    def trace(self) -> Trace:
        """What has happened."""
        return Trace(self.events, run_id=self.run_id)


def judge(answer: str) -> float:
    """Right is 3."""
    return float(answer == "3")


class Counting:
    """Counting up to a number, one a step: a step is wrong where its count is.

    A completion makes each of the steps left with the chance `skill` of being right; one that is wrong is off by one
    up or down, so errors may cancel out: a wrong prefix may be completed to a right answer by luck.
    """

    def __init__(self, steps: int = 6, skill: float = 0.9) -> None:
        self.steps, self.skill = steps, skill

    def complete(self, prefix: tuple[str, ...], random: Random) -> Completion:
        """One completion."""
        count = int(prefix[-1]) if prefix else 0
        written = []
        for _ in range(self.steps - len(prefix)):
            count += 1 if random.random() < self.skill else random.choice([0, 2])
            written.append(str(count))
        return Completion(tuple(written), str(count), float(count == self.steps), len(written))

    def truth(self, steps: tuple[str, ...]) -> bool:
        """Whether a prefix is right."""
        return int(steps[-1]) == len(steps)

    def chance(self, steps: tuple[str, ...]) -> float:
        """The chance that a completion of a prefix is right: all offsets of the steps left, convolved."""
        odds = {int(steps[-1]) - len(steps): 1.0}
        for _ in range(self.steps - len(steps)):
            after: dict[int, float] = {}
            for off, share in odds.items():
                for change, chance in ((0, self.skill), (-1, (1 - self.skill) / 2), (1, (1 - self.skill) / 2)):
                    after[off + change] = after.get(off + change, 0.0) + share * chance
            odds = after
        return odds.get(0, 0.0)


def steps_to(errors_at: int, steps: int) -> tuple[str, ...]:
    """A count that is one too high from a step (from 1) on."""
    return tuple(str(at + (at >= errors_at)) for at in range(1, steps + 1))
