from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.support.drive import PAID, any_outcome, drive, good_outcome, started
from tests.support.event_strategies import History

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.step import Status
from reflectree.rlm_ops.strategies.adaptive import Adaptive
from reflectree.rlm_ops.strategies.spending import spent_by_stage
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.usage import NO_USAGE, Usage


class Play:
    """A run by hand: answers are given to the calls the strategy asks for."""

    def __init__(self, evaluator: str = "", **parameters: Any) -> None:
        self.strategy = Adaptive.model_validate({"probe": 3, **parameters})
        self.history: History = started(self.strategy)
        began = self.live.began
        assert began is not None
        self.live.began = replace(began, evaluator=evaluator)

    @property
    def live(self) -> ReasoningStructure:
        return self.history.live

    def ask(self, slots: int = 32) -> list[tuple[str, int]]:
        """What is asked for, begun at once: variants (or operators) and indices."""
        calls = self.strategy.ask(self.live, slots)
        for call in calls:
            self.history.begin(call)
        return [(call.how or call.op, call.index) for call in calls]

    def land(self, *answers: str | None) -> None:
        """The oldest calls in flight come to these answers; `None` is a failure, "" no answer."""
        for answer in answers:
            call = self.history.flying.pop(0)
            self.history.tell(_outcome(call, answer))

    def score(self, *values: float) -> None:
        """The oldest evaluations in flight come to these values."""
        for value in values:
            call = self.history.flying.pop(0)
            assert call.op == "evaluate"
            aside = call.how == "difficulty"
            self.history.tell(Evaluated(node=call.nodes[0], value=value, how=call.how, aside=aside, usage=NO_USAGE))

    def stop(self) -> str | None:
        return self.strategy.stop(self.live)


def _outcome(call: Call, answer: str | None) -> Event:
    if answer is None:
        return Failed(of="generate", nodes=call.nodes, index=call.index, how=call.how, usage=PAID)
    status: Status = "terminal" if answer else "open"
    return Grown(
        nodes=call.nodes,
        index=call.index,
        how=call.how,
        text=f"Answer: {answer}",
        status=status,
        answer=answer or None,
        usage=PAID,
    )


def whole(*indices: int) -> list[tuple[str, int]]:
    return [("whole", index) for index in indices]


def test_an_easy_question_is_settled_by_four_equal_answers() -> None:
    play = Play()
    assert play.ask(slots=2) == whole(0, 1)
    assert play.ask() == whole(2)
    assert play.ask() == []
    play.land("7", "7", "7")
    assert play.stop() is None
    assert play.ask() == whole(3), "all agree, so one more is expected to do"
    assert play.ask() == []
    play.land(" 7. ")
    assert play.stop() == "consensus"
    assert play.live.usage.calls == 4


def test_four_equal_answers_of_a_larger_probe_settle_it_at_once() -> None:
    play = Play(probe=4)
    assert play.ask() == whole(0, 1, 2, 3)
    play.land("7", "7", "7", "7")
    assert play.stop() == "consensus"


def test_difficulty_says_how_many_are_worth_having_under_way() -> None:
    play = Play()
    play.ask()
    play.land("1", "1", "2")
    assert play.strategy.difficulty(play.live) == pytest.approx(1 / 3)
    assert play.ask() == whole(3, 4, 5), "two in three agree: three more make one success 95 % likely"
    play.land("1", "1")
    assert play.stop() is None
    assert play.ask() == whole(6), "one in five disagrees: two under way are enough, and one is"
    play.land("1", "1")
    assert play.stop() == "consensus"
    assert play.live.usage.calls == 7


def test_without_agreement_everything_is_sampled_and_then_searched_and_then_the_large_model_is_asked() -> None:
    play = Play(probe=3, most=6, most_checked=6, searches=2, large=3)
    assert play.ask() == whole(0, 1, 2)
    play.land("1", "2", "3")
    assert play.ask() == whole(3, 4, 5)
    play.land("4", "4")
    assert play.ask() == [], "one is still under way"
    play.land("1")
    assert play.stop() is None
    assert play.ask() == [("search", 6)], "a tie of two"
    assert play.ask() == []
    play.land("4")
    assert play.ask() == [("search", 7)], "it leads by one, and one more could draw level"
    play.land(None)
    assert play.ask() == [("large", 8)]
    play.land("4")
    assert play.ask() == [("large", 9)]
    play.land("1")
    assert play.ask() == [("large", 10)]
    play.land("4")
    assert play.ask() == []
    assert play.stop() is None, "nothing in flight and nothing to ask: complete"
    assert play.live.hows[1:] == ["whole"] * 6 + ["search"] + ["large"] * 3


