"""Teams from end to end with scripted models: what they ask, what is reported, and sampling at equal tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import QUICK
from tests.support.virtual_time import run_virtually

from reflectree.graphs import blueprints
from reflectree.graphs.teams import TeamReport, aconvene, cast, convene, messages
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelRejected, TransientModelError

QUESTION = "What is 6 times 7?"
SHORT = {"operators.generate.max_tokens": 16}


def held(task: Any = QUESTION, blueprint: Any = "debate", policy: Any = "", **options: Any) -> TeamReport:
    """A team's run, with room for short replies only."""
    plan = blueprints.load(blueprint).with_overrides(SHORT)
    return run_virtually(aconvene(task, plan, policy=policy, retries=QUICK, concurrency=1, **options))


def read(request: Request) -> list[str]:
    """The answers of others that a request shows."""
    shown = request.messages[-1].content.split("<problem>")[0]
    return [part.split()[0] for part in shown.split("Answer: ")[1:] if part[:2].isdigit()]


def following(first: list[str]) -> ScriptedPolicy:
    """A policy whose first replies are given, and which then takes what most of the others say."""

    def say(request: Request, sample: int) -> str:
        others = read(request)
        if others:
            return f"They say {', '.join(others)}.\nAnswer: {max(others, key=others.count)}"
        return f"I count.\nAnswer: {first[sample % len(first)]}"

    return ScriptedPolicy(say)


def test_a_debate_brings_one_agent_round_and_is_reported_in_words() -> None:
    report = held(policy=following(["42", "42", "41"]), verifier=verifiers.numeric(42))
    assert report.result.answer == "42"
    assert report.result.selected_correct
    assert [(said.member, said.round, said.answer) for said in report.messages] == [
        ("agent-1", 1, "42"),
        ("agent-2", 1, "42"),
        ("agent-3", 1, "41"),
        ("agent-1", 2, "42"),
        ("agent-2", 2, "42"),
        ("agent-3", 2, "42"),
    ]
    assert [said.reads for said in report.messages[3:]] == [(1, 2, 3), (2, 1, 3), (3, 1, 2)]
    assert [(share.member, share.turns, share.failed) for share in report.shares] == [
        ("agent-1", 2, 0),
        ("agent-2", 2, 0),
        ("agent-3", 2, 0),
    ]
    assert sum(share.usage.tokens for share in report.shares) == report.result.usage.tokens
    words = str(report)
    assert "[2] agent-3 (reads 3, 1, 2): They say 42, 42. Answer: 42" in words
    assert "team: 42, right (" in words
    assert "self-consistency: 42, right (" in words


def test_self_consistency_has_as_many_tokens_and_no_more() -> None:
    report = held(policy=following(["42", "41", "41"]))
    assert report.alone is not None
    bill, alone = report.result.usage.tokens, report.alone.usage.tokens
    assert alone <= bill
    assert bill - alone < 16 + 60, "what is left would not pay for another sample"
    assert report.alone.stop_reason == "budget:tokens"
    assert report.alone.trace.began is not None
    assert report.alone.trace.began.blueprint["scheme"]["strategy"] == {
        "name": "self-consistency",
        "confidence": 1.0,
        "n": None,
    }
    assert report.agrees is (report.alone.answer == report.result.answer)


def test_a_mixture_answers_with_its_aggregator() -> None:
    report = held(blueprint="moa", policy=following(["42", "41", "42", "40"]))
    assert [said.member for said in report.messages][-1] == "aggregator"
    assert report.result.usage.calls == 9
    assert report.result.answer == "42"
    answered = report.result.trace.answered
    assert answered is not None
    assert answered.node == 9


