from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import yaml
from tests.support.drive import drive, good_outcome, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import BackedUp, Evaluated, Failed, GrowingOp, Grown
from reflectree.rlm_ops.strategies.refinement import SelfRefine, first_answers


def draft(history: History, parent: int, value: float | None, text: str = "") -> int:
    """A draft, scored and backed up where a value is given."""
    node, live = len(history.live), history.live
    op: GrowingOp = "refine" if parent else "generate"
    index = live.next_index(op, (parent,))
    text = text or f"draft {node}"
    history.tell(Grown(op=op, nodes=(parent,), index=index, text=text, status="terminal", answer="4", after=0))
    if value is not None:
        history.tell(Evaluated(node=node, value=value))
        history.tell(BackedUp(node=node, value=value))
    return node


def test_a_chain_is_drafted_scored_and_rewritten_while_the_score_rises() -> None:
    strategy = SelfRefine(rounds=4, patience=1)
    history = started(strategy)
    assert strategy.ask(history.live, 4) == [Call("generate", (0,), 0)]
    draft(history, 0, None)
    assert strategy.ask(history.live, 4) == [Call("evaluate", (1,))]
    history.tell(Evaluated(node=1, value=0.2))
    assert strategy.ask(history.live, 4) == [Call("backpropagate", (1,))]
    history.tell(BackedUp(node=1, value=0.2))
    assert strategy.ask(history.live, 4) == [Call("refine", (1,))]
    draft(history, 1, 0.5)
    assert strategy.ask(history.live, 4) == [Call("refine", (2,))]
    draft(history, 2, 0.5)
    assert strategy.ask(history.live, 4) == [], "the second rewrite did not raise the score"
    assert SelfRefine(patience=2).ask(history.live, 4) == [Call("refine", (3,))]


def test_a_chain_ends_after_its_rounds() -> None:
    strategy = SelfRefine(rounds=2, patience=9)
    history = started(strategy)
    for parent in (0, 1, 2):
        draft(history, parent, 0.1 * (parent + 1))
    assert strategy.ask(history.live, 4) == []


def test_a_chain_ends_when_there_is_nothing_to_refine() -> None:
    strategy = SelfRefine()
    history = started(strategy)
    draft(history, 0, 0.4)
    history.tell(Failed(of="refine", nodes=(1,), reason="nothing to refine: self-critique finds nothing wrong"))
    assert strategy.ask(history.live, 4) == []
    assert strategy.stop(history.live) is None


def test_chains_run_side_by_side_within_the_slots() -> None:
    strategy = SelfRefine(n=3)
    history = started(strategy)
    assert strategy.ask(history.live, 2) == [Call("generate", (0,), 0), Call("generate", (0,), 1)]
    for value in (0.1, 0.2, 0.3):
        draft(history, 0, value)
    assert strategy.ask(history.live, 2) == [Call("refine", (1,)), Call("refine", (2,))]
    history.begin(Call("refine", (1,)))
    assert strategy.ask(history.live, 4) == [Call("refine", (2,)), Call("refine", (3,))]


def test_a_first_draft_that_repeats_another_is_pruned_and_made_up_for() -> None:
    strategy = SelfRefine(n=2)
    history = started(strategy)
    draft(history, 0, 0.5, "same")
    draft(history, 0, None, "same")
    (call,) = strategy.ask(history.live, 4)
    assert (call, call.reason) == (Call("prune", (2,)), "repeats a sibling")
    assert SelfRefine(n=2, distinct=False).ask(history.live, 4) == [Call("evaluate", (2,))]


def test_attempts_at_first_answers_are_bounded() -> None:
    history = started(SelfRefine(n=1))
    asked = 0
    while calls := first_answers(history.live, 1, 4):
        asked += len(calls)
        for call in calls:
            history.tell(Failed(of="generate", nodes=(0,), index=call.index))
    assert asked == 3


def test_a_certain_draft_ends_the_run() -> None:
    strategy = SelfRefine()
    history = started(strategy)
    draft(history, 0, 1.0)
    assert strategy.stop(history.live) == "confidence"


@pytest.mark.parametrize("strategy", [SelfRefine(), SelfRefine(n=4, rounds=3, patience=2), SelfRefine(n=2, rounds=0)])
def test_whatever_happens_it_asks_once_and_ends(strategy: SelfRefine) -> None:
    for seed in range(50):
        live = drive(strategy, Random(seed)).live
        for first in live.children[0]:
            assert len(strategy.drafts(live, first)) <= 1 + strategy.rounds
        assert live.attempts("generate", (0,)) <= strategy.n + 2
    live = drive(strategy, Random(1), outcome=good_outcome).live
    assert all(live.visits[node] for node in live.terminals)


def test_the_blueprint_is_the_paper_s() -> None:
    data = yaml.safe_load((Path(__file__).parents[3] / "graphs/blueprints/self-refine.yaml").read_text())
    assert data["scheme"]["strategy"].pop("name") == SelfRefine.name
    assert SelfRefine(**data["scheme"]["strategy"]) == SelfRefine(n=1, rounds=4)
    assert data["operators"]["refine"]["critique"] == "self"
