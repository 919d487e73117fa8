"""Program search on islands: FunSearch (Nature 625, 2024), and LLM-SR (arXiv 2404.18400), whose buffer is the same.

Islands are populations of programs that do not mix. A prompt shows a few programs of one island, the worst first, and
asks for the next version; what comes joins that island. Chance says which programs are shown: good clusters (programs
that score alike) are preferred, and in them short programs. From time to time the worse half of the islands begins anew
with the best program of a better one. Programs are measured outside the model; what they do is not known here.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_calls, new_samples
from reflectree.rlm_ops.strategies.candidates import Asked, settle
from reflectree.rlm_ops.strategies.population import Population, label
from reflectree.rlm_ops.strategies.sampling import UNBOUNDED
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

FEWEST = 2
"""Programs without which there is nothing to merge: an island that has fewer is given one from the task alone."""


class Islands(Strategy):
    """Evolutionary program search.

    Attributes:
        islands: Populations.
        starts: Programs each island begins with, written from the task alone.
        shown: Most programs a prompt shows, of distinct clusters as far as there are so many.
        samples: New programs a prompt.
        temperature: Of the choice of clusters, at an island's first program.
        period: Programs of an island over which that temperature falls to 0, to start again.
        scale: What the choice of clusters reads: `range` (where a value lies between the island's lowest and highest)
            or `value` (the value itself, in [0, 1]).
        reset_every: Measured programs after which the worse half of the islands begins anew; `None` never.
        programs: Most programs asked for; `None` goes on until the budget ends.
    """

    name: ClassVar[str] = "islands"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "aggregate", "evaluate"})
    islands: int = Field(default=10, ge=1)
    starts: int = Field(default=2, ge=1)
    shown: int = Field(default=2, ge=FEWEST)
    samples: int = Field(default=4, ge=1)
    temperature: float = Field(default=0.1, gt=0)
    period: int = Field(default=30_000, ge=1)
    scale: Literal["range", "value"] = "range"
    reset_every: int | None = Field(default=200, ge=1)
    programs: int | None = Field(default=1000, ge=1)

    @override
    def limits(self) -> Limits:
        most = self.programs or UNBOUNDED
        return Limits(1, most, most)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        settling = settle(structure, slots, apart=True)
        if settling is not None:
            return settling
        state: _State | None = structure.memo.get(self.name)
        if state is None:
            state = structure.memo[self.name] = _State(self.islands, self.reset_every)
        room = slots if self.programs is None else min(slots, self.programs - state.asked.total(structure))
        if room < 1:
            return []
        first = self.islands * self.starts - structure.attempts("generate", (ROOT,))
        if first > 0:
            calls = new_samples(structure, ROOT, min(room, first))
            return [Call("generate", (ROOT,), call.index, label(call.index % self.islands)) for call in calls]
        state.population.read(structure)
        return self._rest(structure, state, room) or self._prompt(structure, state, room)

    def _rest(self, structure: ReasoningStructure, state: _State, room: int) -> list[Call]:
        """What the latest prompt still wants; a run that is taken up again begins with a new prompt."""
        if state.prompt is None:
            return []
        nodes, how, until = state.prompt
        missing = until - structure.attempts("aggregate", nodes)
        if missing < 1:
            return []
        state.asked.open(nodes)
        return new_calls(structure, "aggregate", nodes, min(room, missing), how)

    def _prompt(self, structure: ReasoningStructure, state: _State, room: int) -> list[Call]:
        """A new prompt, of an island drawn at random."""
        rng = structure.rng(self.name)
        islands = state.population.islands
        ready = [number for number, island in enumerate(islands) if island.programs >= FEWEST]
        chosen = rng.randrange(self.islands)
        if chosen not in ready:
            coming = structure.busy("generate", (ROOT,)) or state.population.read_up_to < len(structure)
            if not coming:
                return new_samples(structure, ROOT, 1, label(chosen))
            if not ready:
                return []
            chosen = rng.choice(ready)
        nodes = islands[chosen].pick(
            self.shown, rng, start=self.temperature, period=self.period, normalise=self.scale == "range"
        )
        state.prompt = nodes, label(chosen), structure.attempts("aggregate", nodes) + self.samples
        return self._rest(structure, state, room)


class _State:
    """What is read from the structure: the population, the calls so far, and the prompt that is being asked for."""

    def __init__(self, islands: int, reset_every: int | None) -> None:
        self.population = Population(islands, reset_every)
        self.asked = Asked()
        self.prompt: tuple[tuple[int, ...], str, int] | None = None
