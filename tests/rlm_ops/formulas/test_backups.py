from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.formulas import backups as f

VALUES, VISITS = [0.2, 0.8, 0.99], [3, 1, 0]
"""Two visited children, their mean being 0.35, and one of which nothing is known."""

shares = st.floats(0, 1)


def test_the_golden_numbers() -> None:
    assert f.x1_backup(0.7, [1, 3], [0.2, -0.1]) == pytest.approx(-0.024)
    assert f.berry_backup(0.5, 0.9) == pytest.approx(0.54)


def test_the_mean_of_the_children_counts_visits() -> None:
    assert f.child_mean(VALUES, VISITS) == pytest.approx(0.35)
    assert f.child_mean([], []) is None
    assert f.child_mean([1.0], [0]) is None


def test_rates_and_discounts() -> None:
    assert f.x1_backup(0.5, VISITS, VALUES, gamma=1.0, rate=0.5) == pytest.approx(0.425)
    assert f.td_backup(0.5, 0.8, reward=0.1, gamma=0.5, rate=0.2) == pytest.approx(0.5)
    assert f.td_backup(0.5, 0.8) == 0.8
    assert f.berry_backup(0.5, 0.8, gamma=1.0) == pytest.approx(0.8)
    assert f.mctsr_backup(0.5, 0.8) == pytest.approx(0.65)
    assert f.mixed_value(0.4, 0.8) == pytest.approx(0.6)
    assert f.mixed_value(0.4, 0.8, alpha=0.0) == 0.4


def test_x1_backup_without_visited_children_leaves_the_value() -> None:
    assert f.x1_backup(0.7, [], []) == 0.7
    assert f.x1_backup(0.7, [0, 0], [1.0, 1.0]) == 0.7


def test_children_and_their_visits_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="zip"):
        f.child_mean([0.1], [1, 2])


@given(shares, shares, shares)
def test_a_value_stays_between_those_it_is_made_of(own: float, child: float, share: float) -> None:
    low, high = min(own, child) - 1e-9, max(own, child) + 1e-9
    assert low <= f.berry_backup(own, child, share) <= high
    assert low <= f.mixed_value(own, child, share) <= high
    assert low <= f.mctsr_backup(own, child) <= high
    assert low <= f.td_backup(own, child, rate=share) <= high
    assert low <= f.x1_backup(own, [2], [child], 1.0, share) <= high
