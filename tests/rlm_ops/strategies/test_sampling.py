from __future__ import annotations

import pytest
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Failed, Grown, Pruned
from reflectree.rlm_ops.strategies import BestOfN, ChainOfThought, SelfConsistency, Strategy
from reflectree.rlm_ops.strategies.base import new_samples


def samples(*indices: int) -> list[Call]:
    return [Call("generate", (0,), index) for index in indices]


def begun(strategy: Strategy) -> History:
    limits = strategy.limits()
    return History(limits.width, limits.root_width, limits.depth)


def test_chain_of_thought_asks_once() -> None:
    strategy = ChainOfThought()
    history = begun(strategy)
    assert strategy.ask(history.live, 0) == []
    assert strategy.ask(history.live, 8) == samples(0)
    history.begin(samples(0)[0])
    assert strategy.ask(history.live, 8) == []
    history.tell(Failed(of="generate", nodes=(0,)))
    assert strategy.ask(history.live, 8) == []


def test_self_consistency_asks_for_n_and_no_more() -> None:
    strategy = SelfConsistency(n=5)
    history = begun(strategy)
    assert strategy.ask(history.live, 3) == samples(0, 1, 2)
    for call in samples(0, 1, 2):
        history.begin(call)
    assert strategy.ask(history.live, 8) == samples(3, 4)
    history.live.cancel(samples(1)[0])
    assert strategy.ask(history.live, 8) == samples(1, 3, 4)
    assert strategy.stop(history.live) is None


def test_without_n_the_budget_is_the_end() -> None:
    strategy = SelfConsistency(n=None)
    assert len(strategy.ask(begun(strategy).live, 1000)) == 1000


def test_best_of_n_scores_answers_before_it_samples_on() -> None:
    strategy = BestOfN(n=4, confidence=0.9)
    history = begun(strategy)
    history.tell(Grown(nodes=(0,), text="no answer"))
    history.tell(Grown(nodes=(0,), index=1, text="Answer: 1", answer="1", status="terminal"))
    assert strategy.ask(history.live, 8) == [Call("evaluate", (2,))]
    history.begin(Call("evaluate", (2,)))
    assert strategy.ask(history.live, 8) == samples(2, 3)
    history.tell(Evaluated(node=2, value=0.8))
    assert strategy.stop(history.live) is None
    history.tell(Evaluated(node=2, index=1, value=1.0))
    assert strategy.stop(history.live) == "confidence"
    history.tell(Pruned(nodes=(2,)))
    assert strategy.stop(history.live) is None


def test_confidence_may_be_switched_off() -> None:
    strategy = BestOfN(confidence=None)
    history = begun(strategy)
    history.tell(Grown(nodes=(0,), text="Answer: 1", answer="1", status="terminal"))
    history.tell(Evaluated(node=1, value=1.0))
    assert strategy.stop(history.live) is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_new_samples_take_the_lowest_free_indices(count: int) -> None:
    history = History(9, 9, 1)
    for call in samples(0, 2):
        history.begin(call)
    assert new_samples(history.live, 0, count) == samples(1, 3, 4)[:count]


@pytest.mark.parametrize("parameters", [{"n": 0}, {"n": 1.5}, {"confidence": 0}, {"confidence": 1.1}, {"m": 3}])
def test_parameters_are_checked(parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        BestOfN.model_validate(parameters)
