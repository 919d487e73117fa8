from __future__ import annotations

from reflectree.agents.asking import Asking
from reflectree.graphs.questions import Questions
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Began, Grown
from reflectree.rlm_ops.settings import Enrich
from reflectree.rlm_ops.structure import ReasoningStructure, fold

CALLS = [Call("enrich", (node,)) for node in (1, 2)]


def structure() -> ReasoningStructure:
    steps = [Grown(nodes=(0,), index=node - 1, node=node, text=f"step {node}", seq=node) for node in (1, 2)]
    return fold([Began(question="What?", width=2, root_width=2, depth=2, seq=0), *steps])


def test_without_anybody_to_ask_no_call_is_kept_back() -> None:
    questions = Questions(None, structure(), Ledger(Budget()))
    assert not questions.take(CALLS[0])
    assert not questions.waiting
    assert questions.next() is None


def test_one_at_a_time_and_the_call_is_asked_for_again_after_the_reply() -> None:
    now = [0.0]
    tree, ledger = structure(), Ledger(Budget(seconds=100.0), clock=lambda: now[0])
    questions = Questions(Asking(Enrich(kind="human")), tree, ledger)
    assert not questions.take(Call("generate", (1,)))
    for call in CALLS:
        assert questions.take(call)
        tree.begin(call)
    first = questions.next()
    assert first is not None
    assert first.node == 1
    now[0] += 60.0
    questions.hear()
    assert ledger.elapsed == 0.0, "the clock stood"
    assert tree.calls_in_flight == 1, "the other call"
    second = questions.next()
    assert second is not None
    assert second.node == 2
    assert not questions.waiting


def test_once_the_search_is_over_nobody_is_asked() -> None:
    tree = structure()
    questions = Questions(Asking(Enrich(kind="human")), tree, Ledger(Budget()))
    assert questions.take(CALLS[0])
    tree.begin(CALLS[0])
    questions.withdraw()
    assert questions.next() is None
    assert tree.calls_in_flight == 0
