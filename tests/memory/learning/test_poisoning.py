"""50 planted, plausible records lose their influence within 100 runs: the figure of docs/memory.md."""

from __future__ import annotations

import pytest
from tests.memory.learning.poisoning import simulate


def test_a_poisoned_memory_recovers_and_a_naive_one_does_not() -> None:
    ours, naive = simulate(1), simulate(1, naive=True)
    assert naive.share(80, 100) == 1.0
    assert ours.share(80, 100) <= 0.15
    assert ours.success(50, 100) >= 0.6 > 0.3 >= naive.success(50, 100)
    assert ours.good_quarantined <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("cold", "least", "most"), [(False, 0.65, 0.05), (True, 0.55, 0.2)])
def test_over_seeds(cold: bool, least: float, most: float) -> None:
    curves = [simulate(seed, cold=cold) for seed in range(10)]
    late = sum(curve.share(80, 100) for curve in curves) / 10
    early = sum(curve.share(0, 20) for curve in curves) / 10
    assert late <= most
    assert early <= (0.4 if cold else 0.15)
    assert sum(curve.success(80, 100) for curve in curves) / 10 >= least
    assert sum(curve.good_quarantined for curve in curves) / 10 <= 1.0


def test_it_is_the_same_every_time() -> None:
    assert simulate(3, runs=25) == simulate(3, runs=25)
