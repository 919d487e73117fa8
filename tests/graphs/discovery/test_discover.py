from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from reflectree.agents.evaluators.base import Score, ScoreError
from reflectree.agents.prompts.discovering import Shown, improving, versions
from reflectree.graphs import blueprints
from reflectree.graphs.discovery import adiscover, discover, names, problem, scripted_proposer
from reflectree.graphs.discovery.base import Measured, is_better
from reflectree.graphs.discovery.curve import best_measured, best_so_far, measurements
from reflectree.graphs.discovery.discover import sized
from reflectree.graphs.discovery.scripted import shown_in
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops import step
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.sandbox import available
from reflectree.rlm_ops.task import Task

OPRO: dict[str, Any] = {
    "name": "opro-small",
    "scheme": {
        "structure": "dag", "granularity": "solution",
        "strategy": {"name": "opro", "starts": 4, "per_step": 4, "steps": 6},
    },
}  # fmt: skip
ISLANDS: dict[str, Any] = {
    "name": "islands-small",
    "scheme": {
        "structure": "dag", "granularity": "solution",
        "strategy": {"name": "islands", "islands": 2, "starts": 2, "programs": 24},
    },
}  # fmt: skip
PAIRS = ["Answer: 12, 12", "Answer: nonsense", "Answer: 15, 15", "Answer: 11, 11"]


async def test_a_discovery_holds_the_best_candidate_and_the_curve_of_all_evaluations() -> None:
    given = problem("linear-regression/0")
    found = await adiscover(given, blueprint="best-of-n", evaluations=4, policy=ScriptedPolicy(PAIRS), concurrency=1)
    losses = {pair: given.measure(pair).scores[0] for pair in ("12, 12", "15, 15", "11, 11")}
    assert found.best is not None
    assert found.best == min(losses, key=lambda pair: losses[pair])
    assert found.objective == losses[found.best]
    assert (found.evaluations, found.failed) == (4, 1)
    assert found.curve[0] == found.curve[1] == losses["12, 12"]
    assert len(found.classical) == 4
    assert found.classical == tuple(given.classical(4, 0))
    assert found.held_out == given.report(found.best)
    assert found.tokens == found.result.usage.tokens > 0


async def test_an_invalid_candidate_is_a_failed_event_and_not_a_score() -> None:
    found = await adiscover(
        "linear-regression/0", blueprint="best-of-n", evaluations=4, policy=ScriptedPolicy(PAIRS), concurrency=1
    )
    [failed] = [event for event in found.result.trace if isinstance(event, Failed)]
    assert failed.of == "evaluate"
    assert "no pair of numbers" in failed.reason
    measured = [event for event in found.result.trace if isinstance(event, Evaluated)]
    assert len(measured) == 3
    assert all(event.source == "problem" and len(event.scores) == 1 for event in measured)


async def test_where_nothing_is_valid_there_is_no_best_and_the_json_is_json() -> None:
    found = await adiscover(
        "tsp/6/0", blueprint="best-of-n", evaluations=3, policy=ScriptedPolicy("Answer: I do not know"), classical=False
    )
    assert (found.best, found.objective, found.held_out) == (None, None, {})
    assert found.curve == (math.inf,) * 3
    assert found.classical == ()
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (data["curve"], data["failed"], data["problem"]) == ([None] * 3, 3, "tsp/6/0")


def test_the_synchronous_twin_and_a_law() -> None:
    given = problem("symbolic/pendulum")
    right = "```python\ndef equation(length, gravity, params):\n    return params[0] * np.sqrt(length / gravity)\n```"
    found = discover(given, blueprint="best-of-n", evaluations=4, policy=ScriptedPolicy(right), concurrency=1)
    assert found.result.stop_reason == "confidence"  # a perfect fit cannot be bettered
    assert found.evaluations == 1
    assert found.held_out["nmse_beyond"] < 1e-9


@pytest.mark.skipif(bool(available()), reason=available())
async def test_a_program_that_forks_fails_its_node_and_the_run_goes_on() -> None:
    replies = [
        "```python\nimport os\nos.fork()\ndef priority(item, bins):\n    return bins\n```",
        "```python\ndef priority(item, bins):\n    return [-room for room in bins]\n```",
    ]
    found = await adiscover(
        "program/bin-packing", blueprint="best-of-n", evaluations=2, policy=ScriptedPolicy(replies), concurrency=1
    )
    assert (found.evaluations, found.failed) == (2, 1)
    assert found.best is not None
    assert len(next(event for event in found.result.trace if isinstance(event, Evaluated)).scores) == 5


