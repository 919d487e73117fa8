from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.formulas import backups as f

VALUES, VISITS = [0.2, 0.8, 0.99], [3, 1, 0]
"""Two visited children, their mean being 0.35, and one of which nothing is known."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", (0.5 * 2 + 0.35 * 4) / 6),
        ("max", 0.8),
        ("x1", 0.96 * 0.35),
        ("rest-mcts", 0.35),
        ("berry", 0.9 * 0.5 + 0.1 * 0.8),
        ("mctsr", 0.65),
        ("td", 0.96 * 0.8),
    ],
)
def test_every_rule(name: str, value: float) -> None:
    assert f.BACKUPS[name](0.5, 2, VALUES, VISITS) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", 0.35),
        ("max", 0.8),
        ("x1", 0.96 * 0.35),
        ("rest-mcts", 0.35),
        ("berry", 0.8),
        ("mctsr", 0.8),
        ("td", 0.96 * 0.8),
    ],
)
def test_a_node_without_an_own_value_takes_its_children_s(name: str, value: float) -> None:
    assert f.BACKUPS[name](None, 0, VALUES, VISITS) == pytest.approx(value)


@pytest.mark.parametrize("name", f.BACKUPS)
def test_without_visited_children_the_own_value_stays(name: str) -> None:
    assert f.BACKUPS[name](0.7, 1, [], []) == 0.7
    assert f.BACKUPS[name](0.7, 1, [1.0, 1.0], [0, 0]) == 0.7
    assert f.BACKUPS[name](None, 0, [], []) is None


def test_rates_and_discounts() -> None:
    assert f.x1_rule(0.5, 1, VALUES, VISITS, gamma=1.0, rate=0.5) == pytest.approx(0.425)
    assert f.td_rule(0.5, 1, VALUES, VISITS, gamma=1.0, rate=0.5) == pytest.approx(0.65)
    assert f.td_backup(0.5, 0.8, reward=0.1, gamma=0.5, rate=0.2) == pytest.approx(0.5)
    assert f.berry_rule(0.5, 1, VALUES, VISITS, gamma=1.0) == pytest.approx(0.8)


def test_x1_backup_without_visited_children() -> None:
    assert f.x1_backup(0.7, [], []) == 0.7
    assert f.x1_backup(0.7, [0, 0], [1.0, 1.0]) == 0.7
    assert f.x1_backup(0.5, [1], [1.0], gamma=1.0, rate=0.5) == 0.75


def test_children_and_their_visits_come_in_pairs() -> None:
    for rule in f.BACKUPS.values():
        with pytest.raises(ValueError, match="zip"):
            rule(0.5, 1, [0.1], [1, 2])


@given(
    st.sampled_from(sorted(f.BACKUPS)),
    st.none() | st.floats(0, 1),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9)), max_size=5),
)
def test_values_stay_in_the_unit_interval_whatever_the_order(
    name: str, own: float | None, children: list[tuple[float, int]]
) -> None:
    rule, count = f.BACKUPS[name], 0 if own is None else 1
    value = rule(own, count, [v for v, _ in children], [n for _, n in children])
    other = rule(own, count, [v for v, _ in children[::-1]], [n for _, n in children[::-1]])
    if value is None:
        assert own is None
        assert other is None
    else:
        assert -1e-9 <= value <= 1.0 + 1e-9
        assert other == pytest.approx(value)
