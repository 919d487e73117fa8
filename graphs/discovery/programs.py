"""Program search as FunSearch sets it (Romera-Paredes et al. 2023, Nature 625, 468): evolve one function of a solver.

A candidate is a program with a `priority` function, run in the sandbox with a time limit. `scores` has one number a
test instance, by which programs that behave alike can be told; programs are never run in this process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from reflectree.agents.evaluators.base import Score
from reflectree.graphs.discovery import cap_sets, packing
from reflectree.graphs.discovery.base import Sense, Waited, objective, running_best, set_all
from reflectree.graphs.discovery.sandboxed import LIMITS, decisions
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.sandbox import Limits
from reflectree.rlm_ops.task import Task

ENTRY = "priority"

PACK = (
    "Write a heuristic for online bin packing, as the Python function priority(item, bins). Items of whole sizes come "
    "one by one, and each goes into the bin of the highest priority. bins is a list of the room left in each bin that "
    "has room for the item; the last of them is a new, empty bin of capacity 150. Return a list with one number a bin. "
    "The score is minus the number of bins used; a higher score is better. Use plain Python: there is no NumPy."
)
CAP = (
    "Write a heuristic for large cap sets, as the Python function priority(element, n): element is a tuple of n "
    "numbers from {0, 1, 2}, and the function returns one number. All elements are tried by falling priority, and one "
    "is taken if no three of those taken are on a line (three different elements whose sum is 0 modulo 3 in each "
    "place). "
    "The score is the size of the set; a higher score is better. Use plain Python: there is no NumPy."
)


@dataclass(frozen=True, slots=True)
class BinPacking(Waited):
    """Online bin packing: five instances of 60 items guide, five of 250 other items are held out."""

    name: str = "program/bin-packing"
    limits: Limits = field(default=LIMITS, repr=False)
    task: Task = field(init=False)
    train: tuple[packing.Instance, ...] = field(init=False, repr=False)
    sense: Sense = field(default="max", init=False)
    blueprint: str = field(default="funsearch", init=False, repr=False)
    sandboxed: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        set_all(self, task=Task(PACK, id=self.name, form="code"), train=packing.instances("train", 5, 60))

    def measure(self, candidate: str) -> Score:
        """Minus the bins of each instance; the value is the mean of least possible bins over those used.

        The value is 1 only where every instance reaches its lower bound, which nothing can better.
        """
        used = self._used(candidate, self.train)
        mean = math.fsum(used) / len(used)
        return Score(self._value(used), f"{mean:g} bins on average", scores=tuple(-float(bins) for bins in used))

    def report(self, answer: str) -> dict[str, Any]:
        """Bins on held-out, longer instances, beside the textbook heuristics and the lower bound."""
        held_out = packing.instances("test", 5, 250)
        used = self._used(answer, held_out)
        return {
            "objective": -sum(self._used(answer, self.train)) / len(self.train),
            "bins": sum(used) / len(used),
            "excess": sum(used) / sum(each.least for each in held_out) - 1,
            "least": sum(each.least for each in held_out) / len(held_out),
            **{name: sum(_textbook(name, held_out)) / len(held_out) for name in ("first fit", "best fit")},
        }

    def classical(self, evaluations: int, seed: int) -> list[float]:
        """The textbook heuristics one after the other; after the last of them nothing more is found."""
        found = [-sum(_textbook(name, self.train)) / len(self.train) for name in packing.CLASSICAL]
        found += [math.nan] * (evaluations - len(found))
        return running_best(found[:evaluations], self.sense)

    def draw(self, rng: Random) -> str:
        """A random weighing of how full a bin is, how well the item fits, and how early the bin was opened."""
        return _packer([rng.uniform(-1, 1) for _ in range(4)])

    def vary(self, shown: Sequence[str], rng: Random) -> str:
        """The best program's weights, moved a little; a random program where it has none."""
        weights = _weights(shown[-1]) if shown else None
        if weights is None:
            return self.draw(rng)
        return _packer([weight + rng.gauss(0, 0.3) for weight in weights])

    def _used(self, candidate: str, instances: Sequence[packing.Instance]) -> list[int]:
        given = [[each.items, each.capacity] for each in instances]
        found = _each(decisions(candidate, ENTRY, packing.HARNESS, given, self.limits), len(instances))
        return [packing.bins_used(one, each) for one, each in zip(found, instances, strict=True)]

    def _value(self, used: Sequence[int]) -> float:
        shares = [each.least / bins for bins, each in zip(used, self.train, strict=True)]
        return min(1.0, math.fsum(shares) / len(shares))


