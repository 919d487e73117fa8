from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import BackedUp, Evaluated, Grown
from reflectree.rlm_ops.operators.select import NEUTRAL, SELECTORS, sample, select, worth


def grown(*values: float | None, priors: tuple[float, ...] = ()) -> History:
    """Children of the root, scored and backed up where a value is given."""
    history = History(9, 9, 3)
    for index, value in enumerate(values):
        prior = priors[index] if priors else None
        history.tell(Grown(nodes=(0,), index=index, text=f"step {index}", prior=prior))
        if value is not None:
            history.tell(Evaluated(node=index + 1, value=value))
            history.tell(BackedUp(node=index + 1, value=value))
    return history


def firsts(history: History, by: str, draws: int = 300) -> Counter[int]:
    live, random = history.live, Random(7)
    return Counter(select(live, range(1, len(live)), 1, random, by)[0] for _ in range(draws))


@pytest.mark.parametrize("by", SELECTORS)
def test_every_selector_gives_distinct_nodes_and_never_more_than_there_are(by: str) -> None:
    live = grown(0.2, None, 0.9, 0.0).live
    for k in range(7):
        chosen = select(live, [4, 2, 3, 1], k, Random(k), by)
        assert len(chosen) == len(set(chosen)) == min(k, 4)
    assert select(live, [], 3, Random(0), by) == []


@pytest.mark.parametrize("by", SELECTORS)
def test_the_order_in_which_nodes_are_given_does_not_matter(by: str) -> None:
    live = grown(0.2, 0.4, 0.9, 0.0).live
    assert select(live, [1, 2, 3, 4], 3, Random(1), by) == select(live, [3, 1, 4, 2], 3, Random(1), by)


def test_top_k_takes_the_best_and_the_older_of_equals() -> None:
    assert select(grown(0.2, 0.9, 0.4, 0.9).live, [4, 3, 2, 1], 3, Random(0)) == [2, 4, 3]


def test_the_worth_of_a_node_is_the_nearest_thing_known() -> None:
    history = grown(0.8)
    history.tell(Grown(nodes=(1,), text="below"))
    live = history.live
    assert worth(live, 2) == pytest.approx(0.8)
    history.tell(Evaluated(node=2, value=0.1))
    assert worth(live, 2) == pytest.approx(0.1)
    history.tell(BackedUp(node=2, value=0.1))
    assert worth(live, 1) == pytest.approx(0.45)
    assert worth(grown(None).live, 1) == NEUTRAL


def test_uct_counts_calls_in_flight_and_tries_the_unvisited_first() -> None:
    history = grown(0.5, 0.5, None)
    live = history.live
    assert select(live, [1, 2, 3], 3, Random(0), "uct") == [3, 1, 2]
    history.begin(Call("generate", (1,), 0))
    assert select(live, [1, 2], 1, Random(0), "uct") == [2]


def test_uct_is_the_formula() -> None:
    history = grown(0.9, 0.2)
    for index in range(6):
        history.tell(Evaluated(node=1, index=index + 1, value=0.5))
        history.tell(BackedUp(node=1, value=0.5))
    live = history.live
    explored = {node: worth(live, node) + math.sqrt(2 * math.log(8) / live.visits[node]) for node in (1, 2)}
    assert select(live, [1, 2], 1, Random(0), "uct") == [max(explored, key=lambda node: explored[node])] == [2]


def test_puct_follows_priors() -> None:
    assert select(grown(0.5, 0.5, priors=(0.1, 0.8)).live, [1, 2], 1, Random(0), "puct") == [2]
    assert select(grown(0.5, 0.6).live, [1, 2], 1, Random(0), "puct") == [2]
    assert select(grown(0.5).live, [0, 1], 2, Random(0), "puct") == [0, 1]


def test_chance_prefers_what_is_worth_more() -> None:
    history = grown(0.8, 0.2, 0.0)
    drawn = firsts(history, "proportional")
    assert set(drawn) == {1, 2}
    assert 210 <= drawn[1] <= 270
    greedy = firsts(history, "epsilon-greedy")
    assert greedy[1] > 255
    assert set(greedy) == {1, 2, 3}
    believed = firsts(grown(0.9, 0.1), "thompson")
    assert believed[1] > 180
    assert believed[2] > 5


def test_thompson_knows_a_node_by_its_own_value_before_anything_was_backed_up() -> None:
    history = grown(None, None)
    for index in range(20):
        history.tell(Evaluated(node=1, index=index, value=1.0))
        history.tell(Evaluated(node=2, index=index, value=0.0))
    assert firsts(history, "thompson", 50) == Counter({1: 50})


def test_sample_draws_by_any_score() -> None:
    assert sample([3, 1, 2], 2, Random(0), lambda node: float(node), temperature=0.0) == [3, 2]


def test_an_unknown_selector_is_one_line() -> None:
    with pytest.raises(BadInput, match="unknown selector 'best': use one of uct, puct"):
        select(grown(0.5).live, [1], 1, Random(0), "best")