def test_a_search_that_could_not_change_the_answer_is_not_made() -> None:
    play = Play(most=5, searches=1)
    play.ask()
    play.land("1", "1", "2")
    assert play.ask() == whole(3, 4)
    play.land("3", "1")
    assert play.stop() is None
    assert play.ask() == [], "three to one: one more vote decides nothing"


def test_sampling_ends_when_nothing_left_could_change_it() -> None:
    play = Play(most=7, consensus=None, search_when="never")
    play.ask()
    play.land("1", "1", "1")
    assert play.ask() == whole(3)
    play.land("1")
    assert play.ask() == [], "four to none, and three are left"


def test_a_tie_ends_the_sampling_only_at_its_cap() -> None:
    play = Play(most=4, search_when="never")
    play.ask()
    play.land("1", "2", "1")
    assert play.ask() == whole(3)
    play.land("2")
    assert play.ask() == []
    assert play.stop() is None


def test_when_all_probes_fail_it_goes_on_and_ends() -> None:
    play = Play(most=5, searches=1)
    play.ask()
    play.land(None, None, "")
    assert play.strategy.difficulty(play.live) == 1.0
    assert play.ask() == whole(3, 4)
    play.land(None, "")
    [(how, _)] = play.ask()
    assert how == "search"
    play.land(None)
    assert play.ask() == []
    assert play.stop() is None


def test_a_cancelled_call_is_asked_for_again() -> None:
    play = Play()
    play.ask()
    play.live.cancel(play.history.flying.pop(1))
    assert play.ask() == whole(1)


@pytest.mark.parametrize("evaluator", ["verifier", "tests"])
def test_a_free_check_makes_it_best_of_n_and_no_search(evaluator: str) -> None:
    play = Play(evaluator, most=4, most_checked=6)
    play.ask()
    play.land("1", "1", "1")
    assert play.ask() == [("evaluate", 0)] * 3
    assert play.ask() == [], "what they are worth is not known yet"
    play.score(0.0, 0.0, 0.9)
    assert play.stop() is None, "a rejected answer has no vote, however many give it"
    assert play.ask() == whole(3, 4, 5), "more samples in a search's place"
    play.land("2", "3", None)
    play.ask()
    play.score(0.0)
    assert play.stop() is None
    play.score(1.0)
    assert play.stop() == "confidence"


def test_an_exhausted_check_ends_without_a_search_unless_always() -> None:
    for mode, asked in (("no-check", []), ("never", []), ("always", [("search", 3)])):
        play = Play("verifier", most=3, most_checked=3, search_when=mode)
        play.ask()
        play.land("1", "2", "3")
        play.ask()
        play.score(0.0, 0.0, 0.0)
        assert play.ask() == asked


def test_a_graded_check_leaves_the_vote_to_plausible_answers() -> None:
    play = Play("function", probe=5)
    play.ask()
    play.land("1", "1", "1", "1", "2")
    play.ask()
    play.score(0.4, 0.4, 0.4, 0.4, 0.6)
    assert play.strategy.votes(play.live) == {"2": 1}
    assert play.stop() is None


@pytest.mark.parametrize("check", ["free", "always"])
def test_a_judge_is_paid_only_where_it_is_wanted(check: str) -> None:
    play = Play("judge", check=check)
    play.ask()
    play.land("1", "1", "1")
    assert play.ask() == (whole(3) if check == "free" else [("evaluate", 0)] * 3)


def test_an_evaluation_that_fails_takes_its_answer_out() -> None:
    play = Play("function", most=3, most_checked=3, search_when="never")
    play.ask()
    play.land("1", "1", "2")
    play.ask()
    for call in list(play.history.flying):
        play.history.tell(Failed(of="evaluate", nodes=call.nodes, usage=NO_USAGE))
    play.history.flying.clear()
    assert play.ask() == []
    assert not play.strategy.votes(play.live)


def test_difficulty_by_value_is_the_mean_or_the_spread() -> None:
    for values, difficulty in (((0.9, 0.9, 0.9), 0.1), ((0.1, 0.1, 0.1), 0.9), ((0.8, 0.8, 0.2), 0.565685)):
        play = Play("function", estimate="value")
        play.ask()
        play.land("1", "2", "3")
        play.ask()
        play.score(*values)
        assert play.strategy.difficulty(play.live) == pytest.approx(difficulty, abs=1e-6)


