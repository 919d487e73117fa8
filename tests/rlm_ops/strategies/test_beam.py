from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from tests.support.drive import drive, good_outcome
from tests.support.lettered import Play, World

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits
from reflectree.rlm_ops.strategies.beam import DVTS, Beam

VALUES = {"a": 0.2, "b": 0.9, "c": 0.6, "d": 0.1, "ba": 0.3, "bb": 0.4, "ca": 0.8, "cb": 0.5}


def small(**changes: Any) -> Beam:
    return Beam(**{"n": 4, "m": 2, "rounds": 3, **changes})


def any_value(said: str) -> float:
    """A value a word, all different."""
    return Random(said).random() * 0.98


def test_two_rounds_call_by_call() -> None:
    play = Play(small(), World(VALUES))
    play.ask()
    assert play.log == ["generate -"] * 4
    play.land(4)
    play.ask()
    assert play.log[4:] == ["evaluate a", "evaluate b", "evaluate c", "evaluate d"]
    play.land(4)
    play.ask()
    assert play.log[8:] == ["prune a d", "generate b", "generate b", "generate c", "generate c"]
    assert play.reasons == ["not among the best 2 of 4"]
    play.land(4)
    play.ask()
    play.land(4)
    play.ask()
    assert play.log[13:] == [
        *("evaluate ba", "evaluate bb", "evaluate ca", "evaluate cb", "prune bb ba"),
        *("generate ca whole", "generate ca whole", "generate cb whole", "generate cb whole"),
    ]
    play.run()
    assert play.words("terminal") == {"caa", "cab", "cba", "cbb"}
    assert play.asked("evaluate")[-4:] == ["caa", "cab", "cba", "cbb"]


def test_a_step_is_scored_while_others_are_still_written_and_no_round_begins_early() -> None:
    play = Play(small(), World(VALUES))
    play.ask()
    play.land(3)
    play.ask()
    assert play.log[4:] == ["evaluate a", "evaluate b", "evaluate c"]
    play.land(1)  # the fourth sample
    play.ask()
    play.land(3)
    play.ask()
    assert play.log[7:] == ["evaluate d"]  # all but one are scored: the next round waits for it
    play.land(1)
    play.ask()
    assert play.log[8:] == ["prune a d", "generate b", "generate b", "generate c", "generate c"]


def test_slots_are_all_used_inside_a_round() -> None:
    play = Play(small(n=8), World(VALUES), slots=3)
    play.ask()
    assert len(play.history.flying) == 3
    for _ in range(6):
        play.land()
        play.ask()
        assert len(play.history.flying) == 3


@pytest.mark.parametrize(
    ("reduce", "kept"),
    [("last", {"ca", "cb"}), ("min", {"ca", "cb"}), ("mean", {"ca", "bb"}), ("prod", {"ca", "bb"})],
)
def test_beams_are_compared_by_the_value_of_their_path(reduce: str, kept: set[str]) -> None:
    """Steps .9 and .4 have mean .65 and product .36; .6 and .5 have .55 and .3, but the higher last and lowest."""
    play = Play(small(reduce=reduce), World(VALUES)).run()
    assert {line.split()[0] for line in play.asked("generate") if line.endswith("whole")} == kept


def test_a_finished_beam_takes_a_place_among_the_kept() -> None:
    play = Play(small(), World(VALUES, answers=("b",))).run()
    # b is the best and finished: one place is left, and c gets its samples
    assert play.asked("prune") == ["a d", "cb"]
    assert play.asked("generate") == [*["-"] * 4, "c", "c", "ca whole", "ca whole"]


def test_a_finished_beam_gives_its_place_back_to_a_better_one() -> None:
    values = {**VALUES, "b": 0.62, "ca": 0.8, "cb": 0.7}
    play = Play(small(), World(values, answers=("b",))).run()
    assert {"ca whole", "cb whole"} <= set(play.asked("generate"))
    shrunk = Play(small(shrink=True), World(values, answers=("b",))).run()
    assert {line for line in shrunk.asked("generate") if "whole" in line} == {"ca whole"}


def test_the_search_ends_when_finished_beams_hold_all_places() -> None:
    play = Play(small(), World(VALUES, answers=("b", "c"))).run()
    assert play.asked("generate") == ["-"] * 4
    assert play.reasons == ["not among the best 0 of 2"]
    aside = Play(small(finished="aside"), World(VALUES, answers=("b", "c"))).run()
    assert aside.asked("generate")[4:8] == ["a", "a", "d", "d"]


