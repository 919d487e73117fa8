"""ReAct, least-to-most, rStar and rStar-Math from their blueprints: scripted policies, real tools, a real sandbox."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reflectree.graphs import blueprints
from reflectree.graphs.run import asolve
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Enriched, Evaluated, Failed, Grown
from reflectree.rlm_ops.sandbox import available
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.strategies import STRATEGIES, Strategy
from reflectree.rlm_ops.strategies.least_to_most import LeastToMost
from reflectree.rlm_ops.strategies.react import ReAct
from reflectree.rlm_ops.strategies.rstar import RStar
from reflectree.rlm_ops.strategies.rstar_math import RStarMath

SYSTEMS: list[type[Strategy]] = [ReAct, LeastToMost, RStar, RStarMath]
needs_sandbox = pytest.mark.skipif(bool(available()), reason=available())


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    for strategy in SYSTEMS:
        monkeypatch.setitem(STRATEGIES, strategy.name, strategy)


def grown(result: Any) -> list[tuple[str, str]]:
    return [(event.how, event.text) for event in result.trace if isinstance(event, Grown)]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_blueprint_spells_out_what_the_strategy_needs(system: type[Strategy]) -> None:
    blueprint = blueprints.load(system.name)
    assert isinstance(blueprint.scheme.strategy, system)
    assert blueprint.scheme.strategy == system()  # the defaults are the paper's
    assert blueprints.load(blueprint.model_dump(mode="json")) == blueprint
    for op, how in blueprint.scheme.strategy.variants():
        assert how in getattr(blueprint.operators, op).variants


async def test_react_calls_a_tool_and_finishes() -> None:
    policy = ScriptedPolicy(
        [
            "Thought: multiply first.\nAction: calculator[6 * 7]\nObservation: 41",
            "Thought: look it up.\nAction: search[42]",
            "Thought: done.\nAction: finish[42]",
        ]
    )
    result = await asolve("What is 6 times 7?", blueprint="react", policy=policy, tools=["calculator"])
    assert (result.answer, result.stop_reason) == ("42", "complete")
    sources = [(event.source, event.note) for event in result.trace if isinstance(event, Enriched)]
    assert sources[0] == ("tool", "Observation: 42")
    assert sources[1][0] == "bad-call"
    assert "use one of calculator, finish" in sources[1][1]
    last = policy.requests[-1]
    assert "Observation: 42\n" in last.prefill
    assert "Observation: 41" not in last.prefill
    assert "calculator[expression: string]" in last.messages[-1].content
    assert all("calculator" not in message.content for message in last.messages if message.role == "system")


@pytest.mark.parametrize(("action", "steps"), [("calculator", 7), ("nothing", 3)])
async def test_react_is_forced_to_answer_at_the_step_cap_and_after_bad_calls(action: str, steps: int) -> None:
    def say(request: Request, index: int) -> str:
        final = "Give the final answer now" in request.messages[-1].content
        return " 42" if final else f"Thought: number {index} of mine.\nAction: {action}[{index}]"

    result = await asolve("What is 6 times 7?", blueprint="react", policy=ScriptedPolicy(say), tools=["calculator"])
    assert result.answer == "42"
    assert [how for how, _ in grown(result)] == ["act"] * steps + ["force"]


async def test_react_gives_up_a_tool_that_hangs() -> None:
    async def drowse(text: str) -> str:
        """Sleep."""
        await asyncio.sleep(60)
        return text

    policy = ScriptedPolicy(["Thought: wait.\nAction: drowse[x]", "Thought: enough.\nAction: finish[42]"])
    blueprint = blueprints.load("react").with_overrides({"operators.enrich.timeout": 0.05})
    result = await asolve("What is 6 times 7?", blueprint=blueprint, policy=policy, tools=[drowse])
    assert result.answer == "42"
    assert "error: drowse gave no result within 0.05 s" in grown(result)[0][1] + policy.requests[-1].prefill


async def test_react_needs_tools() -> None:
    with pytest.raises(BadInput, match="react acts with tools"):
        await asolve("What is 6 times 7?", blueprint="react", policy=ScriptedPolicy("x"))


async def test_least_to_most_answers_sub_questions_in_order() -> None:
    policy = ScriptedPolicy(
        ["1. How old is Ann?\n2. How old is Bo?\n3. How old are both together?", "4.", "6.", "Answer: 10"]
    )
    result = await asolve("How old are Ann and Bo together?", blueprint="least-to-most", policy=policy)
    assert result.answer == "10"
    assert [how for how, _ in grown(result)] == ["decompose", "subquestion", "subquestion", "subquestion"]
    assert grown(result)[2] == ("subquestion", "Sub-question 2: How old is Bo?\nReply: 6.")
    assert "Sub-question 1: How old is Ann?\nReply: 4.\n" in policy.requests[-1].prefill


async def test_least_to_most_falls_back_to_one_go() -> None:
    def say(request: Request, index: int) -> str:
        asked = "Break it into sub-questions" in request.messages[-1].content
        return "No idea." if asked else "4 and 6 make 10.\nAnswer: 10"

    result = await asolve("How old are both?", blueprint="least-to-most", policy=ScriptedPolicy(say))
    assert result.answer == "10"
    assert [how for how, _ in grown(result)] == ["whole"]


@needs_sandbox
async def test_rstar_math_runs_its_steps() -> None:
    def say(request: Request, index: int) -> str:
        if request.prefill.count("```output") == 2:
            return "Answer: 42"
        code = ["x = 6\nprint(x)", "print(1 / 0)", f"y = 7 + {index} - {index}\nprint(x * y)"][index % 3]
        return f"Step {index}.\n```python\n{code}\n```"

    def value(path: Path) -> float:
        return 0.5

    result = await asolve(
        "What is 6 times 7?",
        blueprint=blueprints.load("rstar-math").with_overrides({"scheme.strategy.width": 3}),
        policy=ScriptedPolicy(say),
        evaluator=value,
        budget=Budget(calls=12),
    )
    assert result.answer == "42"
    runs = [event for event in result.trace if isinstance(event, Enriched)]
    assert any(event.text.endswith("```output\n6\n```") for event in runs)
    failed = {event.node for event in runs if event.status == "failed"}
    assert failed
    parents = {event.nodes[0] for event in result.trace if isinstance(event, Grown)}
    scored = {event.node for event in result.trace if isinstance(event, Evaluated)}
    assert not failed & (parents | scored)


def think(request: Request, index: int) -> str:
    """What a policy says to any of the five actions; two answers in three are wrong."""
    if "other words" in request.messages[-1].content:
        return "Six and seven are known. Asked is their product."
    if request.prefill.rstrip().endswith(("1:", "2:", "3:", "4:", "5:", "Reply:")):
        return f" Which factor is number {index}?\nReply: it is factor {index}"
    if request.stop == ("\n",):
        return f"consider the factor number {index}"
    return f"so the product follows\nAnswer: {43 if index % 3 else 42}"


async def test_rstar_searches_and_another_model_confirms() -> None:
    policy = ScriptedPolicy(think)
    other = ScriptedPolicy("therefore\nAnswer: 42", name="other")
    result = await asolve(
        "What is 6 times 7?", blueprint="rstar", policy=policy, models={"discriminator": other}, concurrency=4
    )
    answers = [event.answer for event in result.trace if isinstance(event, Grown) and event.answer]
    assert len(answers) == 16
    assert answers.count("43") > answers.count("42") > 0
    asides = [event for event in result.trace if isinstance(event, Evaluated)]
    assert len(asides) == len(other.requests) == 16
    assert all(event.aside and event.how == "discriminate" for event in asides)
    assert result.answer == "42"  # in the minority, and confirmed


async def test_rstar_keeps_its_answers_where_the_other_model_fails() -> None:
    result = await asolve(
        "What is 6 times 7?",
        blueprint="rstar",
        policy=ScriptedPolicy(think),
        models={"discriminator": ScriptedPolicy("I cannot say.", name="other")},
        concurrency=4,
    )
    failed = [event for event in result.trace if isinstance(event, Failed)]
    assert len(failed) == 16
    assert all(event.of == "evaluate" for event in failed)
    assert result.answer == "43"  # the majority, as in the release
