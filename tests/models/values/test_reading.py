from __future__ import annotations

import math
from typing import Any

import pytest

from reflectree.models.scoring.items import Item
from reflectree.models.values.reading import NoScore, parsed, rows, score, scored
from reflectree.models.wire import Malformed


@pytest.mark.parametrize("said", [math.nan, math.inf, -math.inf, None, "0.5", True, [], 1.01, -0.01])
def test_what_is_no_score_is_refused(said: Any) -> None:
    with pytest.raises(NoScore):
        score(said)


def test_only_rounding_is_clipped() -> None:
    assert [score(1 + 1e-7), score(-1e-7), score(0), score(1)] == [1.0, 0.0, 0.0, 1.0]


def test_there_is_one_score_a_step() -> None:
    item = Item("Q?", ("a", "b"))
    assert scored(item, [0.1, 0.2], per_step=True).value == 0.2
    assert scored(item, [0.1, 0.2], value=0.1, per_step=True).value == 0.1
    assert scored(item, [0.7], per_step=False).steps == (0.7,)
    assert scored(Item("Q?"), [], value=0.4, per_step=True).value == 0.4
    for given in ([], [0.1], [0.1, 0.2, 0.3]):
        with pytest.raises(NoScore, match="for 2 steps"):
            scored(item, given, value=0.5, per_step=True)
    with pytest.raises(NoScore, match="no score"):
        scored(item, [], per_step=False)


def test_bodies_that_are_none() -> None:
    with pytest.raises(Malformed, match="not JSON"):
        parsed(b'{"a', "there")
    with pytest.raises(Malformed, match="1 scores for 2 items"):
        rows([1], [Item("a"), Item("b")], "there")
    with pytest.raises(Malformed, match="no list"):
        rows({}, [], "there")
