"""Ways to spend tokens on one puzzle, each written as if it were alone; a driver runs hundreds of them in lock-step.

A search is a generator: it yields what it wants drawn or valued, and is sent the result. Its steps are distinct, equal
states are one node, and a state of one number is never valued. `Outcome.tokens` are the characters the policy wrote
for this puzzle, all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reflectree.models.neural.countdown.game import State
from reflectree.training.countdown.player import Player, Taken


@dataclass(frozen=True, slots=True)
class Draw:
    """Wanted: steps of a state."""

    at: State
    count: int
    distinct: bool = True
    temperature: float = 1.0
    known: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """Wanted: values of states."""

    states: tuple[State, ...]


@dataclass(slots=True)
class Outcome:
    """What a search comes to.

    Attributes:
        solved: Whether the one answer it gives is right.
        tokens: Characters written.
        encodings: States the value model read.
        seen: Whether a right answer, or a state one greedy step before one, was ever there.
        extra: Whatever an arm adds.
    """

    solved: bool = False
    tokens: int = 0
    encodings: int = 0
    seen: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


Search = Generator[Draw | Value, Any, Outcome]


def run(player: Player, searches: Sequence[Search]) -> list[Outcome]:
    """Run searches to their ends, in lock-step."""
    outcomes: list[Outcome | None] = [None] * len(searches)
    waiting: dict[int, Draw | Value] = {}

    def send(place: int, result: Any) -> None:
        try:
            waiting[place] = searches[place].send(result)
        except StopIteration as end:
            outcomes[place] = end.value

    for place in range(len(searches)):
        send(place, None)
    while waiting:
        turn, waiting = waiting, {}
        values = {place: wanted for place, wanted in turn.items() if isinstance(wanted, Value)}
        if values:
            flat = player.values([at for wanted in values.values() for at in wanted.states])
            start = 0
            for place, wanted in values.items():
                send(place, flat[start : start + len(wanted.states)])
                start += len(wanted.states)
        draws = {place: wanted for place, wanted in turn.items() if isinstance(wanted, Draw)}
        for distinct in (True, False):
            for temperature in {wanted.temperature for wanted in draws.values()}:
                group = {p: w for p, w in draws.items() if w.distinct == distinct and w.temperature == temperature}
                rows = player.steps(
                    [wanted.at for wanted in group.values()],
                    [wanted.count for wanted in group.values()],
                    distinct=distinct,
                    temperature=temperature,
                    known=[wanted.known for wanted in group.values()] if distinct else None,
                )
                for place, row in zip(group, rows, strict=True):
                    send(place, row)
    return [outcome for outcome in outcomes if outcome is not None]


@dataclass(slots=True)
class Node:
    """A state in a search: the value of it, and the product of the values on the best way to it."""

    at: State
    value: float
    way: float
    visits: int = 0
    log_prior: float = 0.0


class Board:
    """What a search has found so far: nodes by state, its bill."""

    def __init__(self, puzzle: State) -> None:
        self.outcome = Outcome()
        self.nodes: dict[State, Node] = {puzzle: Node(puzzle, 1.0, 1.0)}
        self.known: dict[State, dict[str, float]] = {}
        self.children: dict[State, list[State]] = {}
        self.steps: dict[State, dict[State, float]] = {}
        """For each state its next ones with the log-probability of getting there."""

    def grow(self, at: State, count: int, temperature: float = 1.0) -> Generator[Draw | Value, Any, list[State]]:
        """Draw `count` new steps of a state, and value what is new; its next states of at least two numbers."""
        known = self.known.setdefault(at, {})
        row: list[Taken] = yield Draw(at, count, True, temperature, dict(known))
        fresh: dict[State, float] = {}
        reached: list[State] = []
        for step in row:
            self.outcome.tokens += step.tokens
            known[step.text] = step.log_prob
            if step.after is None or len(step.after.numbers) < 2:
                continue
            reached.append(step.after)
            there = self.steps.setdefault(at, {})
            there[step.after] = math.log(math.exp(there.get(step.after, -math.inf)) + math.exp(step.log_prob))
            if step.after not in self.nodes:
                fresh[step.after] = max(fresh.get(step.after, -math.inf), step.log_prob)
        if fresh:
            values: list[float] = yield Value(tuple(fresh))
            self.outcome.encodings += len(fresh)
            parent = self.nodes[at]
            for (state, log_prob), value in zip(fresh.items(), values, strict=True):
                self.nodes[state] = Node(state, value, parent.way * value, 0, parent.log_prior + log_prob)
        self.children.setdefault(at, []).extend(dict.fromkeys(reached))
        return list(dict.fromkeys(reached))

    def commit(self, key: Callable[[Node], float]) -> Generator[Draw | Value, Any, Outcome]:
        """Write the last step, greedily, from the best state of two numbers: the one answer that is given."""
        last = [node for node in self.nodes.values() if len(node.at.numbers) == 2]
        if last:
            chosen = max(last, key=key).at
            row: list[Taken] = yield Draw(chosen, 1, False, 0.0)
            self.outcome.tokens += row[0].tokens
            self.outcome.solved = row[0].after is not None and row[0].after.solved
        return self.outcome


def by_value(node: Node) -> float:
    """The value of the last state."""
    return node.value


def by_way(node: Node) -> float:
    """The product of the values on the way."""
    return node.way


def beam(
    puzzle: State, widths: Sequence[int], keeps: Sequence[int], key: Callable[[Node], float] = by_value,
    temperature: float = 1.0,
) -> Search:  # fmt: skip
    """Step beam: `widths[i]` new steps of each state kept at depth i, then the best `keeps[i]` next states are kept."""
    board, level = Board(puzzle), [puzzle]
    for width, keep in zip(widths, keeps, strict=True):
        reached = dict[State, None]()
        for at in level:
            for state in (yield from board.grow(at, width, temperature)):
                reached[state] = None
        level = sorted(reached, key=lambda state: -key(board.nodes[state]))[:keep]
    return (yield from board.commit(key))


def mcts(
    puzzle: State, budget: int, *, root: int, width: int, c: float = 0.3, key: Callable[[Node], float] = by_value,
    temperature: float = 1.0,
) -> Search:  # fmt: skip
    """Monte-Carlo tree search over states: PUCT with the policy's probabilities, and the best value below backed up.

    A selection ends at a state that was never grown, or whose next states have all been looked into: it is grown, by
    steps it does not have yet. Ends with the budget.
    """
    board = Board(puzzle)
    visits: dict[State, int] = {}
    worth: dict[State, float] = {}
    dry: set[State] = set()
    while board.outcome.tokens + 6 < budget:
        at, way = puzzle, [puzzle]
        while at in visits:
            inner = [s for s in dict.fromkeys(board.children.get(at, [])) if len(s.numbers) > 2 and s not in dry]
            fresh = [s for s in inner if s not in visits]
            if not inner or (at not in dry and not fresh and visits[at] > 4 * len(inner)):
                break
            total = math.sqrt(visits[at])
            at = max(inner, key=lambda s: _puct(s, board, worth, visits, total, c))
            way.append(at)
        before = board.outcome.tokens
        if at not in dry:
            yield from board.grow(at, root if at == puzzle else width, temperature)
        if board.outcome.tokens == before and at == puzzle:
            break
        if board.outcome.tokens == before or len(at.numbers) == 3:  # its next states cannot be grown
            dry.add(at)
        for state in reversed(way):
            visits[state] = visits.get(state, 0) + 1
            below = [worth.get(s, board.nodes[s].value) for s in board.children.get(state, [])]
            worth[state] = max(below, default=0.0)
    return (yield from board.commit(key))


def _puct(
    at: State, board: Board, worth: Mapping[State, float], visits: Mapping[State, int], total: float, c: float
) -> float:
    node = board.nodes[at]
    return worth.get(at, node.value) + c * math.exp(node.log_prior / 2) * total / (1 + visits.get(at, 0))
