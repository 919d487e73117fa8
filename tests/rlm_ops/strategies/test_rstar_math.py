from __future__ import annotations

import math
from random import Random

import pytest
from tests.support.drive import any_outcome, apply_pure, drive, good_outcome, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import BackedUp, Enriched, Evaluated, Event, Failed, Grown, Pruned
from reflectree.rlm_ops.strategies.rstar_math import RStarMath
from reflectree.rlm_ops.structure import ReasoningStructure, fold


def grow(history: History, parent: int, value: float | None = 0.5, text: str = "", answer: str | None = None) -> int:
    """A step whose code ran (or an answer), scored; one whose code failed where there is no value."""
    node = len(history.live)
    index = history.live.next_index("generate", (parent,))
    status = "open" if answer is None else "terminal"
    text = text or f"step {node}"
    history.tell(Grown(nodes=(parent,), index=index, how="code", text=text, status=status, answer=answer))  # type: ignore[arg-type]
    if value is None:
        history.tell(Enriched(node=node, text=text, status="failed", how="run", note="error"))
        return node
    if answer is None:
        history.tell(Enriched(node=node, text=f"{text}\n```output\n1\n```", how="run"))
    history.tell(Evaluated(node=node, value=value))
    history.tell(BackedUp(node=node, value=value))
    return node


def test_all_children_are_written_at_once() -> None:
    strategy = RStarMath(width=3)
    history = started(strategy)
    calls = strategy.ask(history.live, 2)
    assert [(call.op, call.index, call.how) for call in calls] == [("generate", 0, "code"), ("generate", 1, "code")]
    for call in calls:
        history.live.begin(call)
    assert strategy.ask(history.live, 8) == [Call("generate", (0,), 2)]


def test_a_step_is_run_before_it_is_scored_and_an_answer_only_scored() -> None:
    strategy = RStarMath(width=3)
    history = started(strategy)
    history.tell(Grown(nodes=(0,), index=0, how="code", text="a"))
    history.tell(Grown(nodes=(0,), index=1, how="code", text="Answer: 1", status="terminal", answer="1"))
    run, score = strategy.ask(history.live, 4)
    assert (run.op, run.nodes, run.how) == ("enrich", (1,), "run")
    assert (score.op, score.nodes) == ("evaluate", (2,))
    history.live.begin(run)
    history.live.begin(score)
    assert [call.op for call in strategy.ask(history.live, 4)] == ["generate"]
    history.tell(Enriched(node=1, text="a\n```output\n3\n```", how="run"))
    assert strategy.ask(history.live, 4) == [Call("evaluate", (1,))]


def test_a_step_whose_code_fails_is_neither_scored_nor_expanded() -> None:
    strategy = RStarMath(width=2, depth=4)
    history = started(strategy)
    wrong = grow(history, 0, None)
    right = grow(history, 0, 0.1)
    assert history.live.steps[wrong].status == "failed"
    assert {call.nodes for call in strategy.ask(history.live, 4)} == {(right,)}


def test_code_that_could_not_be_run_prunes_the_step() -> None:
    strategy = RStarMath(width=2)
    history = started(strategy)
    history.tell(Grown(nodes=(0,), index=0, how="code", text="a"))
    history.tell(Failed(of="enrich", nodes=(1,), how="run"))
    (call,) = strategy.ask(history.live, 4)
    assert (call.op, call.nodes) == ("prune", (1,))


def test_two_code_errors_in_a_row_end_a_branch() -> None:
    strategy = RStarMath(width=4, depth=4)
    history = started(strategy)
    for value in (0.9, 0.1, 0.1, 0.1):
        grow(history, 0, value)
    grow(history, 1, None)
    grow(history, 1, 0.9, answer="1")
    grow(history, 1, None)
    assert {call.nodes for call in strategy.ask(history.live, 4)} == {(1,)}
    grow(history, 1, None)
    history.live.versions.clear()  # failed for another reason than code
    assert not strategy._fails(history.live, 1)
    history = started(strategy)
    grow(history, 0, 0.9)
    for _ in range(3):
        grow(history, 0, 0.1)
    grow(history, 1, None)
    history.tell(Pruned(nodes=(grow(history, 1, None),)))  # said the same as the one before it
    assert {call.nodes for call in strategy.ask(history.live, 4)} == {(1,)}
    grow(history, 1, None)
    (call,) = strategy.ask(history.live, 4)
    assert (call.op, call.nodes, call.reason) == ("backtrack", (1, 0), "2 code errors in a row")
    apply_pure(history, [call])
    assert {call.nodes for call in strategy.ask(history.live, 4)} <= {(2,), (3,), (4,)}


def test_the_root_is_not_given_up() -> None:
    strategy = RStarMath(width=4)
    history = started(strategy)
    for _ in range(3):
        grow(history, 0, None)
    assert strategy.ask(history.live, 4) == [Call("generate", (0,), 3)]


def test_a_repeated_step_is_pruned_when_it_was_run() -> None:
    strategy = RStarMath(width=3)
    history = started(strategy)
    grow(history, 0, 0.5, text="same")
    history.tell(Grown(nodes=(0,), index=1, how="code", text="same"))
    (run,) = strategy.ask(history.live, 1)
    assert run == Call("enrich", (2,))
    history.live.begin(run)
    history.tell(Enriched(node=2, text=history.live.steps[1].text, how="run"))
    (prune,) = strategy.ask(history.live, 1)
    assert (prune.op, prune.nodes) == ("prune", (2,))


def test_selection_is_the_papers_formula() -> None:
    strategy = RStarMath(width=3, depth=4)
    history = started(strategy)
    for value in (0.5, 0.6, 0.1):
        grow(history, 0, value)
    for _ in range(3):
        grow(history, 2, 0.1)
    live = history.live
    scores = {
        child: live.value_sum[child] / live.visits[child] + 2 * math.sqrt(math.log(live.visits[0]) / live.visits[child])
        for child in (1, 2, 3)
    }
    assert strategy.best_child(live, 0) == max(scores, key=lambda child: scores[child]) == 1


def test_no_more_steps_than_its_expansions_hold() -> None:
    written = []
    for seed in range(20):
        live = drive(RStarMath(width=3, iterations=2, depth=9), Random(seed)).live
        failed = sum(count for (op, _), count in live.failures.items() if op == "generate")
        written.append(len(live) - 1 + failed)
    assert max(written) == 6


def with_errors(call: Call, structure: ReasoningStructure, random: Random) -> Event:
    if call.op == "enrich" and random.random() < 0.4:
        node = call.nodes[0]
        text = structure.steps[node].text
        return Enriched(node=node, index=call.index, how=call.how, text=text, status="failed", source="code")
    return any_outcome(call, structure, random)


@pytest.mark.parametrize("seed", range(60))
def test_it_ends_whatever_happens(seed: int) -> None:
    random = Random(seed)
    strategy = RStarMath(width=random.randint(1, 4), depth=random.randint(1, 5), iterations=random.randint(1, 9))
    history = drive(strategy, random, outcome=with_errors)
    live = history.live
    assert fold(history.events) == live
    for node, step in enumerate(live.steps):
        if step.status == "failed":
            assert not live.children[node]
        if node and step.status == "open" and live.evaluations[node]:
            assert node in live.versions


@pytest.mark.parametrize("seed", range(5))
def test_everything_that_ran_is_scored(seed: int) -> None:
    live = drive(RStarMath(width=3, depth=3, iterations=4), Random(seed), outcome=good_outcome).live
    assert not live.unscored
    assert not live.unbacked
    assert live.terminals
