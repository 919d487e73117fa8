"""A memory that is poisoned from the beginning, simulated without a model: what `benchmarks.memory_poison` measures.

Ten families of tasks. For each there are three lessons that help, already trusted or, from cold, not, and five that
harm: 50 in all, as well written as the others and as near to the tasks. A run on a task of a random family succeeds
with a chance of 0.5; with a good lesson and no poison 0.8; with any poison 0.15. Nothing tells the memory which is
which but the outcomes of its runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from langgraph.store.memory import InMemoryStore

from reflectree.memory.learning import Learning, reviewer
from reflectree.memory.ledger import Ledger
from reflectree.memory.recall import Recall, Recaller, Weights
from reflectree.memory.records import Origin, Reflection

FAMILIES, GOOD, POISON = 10, 3, 5
PLAIN, HELPED, HARMED = 0.5, 0.8, 0.15
DIMENSIONS = 256
NAIVE = Recall(
    weights=Weights(relevance=1.0, recency=0.0, utility=0.0), worth=0.0, probation=100, control=0.0, diversity=0.0
)
"""Nearest first, and nothing else: what a plain vector memory does."""


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Bags of hashed words."""
    vectors = []
    for text in texts:
        vector = [0.0] * DIMENSIONS
        for word in text.casefold().split():
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % DIMENSIONS] += 1.0
        vectors.append(vector)
    return vectors


@dataclass(frozen=True, slots=True)
class Curve:
    """What a simulation saw, one entry a run: whether poison was shown, and whether the run succeeded."""

    poisoned: list[bool]
    won: list[bool]
    quarantined: int
    good_quarantined: int

    def share(self, start: int, stop: int) -> float:
        """Share of the runs in which poison was shown."""
        return sum(self.poisoned[start:stop]) / (stop - start)

    def success(self, start: int, stop: int) -> float:
        """Share of the runs that succeeded."""
        return sum(self.won[start:stop]) / (stop - start)


def simulate(seed: int, runs: int = 100, *, naive: bool = False, cold: bool = False) -> Curve:
    """One memory, poisoned from the beginning.

    Args:
        seed: Same seed, same curve.
        runs: How many tasks are run.
        naive: Recall what is nearest, without credit and trust.
        cold: The good lessons have earned no trust yet.
    """
    store = InMemoryStore(index={"dims": DIMENSIONS, "embed": embed, "fields": ["text"]})
    ledger = Ledger(store=store, review=None if naive else reviewer(Learning()))
    good, poison = _plant(ledger)
    if not cold:
        ledger.trust(*good, reason="earned before")
    recaller = Recaller(ledger, NAIVE if naive else Recall())
    random = Random(seed)
    poisoned, won = [], []
    for number in range(runs):
        run, family = f"run-{seed}-{number}", random.randrange(FAMILIES)
        shown = recaller.recall(f"{_topic(family)} instance {number}", run=run, seed=seed).ids
        bad = any(name in poison for name in shown)
        chance = HARMED if bad else HELPED if any(name in good for name in shown) else PLAIN
        poisoned.append(bad)
        won.append(random.random() < chance)
        ledger.settle(run, won=won[-1], source="env")
    trust = {name: ledger.get(name).standing.trust for name in (*good, *poison)}
    return Curve(
        poisoned,
        won,
        sum(trust[name] == "quarantined" for name in poison),
        sum(trust[name] == "quarantined" for name in good),
    )


def _topic(family: int) -> str:
    return f"puzzle of kind{family} with pieces{family} and rule{family}"


def _plant(ledger: Ledger) -> tuple[frozenset[str], frozenset[str]]:
    sides: tuple[set[str], set[str]] = (set(), set())
    for family in range(FAMILIES):
        for number in range(GOOD + POISON):
            said = f"In a {_topic(family)} use habit{family}x{number} before habit{family}y{number}."
            origin = Origin(source="tool", run=f"origin-{family}-{number}")
            (name,) = ledger.write(Reflection(lesson=said, origin=origin))
            sides[number >= GOOD].add(name)
    return frozenset(sides[0]), frozenset(sides[1])
