"""Every built-in blueprint on models that misbehave: the run ends, the bill is right, and what failed is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.bad_models import BAD, THREADED, Saying, Speaker, good, mixture, reasoned
from tests.support.engine import value_of

from reflectree.agents.prompts import ACT, SOLVE
from reflectree.graphs import blueprints
from reflectree.graphs.result import Result
from reflectree.models.base import Choice, Request
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Enriched, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.trace import Trace

CAP = 24
ENDS = {"complete", "confidence", "consensus", "stopped", "budget:calls"}
UNUSABLE = {
    "loop": (
        "is no command",
        "repeats itself",
        "cut at max_tokens",
        "lists no sub-questions",
        "holds no action",
        "neither code nor",
    ),
    "chinese": ("another language", "lists no sub-questions", "holds no action", "neither code nor"),
    "empty": ("is empty", "proposes nothing"),
    "cut": ("cut at max_tokens", "proposes nothing", "holds no action"),
}
"""What is said of models none of whose replies is a step."""

every_blueprint = pytest.mark.parametrize("name", blueprints.names())


def all_events(trace: Trace) -> Iterator[Event]:
    """The events of a trace and of the runs nested in it."""
    for event in trace:
        yield event
        if isinstance(event, Grown) and event.run:
            yield from all_events(Trace.from_rows(event.trace, run_id=event.run))


def hold(result: Result, policy: Speaker, cap: int = CAP) -> list[Failed]:
    """What holds of every run, however its model behaves; returns what came to nothing."""
    assert result.trace.verify() == []
    assert result.stop_reason in ENDS
    assert result.usage.calls == policy.made <= cap
    assert result.usage.completion_tokens == sum(reply.usage.completion_tokens for reply in policy.replies)
    failures = [event for event in result.trace if isinstance(event, Failed)]
    for failure in failures:
        assert failure.reason.strip(), "a failure without a reason"
        assert "\n" not in failure.reason
        assert len(failure.reason) < 300
    return failures


@every_blueprint
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_model_costs_its_budget_and_no_more(name: str, kind: str) -> None:
    policy = Speaker(BAD[kind], latency=lambda number: number % 3 / 100)
    failures = hold(reasoned(name, policy), policy)
    assert policy.made
    if kind in UNUSABLE and name != "marco-o1":  # whose mini-steps are cut by nature
        assert failures
        if name != "forest":  # whose failures are those of whole runs
            for failure in failures:
                assert any(words in failure.reason for words in UNUSABLE[kind]), failure.reason


@every_blueprint
@pytest.mark.parametrize("kind", ["loop", "chinese", "empty"])
def test_nothing_unusable_becomes_a_step_or_an_answer(name: str, kind: str) -> None:
    policy = Speaker(BAD[kind])
    result = reasoned(name, policy)
    assert result.nodes == 0
    assert result.answer is None
    assert not [event for event in result.trace if isinstance(event, Evaluated)]


def late(saying: Saying) -> Saying:
    """Good where the task is to be solved, bad at critiques, rewrites, merges, comparisons and reflections."""

    def say(request: Request) -> Choice | Exception:
        return good(request) if request.messages[0].content in (SOLVE, ACT) else saying(request)

    return say


@every_blueprint
@pytest.mark.parametrize("kind", ["loop", "chinese", "empty", "cut"])
def test_a_model_that_can_only_solve_still_solves(name: str, kind: str) -> None:
    """Bad rewrites, merges and lessons are failed calls; what was solved before them is not lost."""
    policy = Speaker(late(BAD[kind]))
    result = reasoned(name, policy, evaluator=value_of, budget=Budget(calls=60))
    hold(result, policy, 60)
    assert result.answer is not None
    spoilt = ("the the the", "首先")
    for event in all_events(result.trace):
        if isinstance(event, Grown | Enriched):
            assert not any(words in event.text for words in spoilt)


@every_blueprint
def test_good_replies_among_bad_ones_still_lead_to_an_answer(name: str) -> None:
    answered = 0
    seeds = range(3 if name in THREADED else 5)
    for seed in seeds:
        policy = Speaker(mixture(seed), latency=lambda number: number * 7 % 5 / 100)
        result = reasoned(name, policy, budget=Budget(calls=64), evaluator=value_of, seed=seed)
        hold(result, policy, 64)
        answered += result.answer is not None
    assert answered > len(seeds) / 2


@pytest.mark.parametrize("name", sorted(set(blueprints.names()) - THREADED))
def test_a_model_that_hangs_is_cut(name: str) -> None:
    """One request in three never comes back: its time-out cuts it, the others go on."""
    policy = Speaker(latency=lambda number: 1e6 if number % 3 == 1 else 0.01)
    result = reasoned(name, policy)
    assert result.trace.verify() == []
    assert result.stop_reason in ENDS
    assert result.usage.calls == policy.made <= CAP
    assert policy.flying == 0


@pytest.mark.parametrize("n", [2, 5])
def test_thoughts_that_come_together_become_a_chain_each(n: int) -> None:
    """Several replies with a visible thought arrive at once: each becomes steps of its own, in turn."""
    policy = Speaker()
    blueprint = blueprints.load("implicit").with_overrides({"scheme.strategy.n": n})
    result = reasoned("implicit", policy, blueprint=blueprint)
    hold(result, policy)
    steps = [event for event in result.trace if isinstance(event, Grown) and event.op == "restructure"]
    assert len(steps) == 2 * n
    assert result.stop_reason == "complete"
