"""A strategy played against chance: what it must hold to whatever comes back, checked without a model.

Every call it asks for comes to some event, in some order, with now and then a failure; a play ends when the strategy
does. What a *good* search would be it does not know: whether a strategy finds anything is measured on tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import BackedUp, Began, Enriched, Evaluated, Event, Failed, Grown, from_row, to_row
from reflectree.rlm_ops.operators import PURE_OPERATORS, problem_with
from reflectree.rlm_ops.strategies.base import Strategy
from reflectree.rlm_ops.structure import ReasoningStructure, fold
from reflectree.rlm_ops.usage import Usage

Outcome = Callable[[Call, ReasoningStructure, Random], Event]
"""What comes of a call: the event, its number and a new node's id left out."""

PAID = Usage(1, 0, 3, 2, 0.0)


class Played(NamedTuple):
    """What happened in all plays together: a check in which nothing did checks nothing."""

    plays: int
    calls: int
    nodes: int
    answers: int
    failed: int


def check_strategy(
    strategy: Strategy,
    *,
    plays: int = 50,
    outcome: Outcome | None = None,
    exact: bool = True,
    seed: int = 0,
    most: int = 5000,
) -> Played:
    """Play a strategy against chance, and hold it to what the engine relies on.

    - It asks for no call that is in flight or settled, for no more than the free slots, for nothing its operators'
      contracts refuse, and comes to an end whatever fails (law 3).
    - A trace folded anew, at once or cut in two, is the live structure (law 1), and asks for the same: it keeps
      nothing that the trace does not hold. Taken up again after its calls in flight were lost, it goes on.
    - Visits are conserved and virtual visits return to zero (law 2).

    Args:
        strategy: Whom to play against.
        plays: How many plays, each with chances of its own.
        outcome: What comes of a call; by default anything may, a failure among it.
        exact: Whether it must ask for the very same of a trace folded anew. Turn it off for a strategy that is meant
            to begin something anew in a resumed run; that it goes on is checked all the same.
        seed: The first play's seed; a failure names the seed of its play.
        most: Calls in a play after which the strategy is held not to end.

    Raises:
        AssertionError: It does not hold; the message names the law and the seed of the play.
    """
    total = Played(0, 0, 0, 0, 0)
    for number in range(seed, seed + plays):
        play = Play(strategy, Random(number), outcome or any_outcome, exact, most)
        try:
            play.run()
        except AssertionError as error:
            raise AssertionError(f"{strategy.name}, play {number}: {error}") from error
        total = Played(*map(sum, zip(total, play.played, strict=True)))
    return total


