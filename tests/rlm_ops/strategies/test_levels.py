from __future__ import annotations

from random import Random

import pytest
from tests.support.lettered import Play, World

from reflectree.rlm_ops.strategies.base import Strategy
from reflectree.rlm_ops.strategies.beam import DVTS, Beam
from reflectree.rlm_ops.strategies.depth_first import TreeOfThoughtsDFS
from reflectree.rlm_ops.strategies.groups import Shape
from reflectree.rlm_ops.strategies.levels import LevelSearch
from reflectree.rlm_ops.strategies.tree_of_thoughts import TreeOfThoughtsBFS
from reflectree.rlm_ops.structure import ReasoningStructure, fold

SEARCHES = [
    Beam(n=8, m=2, rounds=5, lookahead=2, reduce="min"),
    Beam(n=8, m=4, rounds=6, shrink=True),
    Beam(n=6, m=3, rounds=4, finished="aside", distinct=False, finish=False, refill=False),
    Beam(n=8, m=2, rounds=6, select="stochastic"),
    DVTS(n=6, m=3, rounds=5),
    DVTS(n=8, m=2, rounds=4, lookahead=1, reduce="mean"),
    TreeOfThoughtsBFS(n_generate=3, n_select=2, depth=4, evaluate="vote"),
    TreeOfThoughtsBFS(n_generate=3, n_select=2, depth=4, select="sample"),
    TreeOfThoughtsDFS(n_generate=3, depth=4, most_nodes=60),
    TreeOfThoughtsDFS(n_generate=2, root_width=4, depth=3, threshold=None, most_nodes=12, evaluate="vote"),
]


def any_value(said: str) -> float:
    return Random(said).random() * 0.98


def again(play: Play) -> ReasoningStructure:
    """The structure as another process would have it: folded from the trace, nothing kept from before."""
    structure = fold(play.history.events)
    for call in play.history.flying:
        structure.begin(call)
    structure.begun = play.live.begun
    return structure


@pytest.mark.parametrize("strategy", SEARCHES, ids=repr)
def test_a_structure_that_was_folded_again_is_searched_on_alike(strategy: Strategy) -> None:
    """Everything a search keeps for itself can be derived from the structure."""
    world = World(any_value, answers=("ab", "ba", "c"), failing=("bb",), unjudged=("aa",), same={"ac": "b"})
    play = Play(strategy, world, slots=5, order=Random(5))
    play.ask()
    while play.history.flying:
        play.land()
        for slots in (0, 9):
            assert strategy.ask(again(play), slots) == strategy.ask(play.live, slots)
        play.ask()


@pytest.mark.parametrize("strategy", SEARCHES, ids=repr)
def test_a_call_that_was_taken_back_is_asked_for_again(strategy: Strategy) -> None:
    """The budget may refuse a call; none is lost, and the same nodes come in the end."""
    world = World(any_value, answers=("ab", "ba"))
    plain = Play(strategy, world, slots=6).run()
    random = Random(3)
    play = Play(strategy, world, slots=6)
    play.ask()
    while play.history.flying:
        refused = play.history.flying.pop(random.randrange(len(play.history.flying)))
        play.live.cancel(refused)
        play.ask()
        play.land()
        play.ask()
    if getattr(strategy, "select", "") not in ("stochastic", "sample"):  # their draws depend on the calls begun
        assert play.words("open", "terminal") == plain.words("open", "terminal")
    assert not play.live.calls_in_flight


def test_a_shape_says_how_many_children_a_node_may_have() -> None:
    assert Shape(keep=4, first=16, width=4, depth=9).most_children == 4
    assert Shape(keep=4, first=16, width=4, depth=9, last=6, refill=True).most_children == 24
    assert Shape(keep=1, first=4, width=4, depth=9, lookahead=3).most_children == 5


def test_two_searches_of_one_shape_share_nothing() -> None:
    shape = Shape(keep=1, first=2, width=2, depth=2)
    one, other = LevelSearch(shape, "one"), LevelSearch(shape, "other")
    one.groups[0].levels[1] = [1]
    assert other.groups[0].nodes == []
