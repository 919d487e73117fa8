"""Journey: a search, then its tree told as one long thought."""

from __future__ import annotations

from random import Random

import pytest
from tests.support.drive import drive, good_outcome

from reflectree.rlm_ops.strategies import MCTS, Beam, Journey, Strategy

SEARCHES = [MCTS(width=2, root_width=3, depth=3), Beam(n=4, m=2, rounds=4, finish=False)]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
@pytest.mark.parametrize("seed", range(15))
def test_the_search_ends_as_it_would_and_is_then_told(search: Strategy, seed: int) -> None:
    journey = Journey(search=search, failures=1)
    live = drive(journey, Random(seed), outcome=good_outcome).live
    found = live.best_terminal if live.best_terminal is not None else next(iter(live.terminals), None)
    if found is None:
        assert "restructure" not in live.ops
        return
    told = [node for node in range(len(live)) if live.ops[node] == "restructure"]
    assert told, "there is an answer, so there is a journey"
    assert live.parents[told[0]][0] in live.terminals
    assert live.steps[told[-1]].answer == live.steps[live.parents[told[0]][0]].answer
    assert live.hows[told[0]] == "journey:1"


@pytest.mark.parametrize("seed", range(15))
def test_whatever_happens_it_comes_to_an_end(seed: int) -> None:
    drive(Journey(search=SEARCHES[seed % 2], failures=seed % 3), Random(seed))