@pytest.mark.skipif(bool(available()), reason=available())
async def test_a_hypothesis_in_words_becomes_a_program_that_is_checked_on_held_out_cases() -> None:
    def say(request: Request, index: int) -> str:
        if "Do not write the program yet" in request.messages[-1].content:
            return "Even numbers are doubled, and odd ones stay as they are."
        return "```python\ndef transform(x):\n    return [v if v % 2 else 2 * v for v in x]\n```"

    found = await adiscover("hypothesis/double-evens", policy=ScriptedPolicy(say), concurrency=2)
    assert (found.objective, found.result.stop_reason) == (1.0, "confidence")
    assert found.held_out["solved"]


def test_every_problem_names_a_blueprint_that_there_is() -> None:
    suited = {getattr(problem(name), "blueprint", "") for name in names()}
    assert suited == {"opro", "llm-sr", "funsearch", "hypothesis-search"}
    assert suited <= set(blueprints.names())


async def test_a_finished_search_is_read_back_without_a_call(tmp_path: Path) -> None:
    given = problem("tsp/6/0")
    options: dict[str, Any] = {"checkpoint": tmp_path / "runs.sqlite", "run_id": "tour", "evaluations": 13}
    first = await adiscover(given, policy=scripted_proposer(given), **options)
    policy = scripted_proposer(given)
    again = await adiscover(given, policy=policy, **options)
    assert policy.samples == 0
    assert again.curve == first.curve
    assert (again.best, again.classical) == (first.best, first.classical)


async def test_what_cannot_work_is_refused_before_it_costs() -> None:
    policy = ScriptedPolicy("Answer: 1, 2")
    with pytest.raises(BadInput, match="did you mean symbolic/kepler"):
        await adiscover("symbolic/keplr", policy=policy)
    with pytest.raises(BadInput, match="give the name of one"):
        await adiscover(3, policy=policy)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="the problem itself is the evaluator"):
        await adiscover("tsp/6/0", policy=policy, evaluator=len)
    with pytest.raises(BadInput, match="at least 1"):
        await adiscover("tsp/6/0", blueprint="best-of-n", policy=policy, evaluations=0)
    with pytest.raises(BadInput, match="does not count candidates"):
        await adiscover("tsp/6/0", blueprint="mcts", policy=policy, evaluations=3)
    assert policy.samples == 0


def test_a_search_is_cut_to_so_many_candidates() -> None:
    assert sized(blueprints.load("best-of-n"), 7).scheme.strategy.limits().root_width == 7
    opro = blueprints.load("best-of-n").with_overrides({"scheme.structure": "dag", "scheme.strategy": {"name": "opro"}})
    strategy = sized(opro, 101).scheme.strategy.model_dump()
    assert (strategy["starts"], strategy["steps"], strategy["per_step"]) == (5, 12, 8)
    assert sized(opro, 3).scheme.strategy.model_dump()["starts"] == 3


async def test_a_budget_ends_a_search_and_what_was_found_stands() -> None:
    given = problem("tsp/6/0")
    found = await adiscover(
        given, blueprint="best-of-n", policy=scripted_proposer(given), budget=Budget(calls=5), concurrency=1
    )
    assert found.result.stop_reason == "budget:calls"
    assert found.evaluations == 5
    again = await adiscover(
        given, blueprint="best-of-n", policy=scripted_proposer(given), budget=Budget(calls=5), concurrency=1
    )
    assert again.result.trace == found.result.trace


def test_the_scripted_proposer_finds_what_a_prompt_shows() -> None:
    task = problem("symbolic/kepler").task
    programs = [
        "def equation(axis, mass, params):\n    return params[0] * axis",
        "def equation(a, b, params): return a",
    ]
    for make in (improving, versions):
        turns = make(step.Path(task), [Shown(program, "-0.5", "a remark") for program in programs])
        assert shown_in(turns[-1].content) == programs
    assert shown_in(task.question) == []