def test_a_proposer_that_fails_is_said_and_tolerated() -> None:
    def say(request: Request, sample: int) -> str | Exception:
        return TransientModelError("503") if request.seed == broken else "I count.\nAnswer: 42"

    broken: int | None = None
    probe = ScriptedPolicy("I count.\nAnswer: 42")
    held(blueprint="moa", policy=probe)
    broken = probe.requests[1].seed
    report = held(blueprint="moa", policy=ScriptedPolicy(say))
    assert report.result.answer == "42"
    (failed,) = (said for said in report.messages if said.problem)
    assert (failed.member, failed.round, failed.node) == ("proposer-2", 1, -1)
    assert next(share for share in report.shares if share.member == "proposer-2").failed == 1
    assert "[1] proposer-2: nothing came: 503" in str(report)
    assert [said.reads for said in report.messages if said.round == 2] == [(1, 2, 3)] * 4


def roles(scores: list[int]) -> ScriptedPolicy:
    """Plays all roles: the score of each solution in turn."""
    given = iter(scores)

    def say(request: Request, sample: int) -> str:
        system, asked = request.messages[0].content, request.messages[-1].content
        if request.json_schema:
            return json.dumps({"reason": "so", "score": next(given)})
        if system.startswith("You are a strict reviewer"):
            return "Verdict: wrong\nOff by one."
        if system.startswith("You revise"):
            assert "Off by one." in asked or "Person: " in asked
            return "Six sevens.\nAnswer: 42"
        return "1. Multiply." if "only a plan" in asked else "Six sixes.\nAnswer: 41"

    return ScriptedPolicy(say)


def test_a_role_team_revises_until_the_verifier_is_satisfied() -> None:
    policy = roles([1, 10])
    report = held(blueprint="role-team", policy=policy, models={"critic": policy})
    assert (report.result.answer, report.result.stop_reason) == ("42", "confidence")
    assert [said.member for said in report.messages] == ["planner", "solver", "verifier", "critic", "verifier"]
    words = str(report)
    assert "[2] verifier (reads 2): 0.00 -> so" in words
    assert "[3] critic (reads 2): Verdict: wrong Off by one. -> Six sevens. Answer: 42" in words


def test_a_role_team_without_a_critic_is_refused_before_it_costs() -> None:
    policy = roles([])
    with pytest.raises(BadInput, match="critic"):
        held(blueprint="role-team", policy=policy)
    assert not policy.requests


def test_every_member_may_have_a_model_of_its_own() -> None:
    plain, other = following(["41"]), ScriptedPolicy("I know.\nAnswer: 42", name="other")
    report = held(policy=plain, models={"agent-2": other})
    assert len(other.requests) == 2
    assert [said.answer for said in report.messages] == ["41", "42", "41", "42", "42", "41"]
    third = held(policy=following(["41"]), models={"agent-2": other, "agent-3": other})
    assert third.result.answer == "42"

    people = {name: roles([1, 10]) for name in ("planner", "solver", "verifier", "critic")}
    report = held(blueprint="role-team", policy=ScriptedPolicy("no.\nAnswer: 0"), models=people)
    assert report.result.answer == "42"
    assert {name: len(model.requests) for name, model in people.items()} == {
        "planner": 1,
        "solver": 2,
        "verifier": 2,
        "critic": 1,
    }


def test_casting_leaves_what_has_a_model_and_what_is_no_member() -> None:
    debate = blueprints.load("debate")
    assert cast(debate, ["critic", "agent-9"]) == debate
    once = cast(debate, ["agent-1"])
    assert once.operators.generate.variant("agent-1").model == "agent-1"
    assert once.operators.aggregate.variant("agent-1").prompt == "debate"
    set_before = debate.with_overrides({"operators.generate.variants": {"agent-1": {"model": "mine"}}})
    assert cast(set_before, ["agent-1"]).operators.generate.variant("agent-1").model == "mine"


def own_team() -> Blueprint:
    return Blueprint.parse(
        {
            "name": "mine",
            "scheme": {
                "structure": "dag",
                "granularity": "solution",
                "strategy": {
                    "name": "team",
                    "members": [
                        {"id": "left", "variant": "terse"},
                        {"id": "right", "variant": "terse"},
                        {"id": "chair", "reads": ["left", "right"]},
                    ],
                },
            },
            "operators": {
                "generate": {"max_tokens": 16, "variants": {"terse": {"instruction": "Be terse."}}},
                "aggregate": {"prompt": "layer", "variants": {"chair": {"instruction": "Decide."}}},
            },
            "selection": "majority",
        }
    )


