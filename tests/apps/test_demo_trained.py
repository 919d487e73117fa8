"""The demo's second part, on the weights that ship."""

from __future__ import annotations

import pytest

from reflectree.apps.demo_trained import trained


@pytest.mark.slow
def test_search_and_ranked_samples_stand_beside_each_other_with_their_tokens() -> None:
    head, search, baseline, verdict = trained(3, seed=1)
    assert head.startswith("3 puzzles of four numbers")
    assert search.split()[0] == "countdown-beam"
    assert baseline.split()[0] == "countdown-best-of-n"
    assert "written tokens a puzzle" in search
    assert "[" in verdict
