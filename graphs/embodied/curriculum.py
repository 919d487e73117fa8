"""Which task comes next: the one nearest to what is already learnt, among those not done and not given up.

Pure and seeded. The tasks are given; Voyager's rule for the next one, new but not too hard (arXiv 2305.16291, section
2.1), is a comparison of words here. `reflectree.graphs.embodied.proposing` asks a model, as Voyager does. What a task
is, and how it is tried, is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from reflectree.memory.records.texts import similarity
from reflectree.rlm_ops.errors import BadInput


@dataclass(frozen=True, slots=True)
class Curriculum:
    """Tasks in an order that follows what is learnt.

    Attributes:
        goals: The tasks by name, each with its goal in words.
        seed: Decides between tasks that are equally near.
        tries: Failures after which a task is given up.
    """

    goals: Mapping[str, str]
    seed: int = 0
    tries: int = 2

    def __post_init__(self) -> None:
        if not self.goals:
            raise BadInput("a curriculum needs tasks: give the names of environments, such as toy/kitchen-1")
        if self.tries < 1:
            raise BadInput(f"tries={self.tries}: give at least 1")

    def next(self, learnt: Sequence[str], done: Collection[str], failed: Mapping[str, int]) -> str | None:
        """The next task; `None` once all are done or given up. The arguments are those of `ranked`."""
        return next(iter(self.ranked(learnt, done, failed)), None)

    def ranked(self, learnt: Sequence[str], done: Collection[str], failed: Mapping[str, int]) -> list[str]:
        """The tasks that are neither done nor given up, the next one first.

        Args:
            learnt: What the skills there are say they do.
            done: Names of the tasks that were solved.
            failed: How often each of the others has failed: what has not failed yet comes first.
        """
        left = [name for name in self.goals if name not in done and failed.get(name, 0) < self.tries]
        Random(f"curriculum:{self.seed}:{len(done)}:{sum(failed.values())}").shuffle(left)

        def rank(name: str) -> tuple[int, float]:
            near = max((similarity(self.goals[name], skill) for skill in learnt), default=0.0)
            return failed.get(name, 0), -near

        return sorted(left, key=rank)
