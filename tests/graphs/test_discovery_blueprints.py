"""The systems of discovery from end to end: a scripted model proposes, a function measures, the engine searches."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.engine import QUICK

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Score, ScoreError
from reflectree.graphs import blueprints
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.structure import ReasoningStructure, fold
from reflectree.rlm_ops.task import Form, Task

DISCOVERY = ("opro", "funsearch", "llm-sr", "hypothesis-search")


@dataclass(frozen=True)
class Measuring:
    """A problem: a function of the candidate that gives value, number and remark, or says what is wrong with it."""

    fn: Callable[[str], tuple[float, float, str]]
    source: str = "problem"
    local: bool = True

    def score_now(self, path: Path) -> Score:
        try:
            value, number, remark = self.fn(path.answer or "")
        except ValueError as error:
            raise ScoreError(str(error)) from error
        return Score(value, remark, scores=(number,))

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        return self.score_now(path)


async def search(
    name: str,
    policy: ScriptedPolicy,
    fn: Any,
    *,
    form: Form = "line",
    question: str = "Find the number.",
    calls: int = 200,
    **overrides: Any,
) -> tuple[Result, ReasoningStructure]:
    parameters = {f"scheme.strategy.{key}": value for key, value in overrides.items()}
    result = await asolve(
        Task(question, form=form),
        blueprint=blueprints.load(name).with_overrides(parameters),
        policy=policy,
        evaluator=Measuring(fn),
        budget=Budget(calls=calls),
        retries=QUICK,
        seed=3,
        run_id=name,
    )
    assert result.trace.verify() == []
    assert result.usage.calls == len(policy.requests) <= calls
    for request in policy.requests:
        assert question not in request.messages[0].content, "the task is data"
    return result, fold(result.trace)


def user(request: Request) -> str:
    return request.messages[-1].content


def programs_asked_for(result: Result) -> int:
    """Candidates that came, and those that came to nothing."""
    return sum(
        isinstance(event, Grown) or (isinstance(event, Failed) and event.of != "evaluate") for event in result.trace
    )


def loss(answer: str) -> tuple[float, float, str]:
    """How far a number is from 7."""
    distance = abs(float(answer) - 7.0)
    return 1.0 / (1.0 + distance), distance, ""


async def test_opro_walks_to_the_best_solution_by_its_own_numbers() -> None:
    def say(request: Request, sample: int) -> str:
        shown = re.findall(r"<solution-\d+>\n(.*)\n</solution", user(request))
        if not shown:
            return f"I guess.\nAnswer: {40 + sample}"
        if sample % 4 == 0:
            return "Answer: a lot"
        return f"Closer.\nAnswer: {float(shown[-1]) - sample % 4}"

    policy = ScriptedPolicy(say)
    result, _ = await search("opro", policy, loss)
    assert result.stop_reason == "confidence"
    assert result.answer is not None
    assert float(result.answer) == 7.0
    last = user(policy.requests[-1])
    values = [float(value) for value in re.findall(r"Solution \d+, value (\S+):", last)]
    assert values == sorted(values, reverse=True), "losses as measured, from the worst solution to the best"
    assert 2 <= len(values) <= 20
    invalid = [event for event in result.trace if isinstance(event, Failed)]
    assert {event.of for event in invalid} == {"evaluate"}, "what cannot be measured is failed, not 0"
    assert "value 0:" not in last
    assert all(request.temperature == 1.0 for request in policy.requests)


def slope(program: str) -> tuple[float, float, str]:
    """How near the factor in a program is to 9; it is read, not run."""
    match = re.fullmatch(r"def f\(x\):\n    return x \* (-?\d+)\n?", program)
    if match is None:
        raise ValueError("no function f")
    distance = abs(int(match[1]) - 9)
    return 0.99 / (1.0 + distance), -float(distance), f"off by {distance} at x = 1"


def coder(request: Request, sample: int) -> str:
    """The last program that is shown with its factor raised by 1 or 2, or one to begin with."""
    factors = re.findall(r"return x \* (-?\d+)", user(request))
    factor = int(factors[-1]) + 1 + sample % 2 if factors else sample % 5 - 2
    if sample % 7 == 3:
        return "Let me think about it for a while, and about nothing else."
    return f"A version.\n\n```python\ndef f(x):\n    return x * {factor}\n```\nDone."


@pytest.mark.parametrize("name", ["funsearch", "llm-sr"])
async def test_islands_of_programs_find_better_ones(name: str) -> None:
    policy = ScriptedPolicy(coder)
    result, _ = await search(
        name, policy, slope, form="code", question="Write f.", islands=3, programs=150, reset_every=40
    )
    assert result.stop_reason == "complete"
    assert result.answer == "def f(x):\n    return x * 9\n"
    merges = [event for event in result.trace if isinstance(event, Grown) and event.op == "aggregate"]
    assert {event.how for event in merges} == {"island-0", "island-1", "island-2"}
    assert all(len(event.nodes) == 2 for event in merges)
    prompts = [user(request) for request in policy.requests if "<v1>" in user(request)]
    scores = [re.findall(r"Version v\d, score (\S+):", prompt) for prompt in prompts]
    assert all(float(low) <= float(high) for low, high in scores)
    assert all("<remark-v1>\noff by" in prompt for prompt in prompts)
    assert programs_asked_for(result) == 150
    if name == "llm-sr":
        assert all("params[9]" in user(request) for request in policy.requests)
        assert {request.temperature for request in policy.requests} == {0.8}


async def test_a_search_that_is_taken_up_again_pays_nothing_twice(tmp_path: Any) -> None:
    """Killed in the middle: the islands are read from the trace again."""

    class Killed(RuntimeError):
        pass

    def dying(request: Request, sample: int) -> str:
        if sample == 60:
            raise Killed
        return coder(request, sample)

    plan = blueprints.load("funsearch").with_overrides(
        {"scheme.strategy.islands": 3, "scheme.strategy.programs": 100, "scheme.strategy.reset_every": 20}
    )
    options: dict[str, Any] = {
        "blueprint": plan,
        "evaluator": Measuring(slope),
        "checkpoint": tmp_path / "runs.db",
        "run_id": "search",
        "concurrency": 4,
    }
    first, second = ScriptedPolicy(dying), ScriptedPolicy(coder)
    with pytest.raises(Killed):
        await asolve(Task("Write f.", form="code"), policy=first, **options)
    result = await asolve(Task("Write f.", form="code"), policy=second, **options)
    assert result.trace.verify() == []
    grown = [event for event in result.trace if isinstance(event, Grown | Failed) and event.usage.calls]
    assert len(grown) <= len(first.requests) + len(second.requests)
    assert programs_asked_for(result) == 100, "the cap holds over both lives"
    measured = [event.node for event in result.trace if isinstance(event, Evaluated)]
    assert len(measured) == len(set(measured))


async def test_hypotheses_come_first_then_programs_then_rewrites() -> None:
    def say(request: Request, sample: int) -> str:
        if "Do not write the program yet" in user(request):
            return f"The output is the input times {sample % 8}."
        rule = re.search(r"times (\d)", request.prefill + user(request))
        factor = int(rule[1]) if rule else 0
        if "<solution>" in user(request):
            return f"It was too low.\nAnswer:\n```python\ndef f(x):\n    return x * {factor + 1}\n```"
        return f"```python\ndef f(x):\n    return x * {factor}\n```"

    policy = ScriptedPolicy(say)
    result, structure = await search(
        "hypothesis-search", policy, slope, form="code", question="Find f.", hypotheses=8, per_hypothesis=1, revisions=1
    )
    assert result.stop_reason == "complete"
    words = [node for node in structure.children[0] if structure.hows[node] == "hypothesis"]
    assert len(words) == 8
    assert all(structure.steps[node].answer is None and not structure.evaluations[node] for node in words)
    programs = [node for word in words for node in structure.children[word]]
    assert {structure.hows[node] for node in programs} == {"program"}
    rewrites = [node for node, op in enumerate(structure.ops) if op == "refine"]
    assert len(rewrites) == 8
    assert result.answer is not None
    assert result.answer.strip() == "def f(x):\n    return x * 8"
    assert structure.path(rewrites[0]).steps[0].text.startswith("The output is"), "read below its hypothesis"


async def test_hypotheses_may_be_filtered_by_a_judge() -> None:
    def say(request: Request, sample: int) -> str:
        if request.json_schema:
            return json.dumps({"reason": "fits", "score": 9 if "times 5" in user(request) else 2})
        if "Do not write the program yet" in user(request):
            return f"The output is the input times {sample}."
        return "```python\ndef f(x):\n    return x * 5\n```"

    policy = ScriptedPolicy(say)
    result, structure = await search(
        "hypothesis-search", policy, slope, form="code", question="Find f.", hypotheses=6, keep=1, per_hypothesis=1,
        revisions=0,
    )  # fmt: skip
    (program,) = [node for node, how in enumerate(structure.hows) if how == "program"]
    assert "times 5" in structure.steps[structure.parents[program][0]].text
    assert len([node for node in structure.children[0] if structure.evaluations[node]]) == 6
    assert result.answer is not None


@pytest.mark.parametrize("name", DISCOVERY)
async def test_a_model_that_never_proposes_ends_by_its_cap(name: str) -> None:
    result, _ = await search(name, ScriptedPolicy("Well, well."), loss, calls=30)
    assert result.answer is None
    assert result.stop_reason in ("budget:calls", "complete")
    assert not [event for event in result.trace if isinstance(event, Evaluated)]


@pytest.mark.parametrize("name", DISCOVERY)
def test_a_blueprint_names_its_paper_and_is_short(name: str) -> None:
    blueprint = blueprints.load(name)
    assert blueprint.source
    assert len(blueprints.dump(blueprint).splitlines()) <= 30
