"""Plays searches over designs: designs are numbers, worth what `worth` says, each example worth its own share."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.support.drive import PAID, apply_pure, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.events import Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.strategies.base import Strategy
from reflectree.rlm_ops.structure import ReasoningStructure

ASIDE = ("minibatch", "sample", "train", "predict")


def design_outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """What comes of a call over designs: now and then a failure, or a design there is already."""
    if random.random() < 0.15:
        aside = call.op == "evaluate" and call.how.partition(":")[0] in ASIDE
        return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, aside=aside, usage=PAID)
    return sound_outcome(call, structure, random)


def sound_outcome(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    """As `design_outcome`, without failures."""
    if call.op == "evaluate":
        scores = tuple(random.choice([0.0, 0.25, 0.5, 0.75, 0.9]) for _ in range(4))
        return scored(call, scores)
    design = str(random.randrange(12) if random.random() < 0.2 else 100 + len(structure))
    return grown(call, design)


def scored(call: Call, scores: tuple[float, ...]) -> Evaluated:
    """The event of a measurement."""
    value, aside = sum(scores) / len(scores), call.how.partition(":")[0] in ASIDE
    return Evaluated(
        node=call.nodes[0], index=call.index, value=value, how=call.how, aside=aside, scores=scores, usage=PAID
    )


def grown(call: Call, design: str, note: str = "") -> Grown:
    """The event of a new design."""
    return Grown(
        op=call.op,  # type: ignore[arg-type]
        nodes=call.nodes,
        index=call.index,
        how=call.how,
        text=design,
        answer=design,
        granularity="solution",
        status="terminal",
        after=-1 if call.op == "generate" else 0,
        note=note,
        usage=PAID,
    )


Worth = Callable[[str, Call], tuple[float, ...]]


def play(
    strategy: Strategy,
    worth: Worth,
    propose: Callable[[Call, ReasoningStructure], str],
    *,
    slots: int = 4,
    seed: int = 0,
    most: int = 500,
) -> tuple[History, list[Call]]:
    """Carry out what a strategy asks for, at once and in order: the history, and the calls that were asked for."""
    history, asked = started(strategy, seed), []
    live = history.live
    while strategy.stop(live) is None:
        calls = strategy.ask(live, slots)
        if not calls:
            break
        if calls[0].op in PURE:
            apply_pure(history, calls)
            continue
        assert len(calls) <= slots
        for call in calls:
            history.begin(call)
        for call in calls:
            asked.append(call)
            history.flying.remove(call)
            if call.op == "evaluate":
                history.tell(scored(call, worth(live.steps[call.nodes[0]].answer or "", call)))
            else:
                history.tell(grown(call, propose(call, live)))
        assert len(asked) <= most
    return history, asked


def of(calls: list[Call], op: str) -> list[Call]:
    """The calls of an operator."""
    return [call for call in calls if call.op == op]