@pytest.mark.parametrize(
    ("name", "strategy"), [("linear-regression/0", OPRO), ("tsp/8/0", OPRO), ("symbolic/pendulum", ISLANDS)]
)
async def test_search_over_shown_candidates_gets_further_than_its_starts(name: str, strategy: dict[str, Any]) -> None:
    given = problem(name)
    plan = {**strategy, "operators": {"aggregate": {"prompt": "improve" if strategy is OPRO else "versions"}}}
    found = await adiscover(given, blueprint=plan, policy=scripted_proposer(given), concurrency=1, seed=1)
    starts = strategy["scheme"]["strategy"]["starts"] * strategy["scheme"]["strategy"].get("islands", 1)
    assert found.objective is not None
    assert is_better(found.objective, found.curve[starts - 1], given.sense)
    assert any(isinstance(event, Grown) and event.op == "aggregate" for event in found.result.trace)


def test_a_problem_of_ones_own_is_small() -> None:
    class Parabola(Measured):
        name = "parabola"
        task = Task("Find a number near its best value.")

        def measure(self, candidate: str) -> Score:
            try:
                x = float(candidate)
            except ValueError as error:
                raise ScoreError("the candidate is no number") from error
            loss = (x - 3) ** 2
            return Score(1 / (1 + loss), scores=(loss,))

        def report(self, answer: str) -> dict[str, object]:
            return {"distance": abs(float(answer) - 3)}

        def classical(self, evaluations: int, seed: int) -> list[float]:
            return [0.0] * evaluations

    found = discover(Parabola(), blueprint="best-of-n", evaluations=3, policy=ScriptedPolicy("Answer: 3"))
    assert found.held_out == {"distance": 0}
    with pytest.raises(BadInput, match="needs both"):
        scripted_proposer(Parabola())


def test_names_make_problems_and_nonsense_does_not() -> None:
    assert {name.partition("/")[0] for name in names()} == {
        "linear-regression", "tsp", "symbolic", "program", "hypothesis", "reaction",
    }  # fmt: skip
    assert problem("tsp").name == "tsp/10/0"
    assert problem("linear-regression/3").name == "linear-regression/3"
    for name in ("", "tsp/x", "tsp/1/2/3", "symbolic", "program/x", "hypothesis/x/y", "linear-regression/-1", "yes"):
        with pytest.raises(BadInput, match="unknown problem"):
            problem(name)


async def test_the_curve_is_read_off_the_trace() -> None:
    found = await adiscover(
        "linear-regression/0", blueprint="best-of-n", evaluations=4, policy=ScriptedPolicy(PAIRS), concurrency=1
    )
    settled = measurements(found.result.trace)
    assert [math.isnan(one.objective) for one in settled] == [False, True, False, False]
    assert tuple(best_so_far(settled, "min")) == found.curve
    assert best_measured([], "min") is None


async def test_what_nested_runs_measured_counts() -> None:
    """Restarts (OPRO, appendix): whole searches side by side, the best of them answers."""
    opro = {"blueprint": "opro", "calls": 13}
    plan = blueprints.load("best-of-n").with_overrides({"operators.generate.nested": opro, "scheme.strategy.n": 3})
    regression = problem("linear-regression/1")
    found = await adiscover(regression, blueprint=plan, policy=scripted_proposer(regression))
    assert found.result.usage.calls == 3 * 13
    assert found.evaluations == len(found.classical) == 3 * 13 + 3, "each restart's answer is measured once more"
    assert found.objective == min(found.curve)
    assert found.best == found.result.answer


class Shaky(Measured):
    """A problem whose author erred: in its report, or in its classical method."""

    name = "shaky"
    task = Task("Give a number.")
    wrong = "report"

    def measure(self, candidate: str) -> Score:
        return Score(0.5, scores=(float(candidate),))

    def report(self, answer: str) -> dict[str, object]:
        return {} if self.wrong != "report" else {"share": 1 / 0}

    def classical(self, evaluations: int, seed: int) -> list[float]:
        if self.wrong == "classical":
            raise NotImplementedError("to be written")
        return [0.0] * evaluations


def test_an_error_in_a_report_costs_nobody_what_was_found() -> None:
    found = discover(Shaky(), blueprint="best-of-n", evaluations=2, policy=ScriptedPolicy("Answer: 3"))
    assert (found.best, found.held_out) == ("3", {"failed": "ZeroDivisionError: division by zero"})


def test_a_classical_method_that_cannot_run_is_known_before_anything_is_paid() -> None:
    shaky, policy = Shaky(), ScriptedPolicy("Answer: 3")
    shaky.wrong = "classical"
    with pytest.raises(NotImplementedError):
        discover(shaky, blueprint="best-of-n", evaluations=2, policy=policy)
    assert not policy.requests
    assert discover(shaky, blueprint="best-of-n", evaluations=2, policy=policy, classical=False).best == "3"