def test_a_team_of_ones_own() -> None:
    policy = following(["42", "41"])
    report = held(blueprint=own_team(), policy=policy)
    assert [said.member for said in report.messages] == ["left", "right", "chair"]
    team_requests = policy.requests[:3]
    assert ["Be terse." in request.messages[-1].content for request in team_requests] == [True, True, False]
    assert "Decide." in team_requests[2].messages[-1].content
    assert report.messages == messages(report.result.trace)


def test_what_is_no_team_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="cot is no team"):
        held(blueprint="cot", policy=following(["42"]))


def test_a_report_is_plain_data() -> None:
    report = held(policy=following(["42", "42", "41"]), run_id="r")
    data = json.loads(json.dumps(report.to_json("trace.jsonl")))
    assert data["team"]["trace"] == "trace.jsonl"
    assert data["self_consistency"]["run_id"] == "r-alone"
    assert data["agrees"] is True
    assert [share["turns"] for share in data["members"]] == [2, 2, 2]
    assert data["messages"][3]["reads"] == [1, 2, 3]


def test_a_budget_that_ends_early_leaves_the_best_so_far() -> None:
    report = held(policy=following(["42", "42", "41"]), budget=Budget(calls=4))
    assert report.result.stop_reason == "budget:calls"
    assert report.result.answer == "42"
    nothing = held(policy=following(["42"]), budget=Budget(calls=0))
    assert (nothing.result.answer, nothing.alone, nothing.agrees) == (None, None, None)


def test_a_finished_team_is_not_paid_again(tmp_path: Path) -> None:
    saved = tmp_path / "runs.db"
    policy = following(["42", "41", "42"])
    plan = blueprints.load("debate").with_overrides(SHORT)
    options: dict[str, Any] = {"policy": policy, "checkpoint": saved, "run_id": "r", "concurrency": 1}
    first = convene(QUESTION, plan, **options)
    paid = len(policy.requests)
    again = convene(QUESTION, plan, **options)
    assert len(policy.requests) == paid
    assert again.messages == first.messages
    assert again.alone is not None
    assert first.alone is not None
    assert again.alone.trace == first.alone.trace


def test_a_model_that_fails_in_the_baseline_costs_nobody_the_teams_answer() -> None:
    spoken: list[int] = []

    def say(request: Request, sample: int) -> str | Exception:
        spoken.append(sample)
        return "I count.\nAnswer: 42" if len(spoken) <= 6 else ModelRejected("the key has expired", status=401)

    report = held(policy=ScriptedPolicy(say))
    assert (report.result.answer, report.alone) == ("42", None)
    assert "the key has expired" in report.problem
    assert "self-consistency: not measured: " in str(report)


def test_a_person_takes_part() -> None:
    policy = roles([10])
    plan = blueprints.load("role-team").with_overrides({"scheme.strategy.ask_person": True})
    report = held(blueprint=plan, policy=policy, models={"critic": policy}, person=lambda question: "seven, not six")
    assert [said.member for said in report.messages] == ["planner", "solver", "verifier", "human", "person"]
    assert "human (reads 2): seven, not six" in str(report)
    assert report.result.answer == "42"


def test_a_team_is_written_and_read_again_as_yaml(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(blueprints.dump(own_team()))
    assert blueprints.load(file) == own_team()


class Cautious(ScriptedPolicy):
    """As a model behind an endpoint: of its prompts it knows the bytes alone."""

    def prompt_bound(self, request: Request) -> int:
        return sum(len(message.content.encode()) for message in request.messages)


def test_what_a_model_cannot_know_of_its_prompts_leaves_the_baseline_no_poorer() -> None:
    report = held(policy=Cautious("I count.\nAnswer: 42", name="cautious"))
    assert report.alone is not None
    one = report.alone.usage.tokens // report.alone.usage.calls
    assert report.result.usage.tokens - report.alone.usage.tokens < 2 * one
    assert report.alone.usage.tokens <= report.result.usage.tokens
    assert report.alone.stop_reason == "budget:tokens"
