"""Plays a strategy against chance: every call it asks for comes to some event, in some order.

What a strategy must hold to whatever happens (law 3) is checked on the way: no call is asked for twice, no more than
the free slots, pure operators change something, and the play comes to an end.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import Began
from reflectree.rlm_ops.operators import PURE_OPERATORS, problem_with
from reflectree.rlm_ops.playing import PAID, Outcome, any_outcome, good_outcome
from reflectree.rlm_ops.strategies import Strategy
from reflectree.rlm_ops.structure import ReasoningStructure


def started(strategy: Strategy, seed: int = 0) -> History:
    """A history that begins as a run of the strategy does."""
    limits = strategy.limits()
    history = History.__new__(History)
    history.live, history.events, history.flying = ReasoningStructure(), [], []
    history.tell(
        Began(
            question="What is 6 times 7?",
            width=limits.width,
            root_width=limits.root_width,
            depth=limits.depth,
            ops=limits.ops,
            backup=strategy.backup_rule.to_row(),
            seed=seed,
        )
    )
    return history


def drive(
    strategy: Strategy,
    random: Random,
    *,
    outcome: Outcome = any_outcome,
    slots: Callable[[Random], int] = lambda random: random.randrange(5),
    most: int = 5000,
) -> History:
    """Play until the strategy stops or has nothing more to ask for.

    Args:
        strategy: Whom to play against.
        random: Chance.
        outcome: What comes of a call.
        slots: How many calls may be begun at a turn.
        most: Calls after which the strategy is held not to end.
    """
    history = started(strategy, seed=random.randrange(1000))
    live = history.live
    seen: set[Any] = set()
    while strategy.stop(live) is None:
        free = slots(random)
        calls = strategy.ask(live, free)
        if calls and calls[0].op in PURE:
            apply_pure(history, calls)
            continue
        assert len(calls) <= free, f"{len(calls)} calls for {free} slots"
        for call in calls:
            assert call not in seen, f"{call} was asked for twice"
            assert call.op in strategy.uses(), f"{call.op} is not among what {strategy.name} says it uses"
            assert problem_with(live, call) is None, f"{call}: {problem_with(live, call)}"
            seen.add(call)
            history.begin(call)
        assert len(seen) <= most, "the strategy does not come to an end"
        if history.flying and (not calls or random.random() < 0.5):
            land(history, random, outcome)
        elif not history.flying and not calls and free:
            break
    while history.flying:
        land(history, random, outcome)
    return history


def apply_pure(history: History, calls: list[Call]) -> None:
    """Apply pure operators as the controller does."""
    before = len(history.events)
    for call in calls:
        for event in PURE_OPERATORS[call.op](history.live, call):
            history.tell(event)
    assert len(history.events) > before, f"{calls[0].op} changes nothing and would be asked for for ever"


def land(history: History, random: Random, outcome: Outcome = any_outcome) -> None:
    """Let one call in flight come to its event."""
    call = history.flying.pop(random.randrange(len(history.flying)))
    history.tell(outcome(call, history.live, random))


__all__ = ["PAID", "Outcome", "any_outcome", "apply_pure", "drive", "good_outcome", "land", "started"]