def test_finished_beams_of_this_round_only_may_compete() -> None:
    values = {**VALUES, "b": 0.95}
    every = Play(small(n=2, m=2, root_width=4), World(values, answers=("c",))).run()
    level = Play(small(n=2, m=2, root_width=4, finished="level"), World({**values, "c": 0.85}, answers=("c",))).run()
    assert every.asked("generate")[4:6] == ["b", "b"]
    assert every.asked("generate")[6:] == []  # c, finished at .6, beats bb at .4
    assert level.asked("generate")[6:] == ["bb whole", "bb whole"]


def test_a_duplicate_is_pruned_unscored_and_its_samples_go_to_the_others() -> None:
    world = World(VALUES, same={"c": "b", "d": "b"})
    play = Play(small(keep=3), world).run()
    assert play.asked("prune")[:2] == ["b", "b"]
    assert play.reasons[:2] == ["says the same as node 2", "says the same as node 2"]
    assert Counter(play.asked("generate")[4:10]) == {"b": 3, "a": 3}
    assert play.asked("evaluate")[:2] == ["a", "b"]
    bare = Play(small(keep=3, refill=False), world).run()
    assert Counter(bare.asked("generate")[4:8]) == {"b": 2, "a": 2}
    twice = Play(small(distinct=False), world).run()
    assert twice.asked("prune")[0] == "b a"


def test_failures_cost_their_place_and_nothing_else() -> None:
    world = World(VALUES, failing=("b", "ca", "cb"), unjudged=("d",))
    play = Play(small(), world).run()
    assert Counter(play.asked("generate")) == {"-": 4, "c": 2, "a": 2, "aa whole": 2, "ab whole": 2}
    assert Play(small(), World({}, failing=("a", "b", "c", "d"))).run().asked("generate") == ["-"] * 4


def test_the_first_and_the_last_level_may_be_wider() -> None:
    play = Play(small(root_width=6, last_width=3), World(any_value)).run()
    counts = Counter(play.asked("generate"))
    assert counts.pop("-") == 6
    assert sorted(counts.values()) == [2, 2, 3, 3]


def test_a_step_is_scored_at_the_end_of_its_lookahead() -> None:
    values = {"aaa": 0.9, "baa": 0.1, "ba": 0.95, "b": 0.95}
    play = Play(Beam(n=2, m=2, rounds=4, lookahead=2), World(values)).run()
    assert play.log[:11] == [
        *("generate -", "generate -", "generate a lookahead", "generate b lookahead"),
        *("generate aa lookahead", "generate ba lookahead", "evaluate aaa", "evaluate baa"),
        *("prune b aaa aa baa ba", "generate a", "generate a"),
    ]
    # the look-ahead was call 0 of node a, so its own steps are calls 1 and 2
    assert play.live.attempts("generate", (1,)) == 3
    assert play.words("terminal")
    assert play.asked("generate")[-1].endswith("whole")


def test_an_answer_met_while_looking_ahead_is_an_answer_and_takes_no_place() -> None:
    play = Play(Beam(n=2, m=2, rounds=3, lookahead=1), World({"aa": 0.9, "ba": 0.2}, answers=("aa",))).run()
    assert "aa" in play.words("terminal")
    assert play.asked("generate")[4:6] == ["a", "a"]


def test_a_failed_lookahead_ends_where_it_is() -> None:
    play = Play(Beam(n=2, m=2, rounds=3, lookahead=2), World({"a": 0.9}, failing=("aa",), unjudged=("baa",)))
    play.run()
    assert play.asked("evaluate")[:2] == ["a", "baa"]
    assert play.asked("generate")[5:7] == ["a", "a"]


def test_stochastic_beams_differ_by_seed_and_keep_the_best_at_temperature_0() -> None:
    def kept(seed: int, temperature: float) -> frozenset[str]:
        play = Play(small(n=8, select="stochastic", temperature=temperature), World(VALUES))
        began = play.live.began
        assert began is not None
        object.__setattr__(began, "seed", seed)
        play.run()
        return frozenset(line for line in play.asked("generate") if len(line) == 1 and line != "-")

    drawn = {kept(seed, 1.0) for seed in range(20)}
    assert len(drawn) > 5
    assert all(len(beams) == 4 for beams in drawn)
    assert {kept(seed, 0.0) for seed in range(5)} == {kept(0, 0.0)}
    assert {"b", "c"} <= kept(0, 0.0)