def test_a_model_may_estimate_the_difficulty_first() -> None:
    play = Play("judge", estimate="model", check="never")
    assert play.ask() == [("difficulty", 0)]
    assert play.ask() == whole(0, 1, 2), "the probe does not wait for it"
    play.score(0.5)
    play.land("1", "1", "1")
    assert play.strategy.difficulty(play.live) == 0.5
    assert play.ask() == whole(3, 4, 5, 6, 7)


def test_a_failed_estimate_falls_back_on_agreement() -> None:
    play = Play("judge", estimate="model", check="never")
    play.ask()
    play.history.flying.clear()
    play.history.tell(Failed(of="evaluate", nodes=(0,), how="difficulty", usage=PAID))
    play.ask()
    play.land("1", "1", "1")
    assert play.strategy.difficulty(play.live) == 0.0
    assert play.ask() == whole(3)


def test_sampling_may_be_given_up_for_the_next_stage() -> None:
    play = Play(escalate_at=0.6, large=1, search_when="never")
    play.ask()
    play.land("1", "2", "3")
    [(how, _)] = play.ask()
    assert how == "large"
    play.land("1")
    assert play.ask() == [], "a stage that was left is not gone back to"
    alone = Play(escalate_at=0.6, search_when="never")
    alone.ask()
    alone.land("1", "2", "3")
    assert alone.ask() == whole(*range(3, 11)), "there is no next stage"


SETTINGS: Sequence[dict[str, Any]] = (
    {},
    {"large": 3, "searches": 3, "most": 5, "most_checked": 9},
    {"check": "never", "search_when": "always", "rule": "dirichlet", "probe": 1},
    {"estimate": "model", "consensus": None, "large": 2, "most": 6, "most_checked": 6},
    {"estimate": "value", "check": "always", "escalate_at": 0.5, "large": 2},
    {"probe": 16, "confidence": 0.9},
)


@pytest.mark.parametrize("number", range(len(SETTINGS)))
@pytest.mark.parametrize("outcome", [any_outcome, good_outcome])
def test_it_comes_to_an_end_whatever_happens(number: int, outcome: Any) -> None:
    strategy = Adaptive.model_validate(SETTINGS[number])
    for seed in range(50):
        history = drive(strategy, Random(seed), outcome=outcome)
        live = history.live
        assert live.attempts("generate", (0,)) <= strategy.limits().root_width
        stages = [how for how in live.hows[1:] if how in ("search", "large")]
        assert stages == sorted(stages, reverse=True), "a stage that was left is not gone back to"


def test_early_stopping_saves_calls() -> None:
    def mostly(call: Call, structure: ReasoningStructure, random: Random) -> Event:
        return _outcome(call, "7" if random.random() < 0.9 else random.choice("123"))

    def calls(consensus: float | None) -> list[int]:
        strategy = Adaptive(consensus=consensus, check="never", search_when="never")
        played = [drive(strategy, Random(seed), outcome=mostly).live for seed in range(50)]
        assert all(strategy.votes(live).most_common(1)[0][0] == "7" for live in played)
        return [live.usage.calls for live in played]

    assert sum(calls(0.95)) < 0.7 * sum(calls(None)) < 0.7 * 16 * 50


def test_what_was_spent_by_stage_adds_up() -> None:
    play = Play("judge", most=3, most_checked=3, estimate="model", check="never")
    play.ask()
    play.score(0.9)
    play.ask()
    play.land("1", None, "2")
    play.ask()
    play.land("2")
    bills = spent_by_stage(play.history.events)
    once = Usage(1, 0, 3, 2, 0.0)
    assert bills == {"difficulty": NO_USAGE, "whole": once + once + once, "search": once}
    assert sum(bills.values(), NO_USAGE) == play.live.usage


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, [("generate", "search")]),
        ({"search_when": "never"}, []),
        ({"large": 1, "search_when": "never"}, [("generate", "large")]),
        ({"estimate": "model"}, [("generate", "search"), ("evaluate", "difficulty")]),
    ],
)
def test_it_names_the_variants_it_asks_for(parameters: dict[str, Any], names: list[tuple[str, str]]) -> None:
    assert list(Adaptive.model_validate(parameters).variants()) == names


def test_it_says_which_operators_it_uses() -> None:
    assert Adaptive().uses() == {"generate", "evaluate"}
    assert Adaptive(check="never").uses() == {"generate"}
    assert Adaptive(check="never", estimate="model").uses() == {"generate", "evaluate"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"probe": 17},
        {"most_checked": 8},
        {"estimate": "value", "check": "never"},
        {"consensus": 0.5},
        {"target": 1.0},
    ],
)
def test_parameters_are_checked(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(parameters))):
        Adaptive.model_validate(parameters)
