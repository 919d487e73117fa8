"""Prioritised replay against its formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.priorities import EPSILON, Priorities, beta_at


def test_probabilities_are_proportional_to_powered_errors() -> None:
    kept = Priorities("abc", alpha=0.6)
    kept.update([0, 1, 2], [1.0, -8.0, 0.0])
    sizes = np.array([1.0, 8.0, 0.0]) + EPSILON
    assert kept.probabilities == pytest.approx(sizes**0.6 / (sizes**0.6).sum())


def test_weights_undo_what_priorities_do() -> None:
    kept = Priorities("abcd", alpha=1.0, seed=1)
    kept.update(range(4), [1.0, 1.0, 1.0, 5.0])
    drawn = kept.draw(4000, beta=1.0)
    counts = np.bincount(drawn.places, minlength=4)
    assert counts == pytest.approx(4000 * kept.probabilities, abs=2)  # one from each equal part of the mass
    weighted = np.bincount(drawn.places, weights=drawn.weights, minlength=4)
    assert weighted == pytest.approx(weighted.mean(), rel=0.01)
    assert drawn.weights.max() == 1.0
    assert set(Priorities("ab").draw(8, beta=0.0).weights) == {1.0}


def test_weights_are_relative_to_the_largest_there_could_be() -> None:
    kept = Priorities("ab", alpha=1.0)
    kept.update([0, 1], [1.0, 3.0])
    drawn = kept.draw(100, beta=0.5)
    assert set(np.round(drawn.weights, 4)) == {1.0, round(3**-0.5, 4)}


def test_what_was_not_drawn_has_the_largest_priority() -> None:
    kept = Priorities("abc", alpha=1.0)
    kept.update([0], [4.0])
    assert kept.probabilities == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    kept.update([1], [2.0])
    assert kept.probabilities == pytest.approx([0.4, 0.2, 0.4], abs=1e-5)


def test_beta_anneals_to_one() -> None:
    assert [beta_at(step, 4) for step in range(4)] == pytest.approx([0.4, 0.6, 0.8, 1.0])
    assert beta_at(9, 4) == beta_at(0, 1) == 1.0


def test_draws_are_seeded() -> None:
    assert [*Priorities("abc", seed=3).draw(9).places] == [*Priorities("abc", seed=3).draw(9).places]


def test_priorities_outlive_the_process_and_new_samples(tmp_path: Path) -> None:
    first = Priorities(["a", "b", "c"], alpha=1.0)
    first.update([0, 2], [1.0, 3.0])
    first.save(tmp_path / "priorities.npz")
    later = Priorities(["new", "c", "a"], alpha=1.0)
    later.load(tmp_path / "priorities.npz")
    assert later.probabilities == pytest.approx([3 / 7, 3 / 7, 1 / 7], abs=1e-5)
    (tmp_path / "broken.npz").write_bytes(b"PK no")
    with pytest.raises(BadInput, match="remove the file"):
        later.load(tmp_path / "broken.npz")


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="generate data first"):
        Priorities([]).draw(1)
    with pytest.raises(BadInput, match="finite"):
        Priorities("ab").update([0], [float("nan")])
    with pytest.raises(BadInput, match="beta"):
        Priorities("ab").draw(1, beta=2.0)
    with pytest.raises(BadInput, match="alpha"):
        Priorities("ab", alpha=-1)
