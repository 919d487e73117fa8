from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.statistics import Interval, paired_bootstrap, wilson_interval


def test_wilson_against_published_figures() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    for (successes, n), (low, high) in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        interval = wilson_interval(successes, n)
        assert [interval.low, interval.high] == pytest.approx([low, high], abs=5e-5)


def test_nothing_tried_is_nothing_known() -> None:
    assert wilson_interval(0, 0) == Interval(0.5, 0.0, 1.0)


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0.5, 0.99))
def test_a_wilson_interval_holds_its_estimate(a: int, b: int, confidence: float) -> None:
    interval = wilson_interval(min(a, b), max(a, b), confidence)
    assert 0.0 <= interval.low <= interval.estimate <= interval.high <= 1.0


@pytest.mark.parametrize(("successes", "n", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0), (1, 2, 0.0)])
def test_impossible_counts(successes: int, n: int, confidence: float) -> None:
    with pytest.raises(BadInput):
        wilson_interval(successes, n, confidence)


def test_a_paired_difference() -> None:
    first, second = [1.0] * 60 + [0.0] * 40, [1.0] * 40 + [0.0] * 60
    interval = paired_bootstrap(first, second)
    assert interval.estimate == pytest.approx(0.2)
    # 20 of 100 differ, so the standard error is sqrt(.2 * .8 / 100) = .04
    assert interval.low == pytest.approx(0.2 - 1.96 * 0.04, abs=0.015)
    assert interval.high == pytest.approx(0.2 + 1.96 * 0.04, abs=0.015)
    assert interval == paired_bootstrap(first, second)
    assert interval != paired_bootstrap(first, second, seed=1)


def test_pairing_removes_what_tasks_share() -> None:
    tasks = [0.0, 1.0] * 50
    assert paired_bootstrap(tasks, tasks) == Interval(0.0, 0.0, 0.0)


def test_large_sets_are_resampled_in_parts() -> None:
    n = 30_000
    interval = paired_bootstrap([1.0] * n, [0.0, 1.0] * (n // 2), resamples=200)
    assert interval.low < 0.5 < interval.high
    assert interval.high - interval.low < 0.03


def test_unpaired_scores_are_refused() -> None:
    for first, second in (([], []), ([1.0], [1.0, 0.0])):
        with pytest.raises(BadInput, match="same tasks"):
            paired_bootstrap(first, second)
    with pytest.raises(BadInput, match="resample"):
        paired_bootstrap([1.0], [0.0], resamples=0)
