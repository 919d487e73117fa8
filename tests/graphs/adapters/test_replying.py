"""Replies to conversations: one run each, whatever the blueprint."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from tests.support.competent import competent
from tests.support.engine import tree

from reflectree.agents.generator import Generator
from reflectree.graphs import blueprints
from reflectree.graphs.adapters.replying import areply, replied, tuned
from reflectree.graphs.adapters.wants import ToolSpec, Unreadable, Wants
from reflectree.graphs.run import aresume
from reflectree.models.base import Request
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelRejected
from reflectree.rlm_ops.events import Evaluated

WEATHER = ToolSpec(
    "get_weather", "", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
)
GOOD = '{"tool": "get_weather", "arguments": {"city": "Rome"}}'
BAD = '{"tool": "get_weather", "arguments": {}}'
ASKED = [HumanMessage("How is Rome?")]
POEM = "Roses are red,\n\nviolets are blue:\n```python\nprint('Answer: no')\n```\nEnd."
BLUEPRINTS = ["cot", "self-consistency", "best-of-n", "mcts", "beam", "tot-dfs", "dvts", "lats", "moa", "forest"]


def judged(write: Any) -> ScriptedPolicy:
    """A policy that writes as told, and grades everything alike."""

    def script(request: Request, sample: int) -> str:
        if request.json_schema is not None:
            wanted = request.json_schema["properties"]
            return '{"reason": "fine", "score": 8}' if "score" in wanted else '{"reason": "fine", "value": "likely"}'
        return str(write(request, sample))

    return ScriptedPolicy(script)


@pytest.mark.parametrize("blueprint", ["cot", "self-consistency", "best-of-n"])
async def test_a_whole_solution_is_read_to_its_end(blueprint: str) -> None:
    reply = await areply(ASKED, policy=judged(lambda *_: f"I think.\nAnswer:\n{POEM}"), blueprint=blueprint)
    assert (reply.said.text, reply.finish) == (POEM, "stop")


async def test_a_reply_that_marks_no_answer_is_the_answer() -> None:
    reply = await areply(ASKED, policy=ScriptedPolicy("Sunny,\nand warm."), blueprint="cot")
    assert reply.said.text == "Sunny,\nand warm."


@pytest.mark.parametrize("blueprint", BLUEPRINTS)
async def test_every_kind_of_search_replies(blueprint: str) -> None:
    reply = await areply(ASKED, policy=competent(), blueprint=blueprint, budget=Budget(calls=60))
    assert reply.said.text == "You said: How is Rome?"


@pytest.mark.parametrize("granularity", ["step", "token"])
async def test_an_answer_that_a_step_begins_is_completed(granularity: str) -> None:
    whole = f"I think.\nAnswer: {POEM}"

    def write(request: Request, sample: int) -> str:
        rest = whole.removeprefix(request.prefill) if whole.startswith(request.prefill) else ""
        if request.stop:
            return rest.split(request.stop[0])[0]
        return rest if request.max_tokens >= 1024 else rest[:9]

    data = tree(depth=8).model_dump(mode="json")
    data["scheme"]["granularity"] = granularity
    policy = judged(write)
    reply = await areply(ASKED, policy=policy, blueprint=data, evaluator=lambda path: 0.5, budget=Budget(calls=60))
    assert reply.said.text == POEM
    completing = [request for request in policy.requests if "Answer:" in request.prefill]
    assert all(request.stop == () for request in completing)
    assert all(request.max_tokens >= 1024 for request in completing)


@pytest.mark.parametrize("blueprint", ["moa", "mctsr", "self-refine", "debate", "implicit", "rstar"])
async def test_what_is_refined_merged_or_rolled_out_is_whole_too(blueprint: str) -> None:
    def write(request: Request, sample: int) -> str:
        return f"I think about {sample}.\nAnswer: {POEM}\n{sample % 5}"

    data = blueprints.load(blueprint).model_dump(mode="json")
    data["operators"]["refine"]["critique"] = "self"
    for variant in data["operators"]["refine"]["variants"].values():
        variant.pop("critique", None)
    reply = await areply(ASKED, policy=judged(write), blueprint=data, budget=Budget(calls=80))
    assert reply.said.text.startswith(POEM)


async def test_a_call_is_a_call_whatever_the_search() -> None:
    for blueprint in ("cot", "best-of-n", "mcts"):
        reply = await areply(
            [HumanMessage("What is the weather in Rome?")],
            policy=competent(),
            blueprint=blueprint,
            wants=Wants((WEATHER,)),
            budget=Budget(calls=40),
        )
        assert reply.finish == "tool_calls"
        assert [call.name for call in reply.said.tool_calls] == ["get_weather"]


async def test_what_a_tool_returned_is_read_from_the_conversation() -> None:
    messages = [
        HumanMessage("What is the weather in Rome?"),
        AIMessage("", tool_calls=[{"name": "get_weather", "args": {"city": "Rome"}, "id": "1"}]),
        ToolMessage("sunny", tool_call_id="1"),
    ]
    reply = await areply(messages, policy=competent(), blueprint="cot", wants=Wants((WEATHER,)))
    assert (reply.said.text, reply.finish) == ("The tool says sunny.", "stop")


async def test_an_invalid_call_is_asked_for_once_more() -> None:
    policy = judged(lambda request, sample: f"Answer: {BAD if sample == 0 else GOOD}")
    reply = await areply(ASKED, policy=policy, blueprint="cot", wants=Wants((WEATHER,)))
    assert reply.finish == "tool_calls"
    assert len(policy.requests) == 2


async def test_an_answer_that_was_completed_is_held_to_its_form_too() -> None:
    def write(request: Request, sample: int) -> str:
        return "Answer: {" if request.stop else '"tool": "get_weather", "arguments": {}}'

    with pytest.raises(Unreadable, match="required property"):
        await areply(ASKED, policy=judged(write), blueprint=tree(), evaluator=lambda path: 0.5, wants=Wants((WEATHER,)))


async def test_an_invalid_call_scores_nothing_and_is_not_judged() -> None:
    policy = judged(lambda request, sample: f"Answer: {GOOD if sample % 4 == 3 else BAD}")
    settings = blueprints.load("best-of-n").operators.generate
    lenient = {"generate": Generator(settings, "solution", {"policy": policy})}
    reply = await areply(ASKED, policy=policy, blueprint="best-of-n", wants=Wants((WEATHER,)), agents=lenient)
    assert reply.said.tool_calls[0].arguments == {"city": "Rome"}
    scores = [event for event in reply.result.trace.events if isinstance(event, Evaluated)]
    assert {event.value for event in scores if "required property" in event.note} == {0.0}
    assert sum(request.json_schema is not None for request in policy.requests) == 4


async def test_a_vote_is_for_answers_that_are_wanted() -> None:
    policy = judged(lambda request, sample: f"Answer: {GOOD if sample == 2 else BAD}")
    reply = await areply(ASKED, policy=policy, blueprint="self-consistency", wants=Wants((WEATHER,), "required"))
    assert reply.finish == "tool_calls"


async def test_only_unwanted_answers_are_an_error_that_says_why() -> None:
    with pytest.raises(Unreadable, match="'city' is a required property"):
        await areply(ASKED, policy=ScriptedPolicy(f"Answer: {BAD}"), blueprint="cot", wants=Wants((WEATHER,)))
    with pytest.raises(Unreadable, match="empty"):
        await areply(ASKED, policy=ScriptedPolicy(""), blueprint="cot")


async def test_votes_are_over_normalised_texts() -> None:
    words = ["Sunny and warm.", "sunny  and warm", "Rainy"]
    policy = judged(lambda request, sample: f"Answer: {words[sample % 3]}")
    reply = await areply(ASKED, policy=policy, blueprint="self-consistency")
    assert reply.said.text.lower().startswith("sunny")


@pytest.mark.parametrize("calls", range(1, 8))
async def test_no_budget_is_exceeded_by_completing(calls: int) -> None:
    def write(request: Request, sample: int) -> str:
        return "Answer: begun" if request.stop else " and ended"

    reply = await areply(
        ASKED, policy=judged(write), blueprint=tree(), evaluator=lambda path: 0.5, budget=Budget(calls=calls)
    )
    assert reply.result.usage.calls <= calls
    assert (reply.said.text, reply.finish) in (("begun and ended", "stop"), ("", "length"))


async def test_the_tokens_of_a_completion_are_reserved_before_it() -> None:
    policy = judged(lambda request, sample: "Answer: begun" if request.stop else " and ended")
    caps = Budget(tokens=600)  # a step of 256 fits, and the 1,024 of an answer do not
    reply = await areply(
        ASKED, policy=policy, blueprint=tree(), evaluator=lambda path: 0.5, budget=caps, max_tokens=256
    )
    assert reply.finish == "length"
    assert all(request.stop for request in policy.requests)
    reasons = [getattr(event, "reason", "") for event in reply.result.trace.events]
    assert any("the budget ended before the answer was whole" in reason for reason in reasons)


async def test_an_answer_longer_than_its_room_is_no_answer() -> None:
    from reflectree.models.base import Choice

    policy = ScriptedPolicy(lambda request, sample: "Answer: on" if request.stop else Choice(" and on", "length"))
    with pytest.raises(Unreadable, match="longer than its room"):
        await areply(ASKED, policy=policy, blueprint=tree(), evaluator=lambda path: 0.5, budget=None)


async def test_a_budget_that_ends_early_is_said() -> None:
    reply = await areply(ASKED, policy=competent(), blueprint="cot", budget=Budget(tokens=1))
    assert (reply.said.text, reply.said.tool_calls, reply.finish) == ("", (), "length")


async def test_stop_words_end_words_and_not_calls() -> None:
    policy = ScriptedPolicy(f"Answer: {GOOD}")
    called = await areply(ASKED, policy=policy, blueprint="cot", wants=Wants((WEATHER,)), stop=("Rome", ""))
    assert called.said.tool_calls[0].arguments == {"city": "Rome"}
    said = await areply(ASKED, policy=ScriptedPolicy("Answer: in Rome"), blueprint="cot", stop=("Rome", ""))
    assert said.said.text == "in "


async def test_a_reply_in_another_language_is_a_reply() -> None:
    french = "Il fait beau à Rome, et les gens sont dans la rue avec leurs amis pour manger des glaces."
    messages = [HumanMessage("Please say how the weather of the city of Rome is, in the way that Pierre would.")]
    reply = await areply(messages, policy=ScriptedPolicy(f"Answer: {french}"), blueprint="cot")
    assert reply.said.text == french


async def test_a_saved_run_is_not_paid_twice(tmp_path: Path) -> None:
    policy, wants = competent(), Wants((WEATHER,))
    asked = [HumanMessage("What is the weather in Rome?")]
    options: dict[str, Any] = {"wants": wants, "blueprint": "best-of-n", "checkpoint": tmp_path / "runs.sqlite"}
    first = await areply(asked, policy=policy, run_id="one", **options)
    paid = policy.samples
    second = await areply(asked, policy=policy, run_id="one", **options)
    assert second.said == first.said
    assert policy.samples == paid
    again = await aresume("one", tmp_path / "runs.sqlite", policy=policy)
    assert replied(again, wants).said == first.said


async def test_the_policy_s_refusal_is_raised() -> None:
    with pytest.raises(ModelRejected):
        await areply(ASKED, policy=ScriptedPolicy([ModelRejected("no key", 401)]), blueprint="cot")


async def test_nothing_is_paid_where_something_cannot_be() -> None:
    policy = competent()
    wrong: list[dict[str, Any]] = [{"blueprint": "nothing"}, {"temperature": -1}, {"concurrency": 0}]
    for options in wrong:
        with pytest.raises(BadInput):
            await areply(ASKED, policy=policy, **options)
    assert not policy.requests


def test_settings_take_the_place_of_the_blueprint_s() -> None:
    plan = blueprints.load("best-of-n")
    assert tuned(plan) is plan
    changed = tuned(plan, temperature=0.1, max_tokens=9, timeout=3)
    generate = changed.operators.generate
    assert (generate.temperature, generate.max_tokens, generate.timeout) == (0.1, 9, 3)
    assert changed.operators.evaluate.timeout == 3
    assert changed.operators.evaluate.max_tokens == plan.operators.evaluate.max_tokens


async def test_cancelling_ends_the_calls() -> None:
    policy = ScriptedPolicy("Answer: late", latency=60)
    task = asyncio.create_task(areply(ASKED, policy=policy, blueprint="best-of-n"))
    while not policy.requests:  # noqa: ASYNC110 (a fake has no event to wait for)
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert policy._in_flight == 0


class Values:
    """A value model that can be closed."""

    name = "values"
    closed = 0

    async def score(self, paths: Any) -> list[float]:
        return [0.5] * len(paths)

    async def aclose(self) -> None:
        self.closed += 1


async def test_wanted_forms_change_nothing_of_what_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    wants = Wants((WEATHER,))
    policy = ScriptedPolicy(f"Answer: {GOOD}")
    scheme = {"structure": "tree", "granularity": "solution", "strategy": {"name": "best-of-n", "n": 3}}
    scoring = {"evaluate": {"kind": "value", "variants": {"again": {"kind": "value"}}}}
    by_value = {"name": "by-value", "scheme": scheme, "selection": "value", "operators": scoring}
    reply = await areply(ASKED, wants=wants, blueprint=by_value, policy=policy, evaluator=Values())
    assert reply.finish == "tool_calls"

    opened = Values()
    monkeypatch.setattr("reflectree.agents.evaluators.choosing.value_model", lambda name: opened)
    await areply(ASKED, wants=wants, policy=policy, evaluator="http://127.0.0.1:9")
    assert opened.closed == 1

    silent = ScriptedPolicy(f"Answer: {GOOD}", capabilities=replace(ABLE, converses=False))
    reply = await areply(ASKED, wants=wants, policy=silent, budget=Budget(calls=40))
    assert reply.result.trace.began is not None
    assert reply.result.trace.began.evaluator == "rollouts"