def test_dvts_is_greedy_in_each_subtree() -> None:
    values = {"a": 0.2, "b": 0.9, "c": 0.6, "d": 0.1, "ba": 0.3, "bb": 0.4, "ca": 0.5, "cb": 0.8}
    play = Play(DVTS(n=4, m=2, rounds=3), World(values)).run()
    assert play.asked("generate")[:4] == ["- subtree-0", "- subtree-0", "- subtree-1", "- subtree-1"]
    assert play.asked("prune") == ["a", "d", "ba", "ca"]
    # both subtrees go on, though bb is worse than ca, which does not
    assert play.words("terminal") == {"bba", "bbb", "cba", "cbb"}


def test_the_subtrees_of_dvts_do_not_wait_for_each_other() -> None:
    play = Play(DVTS(n=4, m=2, rounds=3), World(VALUES))
    play.ask()
    play.land(2)
    play.ask()
    play.history.flying.sort(key=lambda call: call.op == "generate")
    play.land(2)
    play.ask()
    assert play.asked("generate")[4:] == ["b", "b"]
    assert sum(call.nodes == (0,) for call in play.history.flying) == 2


def test_a_subtree_of_dvts_ends_with_its_answer() -> None:
    play = Play(DVTS(n=4, m=2, rounds=3), World(VALUES, answers=("b",))).run()
    assert play.words("terminal") == {"b", "caa", "cab"}
    assert Play(DVTS(n=4, m=2, rounds=1), World(VALUES)).run().words("terminal") == {"a", "b", "c", "d"}


STRATEGIES = [
    small(),
    small(n=8, rounds=5, lookahead=2, reduce="min"),
    small(n=8, m=4, shrink=True, rounds=6),
    small(n=6, m=3, finished="aside", distinct=False, finish=False, refill=False),
    small(n=8, select="stochastic", rounds=6),
    DVTS(n=6, m=3, rounds=5),
    DVTS(n=8, m=2, rounds=4, lookahead=1, reduce="mean"),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_whatever_happens_it_ends(strategy: Beam | DVTS) -> None:
    for seed in range(50):
        history = drive(strategy, Random(seed))
        depths = history.live.depth
        assert max(depths) <= strategy.rounds


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if not isinstance(s, Beam) or s.select == "top"], ids=repr)
def test_the_order_of_arrival_does_not_matter(strategy: Beam | DVTS) -> None:
    world = World(any_value, answers=("ab", "ba", "c", "dab"), failing=("bb", "aa"), unjudged=("ca",))
    outcomes = set()
    for seed in range(8):
        play = Play(strategy, world, slots=1 + seed, order=Random(seed)).run()
        outcomes.add(
            (frozenset(play.words("terminal")), frozenset(play.words("pruned")), frozenset(play.words("open")))
        )
    assert len(outcomes) == 1


def test_a_cancelled_call_is_asked_for_again() -> None:
    play = Play(small(), World(VALUES))
    play.ask()
    refused = play.history.flying.pop()
    play.live.cancel(refused)
    assert play.strategy.ask(play.live, 9) == [refused]
    assert play.strategy.ask(play.live, 0) == []


def test_what_it_needs_is_said() -> None:
    assert list(small().variants()) == [("generate", "whole")]
    assert list(small(finish=False, lookahead=1).variants()) == [("generate", "lookahead")]
    assert small(n=8, m=2).limits() == Limits(8, 8, 3)
    assert small(shrink=True, last_width=5, lookahead=1).limits() == Limits(6, 4, 3)
    assert DVTS(n=8, m=2, rounds=7).limits() == Limits(2, 8, 7)
    with pytest.raises(ValueError, match="multiple of m"):
        Beam(n=5, m=2)


def test_confidence_ends_it() -> None:
    play = Play(small(confidence=0.8), World(VALUES, answers=("b",)))
    play.run()
    assert play.strategy.stop(play.live) == "confidence"


def test_beams_come_from_good_play() -> None:
    history = drive(Beam(n=16, m=4, rounds=8), Random(1), outcome=good_outcome, slots=lambda random: 8)
    assert history.live.terminals
    assert Call("generate", (0,), 15) not in history.flying
