"""A world of letters: step `index` below a node is a letter, a path is a word, and words have values and answers.

What comes of a call depends on its nodes and index alone, so whatever order calls arrive in, the same words are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from tests.support.drive import apply_pure, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.base import Strategy
from reflectree.rlm_ops.structure import ReasoningStructure

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def word(structure: ReasoningStructure, node: int) -> str:
    """The letters of a path."""
    return "".join(step.text for step in structure.path(node).steps)


class World:
    """Where a strategy is tried out.

    Args:
        values: The value of each word, as a table (0.5 where it lacks one) or a function.
        answers: Words that hold an answer.
        failing: Words whose generation comes to nothing, and `unjudged` those whose evaluation does.
        same: Letters that are written as another one: a duplicate.
    """

    def __init__(
        self,
        values: Mapping[str, float] | Callable[[str], float],
        answers: tuple[str, ...] = (),
        failing: tuple[str, ...] = (),
        unjudged: tuple[str, ...] = (),
        same: Mapping[str, str] | None = None,
    ) -> None:
        table = values
        self.value: Callable[[str], float] = table if callable(table) else lambda said: table.get(said, 0.5)
        self.answers, self.failing, self.unjudged = answers, failing, unjudged
        self.same = same or {}

    def event(self, call: Call, structure: ReasoningStructure) -> Event:
        """What comes of a call."""
        said = word(structure, call.nodes[0])
        if call.op == "evaluate":
            if said in self.unjudged:
                return Failed(of="evaluate", nodes=call.nodes, index=call.index)
            return Evaluated(node=call.nodes[0], index=call.index, value=self.value(said), how=call.how)
        letter = self.same.get(said + LETTERS[call.index], LETTERS[call.index])
        if said + letter in self.failing:
            return Failed(of="generate", nodes=call.nodes, index=call.index)
        ends = said + letter in self.answers or call.how == "whole"
        return Grown(
            nodes=call.nodes,
            index=call.index,
            how=call.how,
            text=letter,
            status="terminal" if ends else "open",
            answer=said + letter if ends else None,
        )


class Play:
    """A strategy's play in a world, and what it asked for: `log` holds words such as `generate a`, `prune ab ac`.

    Args:
        strategy: Who plays.
        world: Where.
        slots: Calls in flight at once.
        order: Chooses the call in flight that lands next; the oldest where `None`.
    """

    def __init__(self, strategy: Strategy, world: World, slots: int = 64, order: Random | None = None) -> None:
        self.strategy, self.world, self.slots, self.order = strategy, world, slots, order
        self.history: History = started(strategy)
        self.log: list[str] = []
        self.reasons: list[str] = []

    @property
    def live(self) -> ReasoningStructure:
        """The structure."""
        return self.history.live

    def ask(self) -> None:
        """Ask until nothing more is asked for, and begin it all."""
        while True:
            calls = self.strategy.ask(self.live, self.slots - len(self.history.flying))
            for call in calls:
                names = " ".join(word(self.live, node) or "-" for node in call.nodes)
                self.log.append(" ".join(filter(None, (call.op, names, call.how))))
                if call.op in PURE:
                    self.reasons.append(call.reason)
                else:
                    self.history.begin(call)
            if not calls:
                return
            if calls[0].op in PURE:
                apply_pure(self.history, calls)

    def land(self, count: int = 1) -> None:
        """Let calls in flight come to their events."""
        for _ in range(count):
            flying = self.history.flying
            call = flying.pop(self.order.randrange(len(flying)) if self.order else 0)
            self.history.tell(self.world.event(call, self.live))

    def run(self) -> Play:
        """Play to the end."""
        self.ask()
        while self.history.flying and self.strategy.stop(self.live) is None:
            self.land()
            self.ask()
        return self

    def words(self, *statuses: str) -> set[str]:
        """The words whose node has one of the statuses."""
        return {word(self.live, node) for node in range(1, len(self.live)) if self.live.steps[node].status in statuses}

    def asked(self, op: str) -> list[str]:
        """What was asked for of one operator, in order."""
        return [line.partition(" ")[2] for line in self.log if line.startswith(op + " ")]