class Play:
    """One play: the events so far, the live structure beside them, and the calls in flight."""

    def __init__(self, strategy: Strategy, random: Random, outcome: Outcome, exact: bool, most: int) -> None:
        self.strategy, self.random, self.outcome, self.exact, self.most = strategy, random, outcome, exact, most
        self.live, self.events = ReasoningStructure(), list[Event]()
        self.flying, self.seen = list[Call](), set[Call]()
        limits = strategy.limits()
        self._tell(
            Began(
                question="What is 6 times 7?",
                width=limits.width,
                root_width=limits.root_width,
                depth=limits.depth,
                ops=limits.ops,
                backup=strategy.backup_rule.to_row(),
                seed=random.randrange(1000),
            )
        )

    @property
    def played(self) -> Played:
        """What happened."""
        failed = sum(isinstance(event, Failed) for event in self.events)
        return Played(1, len(self.seen), len(self.live), len(self.live.terminals), failed)

    def run(self) -> None:
        """Play until the strategy stops or has nothing more to ask for, then let what is in flight land.

        Raises:
            AssertionError: A law does not hold.
        """
        idle = 0
        while self.strategy.stop(self.live) is None:
            free = self.random.randrange(5)
            calls = self._asked(free)
            if calls and calls[0].op in PURE:
                self._apply(calls)
                continue
            self._begin(calls, free)
            if self.flying and (not calls or self.random.random() < 0.5):
                self._land()
            elif not self.flying and not calls and free:
                break
            idle = 0 if calls or self.flying else idle + 1
            _hold(idle < 100, "law 3: nothing happens any more, and it neither asks nor ends")
        while self.flying:
            self._land()
        self._check_laws()

    def _asked(self, free: int) -> list[Call]:
        """What it asks for. Now and then it is asked twice, or after the process died with its calls in flight."""
        calls = self.strategy.ask(self.live, free)
        if self.random.random() < 0.9:
            return calls
        _hold(self.strategy.ask(self.live, free) == calls, "law 3: asked twice, it asks for other calls")
        resumed, lost = fold(self.events), self.flying
        found = self.strategy.ask(resumed, free)
        if not lost and self.exact:
            _hold(found == calls, f"law 1: of the same trace, folded anew, it asks for {found} instead of {calls}")
        elif lost and self.random.random() < 0.1:
            self.live, self.flying, calls = resumed, [], found
            self.seen.difference_update(lost)
        return calls

    def _begin(self, calls: Sequence[Call], free: int) -> None:
        uses = self.strategy.uses()
        _hold(len(calls) <= free, f"law 3: {len(calls)} calls for {free} slots")
        for call in calls:
            _hold(call not in self.seen, f"law 3: {call} was asked for twice")
            _hold(call.op not in PURE, f"{call.op} is a pure operator: such calls come alone, before all others")
            _hold(call.op in uses, f"{call.op} is not among what `operators` says it uses: {', '.join(sorted(uses))}")
            problem = problem_with(self.live, call)
            _hold(problem is None, f"{call}: {problem}")
            self.seen.add(call)
            self.live.begin(call)
            self.flying.append(call)
        _hold(
            len(self.seen) <= self.most,
            f"law 3: after {self.most} calls it has not ended: give it lower limits, or most=...",
        )

    def _apply(self, calls: Sequence[Call]) -> None:
        """Apply pure operators, as the controller does."""
        before = len(self.events)
        for call in calls:
            _hold(call.op in PURE, f"{call.op} beside a pure operator: pure calls come alone")
            for event in PURE_OPERATORS[call.op](self.live, call):
                self._tell(event)
        _hold(len(self.events) > before, f"{calls[0].op} changes nothing and would be asked for for ever")

    def _land(self) -> None:
        """Let one call in flight come to its event."""
        call = self.flying.pop(self.random.randrange(len(self.flying)))
        self._tell(self.outcome(call, self.live, self.random))

    def _tell(self, event: Event) -> None:
        numbered: dict[str, Any] = {"seq": len(self.events)}
        if isinstance(event, Grown):
            numbered["node"] = len(self.live)
        event = from_row(to_row(replace(event, **numbered)))  # what a checkpoint holds is all there is
        self.live.apply(event)
        self.events.append(event)

    def _check_laws(self) -> None:
        cut = self.random.randrange(len(self.events) + 1)
        _hold(fold(self.events) == self.live, "law 1: the trace folded anew is not the live structure")
        _hold(
            fold(self.events[cut:], into=fold(self.events[:cut])) == self.live,
            f"law 1: the trace cut at {cut} is another structure",
        )
        own = [0] * len(self.live)
        for event in self.events:
            if isinstance(event, BackedUp):
                own[event.node] += 1
        for node, children in enumerate(self.live.children):
            below = sum(self.live.visits[child] for child in children)
            _hold(self.live.visits[node] == own[node] + below, f"law 2: node {node} has lost or won visits")
        _hold(not any(self.live.virtual), "law 2: virtual visits are left")


def any_outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """Anything that may come of a call: now and then a failure, an answer, a repetition."""
    if random.random() < 0.15:
        aside = call.how in ("difficulty", "finished")
        return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, aside=aside, usage=PAID)
    return good_outcome(call, structure, random)


def good_outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """What comes of a call that does not fail."""
    node = call.nodes[0]
    if call.op == "evaluate":
        return Evaluated(
            node=node,
            index=call.index,
            value=random.choice([0.0, 0.25, 0.5, 0.75, 0.9]),
            against=call.nodes[1] if len(call.nodes) > 1 else -1,
            aside=call.how in ("difficulty", "finished"),
            how=call.how,
            usage=PAID,
        )
    step = structure.steps[node]
    if call.op == "enrich":
        more = f"{step.text}\nmore"
        return Enriched(node=node, index=call.index, how=call.how, text=more, answer=step.answer, usage=PAID)
    whole = call.how in ("whole", "solution", "answer", "force") or structure.depth[node] + 1 >= structure.depth_limit
    answer = random.choice("abc") if whole or random.random() < 0.4 else None
    return Grown(
        op=call.op,  # type: ignore[arg-type]
        nodes=call.nodes,
        index=call.index,
        how=call.how,
        text=random.choice(["x", "y", "z", f"step {len(structure)}"]),
        status="open" if answer is None else "terminal",
        answer=answer,
        after={"refine": structure.after[node], "aggregate": 0}.get(call.op, -1),
        usage=PAID,
    )


def _hold(holds: bool, otherwise: str) -> None:
    """Fail unless it holds; no `assert`, which `python -O` leaves out."""
    if not holds:
        raise AssertionError(otherwise)


__all__ = ["Outcome", "Play", "Played", "any_outcome", "check_strategy", "good_outcome"]