@dataclass(frozen=True, slots=True)
class CapSet(Waited):
    """Cap sets in one dimension or several: one score a dimension."""

    dimensions: tuple[int, ...] = (4, 5, 6)
    limits: Limits = field(default=LIMITS, repr=False)
    name: str = field(init=False)
    task: Task = field(init=False)
    sense: Sense = field(default="max", init=False)
    blueprint: str = field(default="funsearch", init=False, repr=False)
    sandboxed: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.dimensions or not all(3 <= n <= 6 for n in self.dimensions):
            raise BadInput(f"cap sets in {self.dimensions} dimensions: give some of 3 to 6")
        name = "program/cap-set" + "".join(f"/{n}" for n in self.dimensions if self.dimensions != (4, 5, 6))
        set_all(self, name=name, task=Task(CAP, id=name, form="code"))

    def measure(self, candidate: str) -> Score:
        """The size in each dimension; the value is the mean of `log3(size) / n`, FunSearch's rate of growth."""
        sizes = self._sizes(decisions(candidate, ENTRY, cap_sets.HARNESS, list(self.dimensions), self.limits))
        rates = [math.log(size, 3) / n for size, n in zip(sizes, self.dimensions, strict=True)]
        note = ", ".join(f"{size} in {n} dimensions" for size, n in zip(sizes, self.dimensions, strict=True))
        return Score(math.fsum(rates) / len(rates), note, scores=tuple(map(float, sizes)))

    def report(self, answer: str) -> dict[str, Any]:
        """The sizes beside the largest there are."""
        sizes = [int(size) for size in self.measure(answer).scores]
        return {
            "objective": objective(sizes),
            "sizes": dict(zip(map(str, self.dimensions), sizes, strict=True)),
            "largest": {str(n): cap_sets.KNOWN[n] for n in self.dimensions},
        }

    def classical(self, evaluations: int, seed: int) -> list[float]:
        """Random greedy: the best mean size after each random order."""
        rng, found = Random(f"{self.name}:classical:{seed}"), list[float]()
        for _ in range(evaluations):
            orders = [[rng.random() for _ in cap_sets.vectors(n)] for n in self.dimensions]
            found.append(objective(self._sizes(orders)))
        return running_best(found, self.sense)

    def _sizes(self, priorities: object) -> list[int]:
        found = _each(priorities, len(self.dimensions))
        return [len(cap_sets.greedy(one, n)) for one, n in zip(found, self.dimensions, strict=True)]


def _each(found: object, count: int) -> list[Any]:
    """One entry an instance; a program that forged fewer or none decides nothing."""
    return found if isinstance(found, list) and len(found) == count else [None] * count


def _textbook(name: str, instances: Sequence[packing.Instance]) -> list[int]:
    given = [[each.items, each.capacity] for each in instances]
    found = packing.decide(packing.CLASSICAL[name], given)
    return [packing.bins_used(one, each) for one, each in zip(found, instances, strict=True)]


def _packer(weights: Sequence[float]) -> str:
    numbers = ", ".join(f"{weight:.3f}" for weight in weights)
    return (
        "def priority(item, bins):\n"
        f"    weights = [{numbers}]\n"
        "    values = []\n"
        "    for place, room in enumerate(bins):\n"
        "        left = (room - item) / 150\n"
        "        parts = [left, left * left, place / len(bins), float(left > 0.13) * float(left < 0.3)]\n"
        "        values.append(sum(weight * part for weight, part in zip(weights, parts)))\n"
        "    return values"
    )


def _weights(program: str) -> list[float] | None:
    """The weights of a program that `_packer` wrote."""
    _, begun, rest = program.partition("weights = [")
    try:
        weights = [float(word) for word in rest.partition("]")[0].split(",")]
    except ValueError:
        return None
    return weights if begun and len(weights) == 4 else None
