from __future__ import annotations

from typing import Any

import pytest

from reflectree.agents.prompts import ASKS
from reflectree.agents.replies import read_solution, read_tokens
from reflectree.agents.sampling import Plan, next_subquestion, same_subquestion
from reflectree.models.base import Capabilities, Request
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.step import Granularity, Path, Step
from reflectree.rlm_ops.task import Task

ABLE = Capabilities(max_n=8, logprobs=True)


def request(index: int = 0, n: int = 1, able: Capabilities = ABLE, **settings: Any) -> Request:
    return Plan(Generate(**settings), "step").request((), "", able, n=n, index=index, seed=7)


def test_a_ladder_of_temperatures_and_phrasings_go_by_index() -> None:
    ladder: dict[str, Any] = {"ladder": (0.2, 0.7, 1.0), "phrasings": ("Draw it.", "Try small numbers.")}
    assert [request(index, **ladder).temperature for index in range(4)] == [0.2, 0.7, 1.0, 0.2]
    plan = Plan(Generate(**ladder), "step")
    assert [plan.hint(index) for index in range(3)] == ["Draw it.", "Try small numbers.", "Draw it."]
    assert [plan.turn(index) for index in (0, 1, 6)] == [(0, 0), (1, 1), (0, 0)]
    assert plan.varied
    assert not Plan(Generate(), "step").varied


@pytest.mark.parametrize(
    ("settings", "wanted"), [({}, 0), ({"priors": True}, 1), ({"alternatives": 5}, 5), ({"alternatives": 1}, 2)]
)
def test_log_probabilities_are_asked_for_where_they_can_be_had(settings: dict[str, Any], wanted: int) -> None:
    assert request(**settings).top_logprobs == wanted
    assert request(able=Capabilities(), **settings).top_logprobs == 0


def test_beams_are_searched_once_a_node_and_never_alone() -> None:
    assert request(0, 4, diverse=True).diverse
    assert not request(4, 4, diverse=True).diverse
    assert not request(0, 1, diverse=True).diverse
    assert not request(0, 4).diverse


@pytest.mark.parametrize(
    ("settings", "granularity", "made", "stop", "strips"),
    [
        ({}, "step", "step", ("\n",), True),
        ({"delimiter": "<|eois|>"}, "step", "step", ("<|eois|>",), False),
        ({}, "solution", "solution", (), True),
        ({"granularity": "solution"}, "step", "solution", (), True),
        ({}, "token", "token", (), False),
        ({"prompt": "plan"}, "token", "step", (), True),
        ({"prompt": "subquestion"}, "step", "step", ("\nSub-question",), True),
        ({"prompt": "code"}, "step", "step", ("\n```\n", "```output"), True),
    ],
)
def test_what_ends_a_sample(
    settings: dict[str, Any], granularity: Granularity, made: str, stop: tuple[str, ...], strips: bool
) -> None:
    plan = Plan(Generate(**settings), granularity)
    assert (plan.granularity, plan.stop, plan.strips) == (made, stop, strips)
    assert (plan.read is read_tokens) == (made == "token")


def test_every_prompt_is_asked_and_read() -> None:
    for prompt in Generate.model_fields["prompt"].annotation.__args__:  # type: ignore[union-attr]
        plan = Plan(Generate(prompt=prompt), "step")
        assert (plan.ask == "") == (prompt == "solve")
        assert plan.ask in ASKS.values()
        assert (plan.read is read_solution) == (prompt in ("solve", "propose"))


def test_the_next_sub_question_is_the_listed_one_or_the_models_own() -> None:
    listed = "1. How many sheep?\n2. How many are left?"
    first = Step("Sub-question 1: How many sheep?\nReply: Six.")
    task = Task("Q?")
    assert next_subquestion(Path(task), listed) == ("Sub-question 1: How many sheep?\nReply:", False)
    path = Path(task, (Step(listed), first))
    assert next_subquestion(path, listed) == ("Sub-question 2: How many are left?\nReply:", True)
    assert next_subquestion(path, None) == ("Sub-question 2:", False)
    assert next_subquestion(Path(task, (first, first, first)), listed) == ("Sub-question 4:", False)
    assert same_subquestion(first.text) == "Sub-question 1: How many sheep?\nReply:"
    assert same_subquestion("So it is.\nReply: no") == ""
