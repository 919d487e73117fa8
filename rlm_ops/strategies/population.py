"""Islands of programs: who lives where, in clusters of programs that score alike, and which islands begin anew.

A population is read from a structure, candidate by candidate in order of arrival: a candidate belongs to the island its
variant names, and after every so many programs the worse half of the islands is founded anew. So the same structure
always gives the same population, whenever it is read. Nothing here asks for anything.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import zip_longest
from math import inf
from random import Random

from reflectree.rlm_ops.formulas.evolution import (
    cluster_chances,
    cluster_temperature,
    draw_distinct,
    in_unit,
    islands_to_reset,
    length_chances,
)
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

PREFIX = "island-"


def label(island: int) -> str:
    """What calls for an island are marked with (`how`)."""
    return f"{PREFIX}{island}"


def island_of(how: str, node: int, islands: int) -> int:
    """The island a candidate belongs to: the one its variant names, else one by its id."""
    number = how.removeprefix(PREFIX)
    return (int(number) if number.isdecimal() else node) % islands


@dataclass(frozen=True, slots=True)
class Program:
    """A measured candidate.

    Attributes:
        node: Where it stands.
        value: What it is worth, in [0, 1].
        signature: What was measured of it, one number a test: programs alike in this are of one cluster.
        length: Its characters.
    """

    node: int
    value: float
    signature: tuple[float, ...]
    length: int


@dataclass(slots=True)
class Island:
    """Programs that breed with each other.

    Attributes:
        clusters: Its programs by what was measured of them.
        programs: How many it was given.
        best: The best of them, the older one of equals.
    """

    clusters: dict[tuple[float, ...], list[Program]] = field(default_factory=dict)
    programs: int = 0
    best: Program | None = None

    def add(self, program: Program) -> None:
        """Let a program in."""
        self.clusters.setdefault(program.signature, []).append(program)
        self.programs += 1
        if self.best is None or program.value > self.best.value:
            self.best = program

    def pick(self, count: int, rng: Random, *, start: float, period: int, normalise: bool) -> tuple[int, ...]:
        """Distinct programs to be shown, the worst first: of distinct clusters, as far as there are so many.

        Args:
            count: Most of them.
            rng: Where the draws come from.
            start: Temperature of the choice of clusters on an empty island.
            period: Programs over which it falls to 0, to start again.
            normalise: Whether clusters are chosen by where their value lies between the island's lowest and highest.
        """
        clusters = list(self.clusters.values())
        values = [members[0].value for members in clusters]
        chances = cluster_chances(
            in_unit(values) if normalise else values, cluster_temperature(self.programs, start, period)
        )
        lines = []
        for number in draw_distinct(chances, count, rng):
            members = clusters[number]
            order = draw_distinct(length_chances([program.length for program in members]), count, rng)
            lines.append([members[position] for position in order])
        first_of_each_first = [program for tier in zip_longest(*lines) for program in tier if program is not None]
        shown = sorted(first_of_each_first[:count], key=lambda program: (program.value, program.node))
        return tuple(program.node for program in shown)


class Population:
    """All islands.

    Args:
        islands: How many there are.
        reset_every: Measured programs after which the worse half of the islands begins anew; `None` never.
    """

    def __init__(self, islands: int, reset_every: int | None) -> None:
        self.islands = [Island() for _ in range(islands)]
        self.resets = 0
        self.read_up_to = ROOT + 1
        """The first candidate that is not read yet: it waits for its score."""
        self._reset_every = reset_every
        self._measured = 0

    def read(self, structure: ReasoningStructure) -> None:
        """Take in the candidates that have settled, up to the first that has not: their order decides on resets."""
        while self.read_up_to < len(structure):
            node = self.read_up_to
            if structure.steps[node].status == "terminal":
                value = structure.value(node)
                if value is None:
                    return
                self._take_in(structure, node, value)
            self.read_up_to += 1

    def _take_in(self, structure: ReasoningStructure, node: int, value: float) -> None:
        signature = structure.scores.get((node, "")) or (value,)
        program = Program(node, value, signature, len(structure.steps[node].answer or ""))
        self.islands[island_of(structure.hows[node], node, len(self.islands))].add(program)
        self._measured += 1
        if self._reset_every is not None and self._measured % self._reset_every == 0:
            self._reset(structure)

    def _reset(self, structure: ReasoningStructure) -> None:
        """Found the worse half of the islands anew, each with the best program of one of the others.

        The draws depend on the run's seed and on how many resets there were, so that reading again repeats them.
        """
        seed = structure.began.seed if structure.began else 0
        rng = Random(zlib.crc32(f"{seed}:{PREFIX}:{self.resets}".encode()))
        worse, others = islands_to_reset([-inf if i.best is None else i.best.value for i in self.islands], rng)
        for island in worse:
            self.islands[island] = Island()
            founder = self.islands[rng.choice(others)].best
            if founder is not None:
                self.islands[island].add(founder)
        self.resets += 1
