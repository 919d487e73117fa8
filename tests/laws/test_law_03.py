"""Law 3: ask never repeats a call in flight or settled; tell twice equals tell once; a paid reply is never dropped."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.engine import Oracle, faults, search, settled, tree
from tests.support.event_strategies import History
from tests.support.virtual_time import run_virtually

from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import PURE
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.operators import PURE_OPERATORS
from reflectree.rlm_ops.step import Status
from reflectree.rlm_ops.strategies import MCTS, BestOfN, ChainOfThought, SelfConsistency, Strategy
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.usage import Usage

strategies = st.one_of(
    st.builds(lambda n: SelfConsistency(n=n), st.integers(1, 12)),
    st.builds(lambda n: BestOfN(n=n), st.integers(1, 12)),
    st.just(ChainOfThought()),
    st.builds(
        lambda width, root, depth, formula: MCTS(width=width, root_width=root, depth=depth, formula=formula),
        st.integers(1, 3),
        st.integers(1, 4),
        st.integers(1, 4),
        st.sampled_from(["uct", "puct"]),
    ),
)


@settings(max_examples=100)
@given(strategies, st.integers(0, 2**32).map(Random))
def test_ask_never_repeats_a_call_and_comes_to_an_end(strategy: Strategy, random: Random) -> None:
    limits = strategy.limits()
    history = History(limits.width, limits.root_width, limits.depth)
    live = history.live
    seen: set[Any] = set()
    while True:
        slots = random.randrange(5)
        calls = strategy.ask(live, slots)
        if calls and calls[0].op in PURE:
            _apply_pure(history, calls)
            continue
        assert len(calls) <= slots
        assert len(set(calls)) == len(calls)
        for call in calls:
            assert call not in seen, f"{call} was asked for twice"
            seen.add(call)
            history.begin(call)
        if history.flying and (not calls or random.random() < 0.5):
            _land(random, history)
        elif not history.flying and not calls and slots:
            break
    assert len(seen) <= 1000, "limits of 4 steps with 3 children each leave no room for more"


def _apply_pure(history: History, calls: list[Any]) -> None:
    events = [event for call in calls for event in PURE_OPERATORS[call.op](history.live, call)]
    assert events, "a pure operator that changes nothing would be asked for for ever"
    for event in events:
        history.tell(event)


def _land(random: Random, history: History) -> None:
    call = history.flying.pop(random.randrange(len(history.flying)))
    usage = Usage(1, 0, 1, 1, 0.0)
    if random.random() < 0.2:
        history.tell(Failed(of=call.op, nodes=call.nodes, index=call.index, usage=usage))
    elif call.op == "evaluate":
        history.tell(Evaluated(node=call.nodes[0], index=call.index, value=random.choice([0.0, 0.5, 0.9])))
    else:
        answer = random.choice([None, None, "a", "b"])
        status: Status = "open" if answer is None else "terminal"
        text = random.choice(["x", "y", "z"])
        history.tell(Grown(nodes=call.nodes, index=call.index, text=text, status=status, answer=answer, usage=usage))


def solutions(name: str, n: int) -> Blueprint:
    return Blueprint.parse({"name": name, "scheme": {"granularity": "solution", "strategy": {"name": name, "n": n}}})


KINDS = st.lists(st.sampled_from(["ok", "ok", "ok", "empty", "truncated", "transient"]), min_size=1, max_size=7)


@settings(max_examples=25)
@given(
    blueprint=st.sampled_from(
        [tree(), tree(width=3, depth=3), solutions("self-consistency", 9), solutions("best-of-n", 7)]
    ),
    concurrency=st.integers(1, 9),
    latencies=st.lists(st.floats(0, 2), min_size=1, max_size=7),
    kinds=KINDS,
    max_n=st.sampled_from([1, 1, 3]),
)
def test_every_request_is_on_the_bill_and_every_call_settles_once(
    blueprint: Blueprint, concurrency: int, latencies: list[float], kinds: list[str], max_n: int
) -> None:
    policy = Oracle(faults(kinds), latency=lambda number: latencies[number % len(latencies)], max_n=max_n)
    result = run_virtually(search(policy, blueprint=blueprint, concurrency=concurrency))
    assert result.stop_reason in ("complete", "confidence")
    assert max(Counter(settled(result.trace)).values(), default=0) <= 1
    assert result.usage.calls == len(policy.requests)
    assert result.usage.completion_tokens == sum(reply.usage.completion_tokens for reply in policy.replies)
    assert policy.most_flying <= concurrency
    assert result.trace.verify() == []


def test_a_reply_that_arrives_while_the_run_is_ending_is_kept() -> None:
    """Confidence is reached by the first answer; those in flight are paid, so they stand in the trace."""
    policy = Oracle(lambda request, number: f"Answer: {number}", latency=lambda number: number / 10)
    result = run_virtually(search(policy, blueprint=solutions("best-of-n", 8), evaluator=lambda path: 1.0))
    assert result.stop_reason == "confidence"
    assert result.nodes == len(policy.requests) == result.usage.calls
    assert result.answer == "0"


def test_what_the_controller_holds_is_what_the_trace_says() -> None:
    """The structure shown to `on_event` is the fold of the events shown so far."""
    from reflectree.rlm_ops.structure import fold

    seen: list[Any] = []

    def watch(event: Any, structure: ReasoningStructure) -> None:
        seen.append(event)
        if structure.answered is None and event.seq >= 0:
            assert fold(seen) == structure

    run_virtually(search(Oracle(latency=lambda number: number % 3), on_event=watch))
    assert len(seen) > 40
