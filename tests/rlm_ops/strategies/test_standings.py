from __future__ import annotations

from random import Random

import pytest
from tests.support.event_strategies import History

from reflectree.rlm_ops.events import Evaluated, Grown
from reflectree.rlm_ops.formulas import (
    berry_backup,
    berry_value,
    ebc,
    global_quantile,
    local_preference,
    preference_matrix,
)
from reflectree.rlm_ops.strategies.standings import Standings

A, B, C, D = 1, 2, 3, 4


def solutions(parents: list[int]) -> History:
    history = History(99, 99, 99)
    for parent in parents:
        index = history.live.next_index("refine", (parent,))
        history.tell(Grown(op="refine", nodes=(parent,), index=index, text=f"all {len(history.live)}", after=0))
    return history


def prefer(history: History, a: int, b: int, chance: float) -> None:
    history.tell(Evaluated(node=a, against=b, value=chance))


def standings(history: History) -> Standings:
    made = Standings()
    made.update(history.live)
    return made


def test_the_golden_ring_has_a_total_order() -> None:
    history = solutions([0, 1, 1, 1])
    for a, b, chance in ((A, B, 0.9), (B, C, 0.8), (C, A, 0.6), (A, D, 0.95), (B, D, 0.95), (C, D, 0.95)):
        prefer(history, a, b, chance)
    assert standings(history).order().tolist() == [A, B, C, D]


@pytest.mark.parametrize("draws", [False, True])
def test_one_comparison_at_a_time_is_the_enhanced_borda_count_of_all(draws: bool) -> None:
    for seed in range(25):
        random = Random(seed)
        n = random.randrange(2, 90 if seed == 0 else 14)
        history, made = solutions([0]), Standings()
        for node in range(2, n + 1):
            parent = random.randrange(1, node)
            index = history.live.next_index("refine", (parent,))
            history.tell(Grown(op="refine", nodes=(parent,), index=index, text=str(node), after=0))
            for other in random.sample(range(1, node), min(node - 1, random.randrange(3))):
                prefer(history, node, other, random.choice([0.5, 0.25, 0.75]) if draws else random.uniform(0.01, 0.99))
            made.update(history.live)
            if random.random() < 0.3:
                made.order()
        live = history.live
        ids = sorted({node for pair in live.preferences for node in pair})
        matrix = preference_matrix(ids, live.preferences)
        ranking = ebc(matrix)
        assert made.order().tolist() == [ids[place] for place in ranking.order]
        assert made.order().tolist() == standings(history).order().tolist()
        _check_values(history, made, ids)


def _check_values(history: History, made: Standings, ids: list[int]) -> None:
    """The values are those of the formulas, one node at a time."""
    live = history.live
    matrix = preference_matrix(ids, live.preferences)
    ranks = ebc(matrix).ranks
    own = {}
    for place, node in enumerate(ids):
        parent = live.parents[node][0]
        near = [ids.index(other) for other in (*live.children[node], parent) if other in ids]
        own[node] = berry_value(global_quantile(ranks[place], len(ids)), local_preference(matrix, place, near), 0.9)
    values = made.values(0.9, 0.1)
    for node in reversed(ids):
        below = [child for child in live.children[node] if child in own]
        best = max((values[child] for child in below), default=None)
        expected = own[node] if best is None else berry_backup(own[node], best, 0.1)
        assert values[node] == pytest.approx(expected)


def test_values_by_hand() -> None:
    """Two solutions: the rewrite is the better one, with a chance of .8."""
    history = solutions([0, 1])
    assert standings(history).values(0.9, 0.1)[1:] == [0.5, 0.5]
    prefer(history, 2, 1, 0.8)
    rewrite = 0.9 * 1.0 + 0.1 * 0.8
    first = 0.9 * (0.9 * 0.0 + 0.1 * 0.2) + 0.1 * rewrite
    assert standings(history).values(0.9, 0.1)[1:] == pytest.approx([first, rewrite])


def test_the_golden_backup_and_mix() -> None:
    history = solutions([0, 1])
    made = standings(history)
    prefer(history, 2, 1, 0.8)
    made.update(history.live)
    assert made._back_up([0.0, 0.5, 0.9], 0.1)[1] == pytest.approx(0.54)
    assert berry_value(0.5, 0.8, 0.9) == pytest.approx(0.53)
