from __future__ import annotations

import pytest
from tests.support.generating import Bench, grown, structure

from reflectree.models.base import Capabilities, Choice
from reflectree.rlm_ops.events import Failed, Grown
from reflectree.rlm_ops.step import Granularity


def test_token_confidence_is_that_of_the_paper() -> None:
    best = (-0.1, -2.5, -4.0, -5.0, -6.0)
    choice = Choice("a step", "stop", (-0.1, -0.1), "", (best, best))
    bench = Bench(lambda request, index: choice, alternatives=5)
    (event,) = bench.carry_out(structure())
    assert event.confidence == pytest.approx(0.891945, abs=1e-6)
    assert event.prior is None
    assert bench.asked.top_logprobs == 5
    (plain,) = Bench("a step", alternatives=5, able=Capabilities(prefill=True)).carry_out(structure())
    assert plain.confidence is None
    nan = Choice("a step", "stop", (float("nan"),), "", ((-0.1, -1.0),))
    assert Bench(lambda request, index: nan, alternatives=5).carry_out(structure())[0].confidence is None


@pytest.mark.parametrize(
    "reply",
    [Choice("a step", reasoning="hm"), Choice("<think>hm</think>a step"), Choice("So: <think>hm</think>a step")],
)
@pytest.mark.parametrize("thought", [True, False])
def test_thought_stands_beside_the_step_and_never_in_it(reply: Choice, thought: bool) -> None:
    (event,) = Bench(lambda request, index: reply, thought=thought).carry_out(structure())
    assert event.text.endswith("a step")
    assert "hm" not in event.text
    assert event.note == ("hm" if thought else "")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("So we see that it is so. " * 12, "the reply repeats itself"),
        ("我们知道农夫有六只羊。他送出了两只。所以还剩下四只羊。", "in another language than the task"),
        ("There are six sheep.", "the step repeats an earlier step"),
    ],
)
def test_a_reply_that_misbehaves_is_a_failed_event(reply: str, reason: str) -> None:
    (event,) = Bench(reply).carry_out(structure(grown("There are six sheep.")), 1)
    assert isinstance(event, Failed)
    assert reason in event.reason
    assert event.usage.calls == 2


def test_moves_may_be_made_twice() -> None:
    (event,) = Bench("go up").carry_out(structure(grown("go up")), 1)
    assert event.text == "go up"


@pytest.mark.parametrize(
    ("choice", "granularity", "said"),
    [
        (Choice(" \n "), "step", "the reply is empty"),
        (Choice("", "length"), "step", "hidden reasoning used up max_tokens"),
        (Choice("no", "filter"), "step", "refused by the provider's filter"),
        (Choice("half", "length"), "step", "cut at max_tokens=1024"),
        (Choice("Answer: 4", "length"), "solution", "cut at max_tokens=1024"),
        (Choice("Answer: 42\nand more", "length"), "solution", None),
        (Choice("tok", "length"), "token", None),
        (Choice("fine", "unknown"), "step", None),
    ],
)
def test_what_is_wrong_with_a_sample(choice: Choice, granularity: Granularity, said: str | None) -> None:
    (event,) = Bench(lambda request, index: choice, granularity).carry_out(structure())
    assert isinstance(event, Grown) if said is None else said in event.reason


def test_samples_that_are_one_object_are_as_many_steps() -> None:
    choice = Choice("a step")
    events = Bench(lambda request, index: choice).carry_out(structure(), count=3)
    assert [event.text for event in events] == ["a step"] * 3
