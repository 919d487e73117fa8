"""Law 6: an unusable reply is one retry, then a `failed` event; never a wrong score, the run's end or a hang."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.engine import SECOND_TRY, Oracle, faults, search, tree, value_of
from tests.support.virtual_time import run_virtually

from reflectree.agents.evaluators import judge, rollouts
from reflectree.models.base import Choice, Reply, Request
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import Usage

BAD = ["empty", "truncated", "thought only", "refused"]


@pytest.mark.parametrize("kind", BAD)
def test_one_second_try_then_failed(kind: str) -> None:
    """Everything fails: as many failed events as the root has room for, two requests each, and no answer."""
    policy = Oracle(faults([kind]))
    result = run_virtually(search(policy))
    failures = [event for event in result.trace if isinstance(event, Failed)]
    assert len(failures) == 3
    assert all(failure.reason and failure.usage.calls == failure.usage.failed_calls == 2 for failure in failures)
    calls = Counter(seed & ~SECOND_TRY for seed in policy.asked)
    assert len(policy.requests) == 6
    assert max(calls.values()) == 2
    assert (result.answer, result.nodes, result.stop_reason) == (None, 0, "complete")
    assert result.usage.failed_calls == 6


@pytest.mark.parametrize(("kind", "factor"), [("empty", 1), ("truncated", 2), ("thought only", 4), ("refused", 1)])
def test_a_reply_cut_short_gets_more_room(kind: str, factor: int) -> None:
    policy = Oracle(faults([kind, "ok"]))
    run_virtually(search(policy, concurrency=1))
    first, second = policy.requests[:2]
    assert second.max_tokens == first.max_tokens * factor
    assert second.seed != first.seed


@pytest.mark.parametrize("kind", BAD)
def test_the_second_try_may_succeed(kind: str) -> None:
    policy = Oracle(faults([kind, "ok"]))
    result = run_virtually(search(policy, concurrency=1))
    assert not [event for event in result.trace if isinstance(event, Failed)]
    assert result.usage.calls == len(policy.requests)
    assert all(event.usage.calls == 2 for event in result.trace if isinstance(event, Grown))


def test_transient_faults_are_tried_again_and_then_fail_their_call_only() -> None:
    def say(request: Request, number: int) -> Any:
        return faults(["transient"])(request, number) if number < 4 else "Answer: 7"

    policy = Oracle(say)
    result = run_virtually(search(policy, blueprint=tree(root_width=2), concurrency=1))
    assert [type(event).__name__ for event in result.trace][1] == "Failed"
    first = result.trace[1]
    assert isinstance(first, Failed)
    assert (first.usage.calls, first.usage.failed_calls) == (3, 3)
    assert result.answer == "7"
    assert result.usage.calls == len(policy.requests)


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from([*BAD, "ok", "ok", "transient"]), min_size=1, max_size=9),
    st.integers(1, 9),
    st.lists(st.floats(0, 200), min_size=1, max_size=5),
)
def test_any_mixture_of_faults_ends_without_a_wrong_score(
    kinds: list[str], concurrency: int, latencies: list[float]
) -> None:
    """Latencies reach beyond the time-out of 120 s: such a call is cut. The virtual clock makes a hang an error."""
    policy = Oracle(faults(kinds), latency=lambda number: latencies[number % len(latencies)])
    scored: list[str] = []

    def evaluator(path: Path) -> float:
        scored.append(path.steps[-1].text)
        return value_of(path)

    result = run_virtually(search(policy, concurrency=concurrency, evaluator=evaluator))
    assert result.stop_reason == "complete"
    assert result.trace.verify() == []
    assert not {"half a th", "", "I cannot"} & set(scored)
    assert result.usage.calls == len(policy.requests)


def test_a_call_that_hangs_is_cut_by_its_time_out() -> None:
    policy = Oracle(latency=lambda number: 1e6 if number == 1 else 0.0)
    result = run_virtually(search(policy, concurrency=2))
    assert result.stop_reason == "complete"
    assert result.usage.failed_calls == 1
    assert result.usage.calls == len(policy.requests)


class Strange(Oracle):
    """A policy whose replies break its contract."""

    def __init__(self, choices: tuple[Choice, ...]) -> None:
        super().__init__()
        self.choices = choices

    def _reply(self, request: Request, number: int) -> Reply:
        return Reply(self.choices, Usage(1, 0, 1, 1, 0.0))


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_and_too_many_choices(count: int) -> None:
    result = run_virtually(search(Strange((Choice("step"),) * count), blueprint=tree(depth=1)))
    assert result.stop_reason == "complete"
    assert result.nodes == (3 if count else 0)


@pytest.mark.parametrize("logprobs", [(-1e4,), (-math.inf,), (math.nan,), (1e3,), (), (-math.inf, math.inf)])
def test_strange_log_probabilities_do_not_end_the_run(logprobs: tuple[float, ...]) -> None:
    blueprint = tree().with_overrides({"operators.generate.priors": True})
    policy = Oracle(lambda request, number: Choice(f"step {number}", "stop", logprobs))
    result = run_virtually(search(policy, blueprint=blueprint))
    assert result.stop_reason == "complete"
    priors = [event.prior for event in result.trace if isinstance(event, Grown)]
    assert all(prior is None or 0 < prior <= 1 for prior in priors)


class Boom(Exception):
    pass


def raising(path: Path) -> float:
    raise Boom("no idea")


async def raising_late(path: Path) -> float:
    raise Boom("no idea")


def bad_score(value: object) -> Any:
    return lambda path: value


@pytest.mark.parametrize(
    "evaluator",
    [raising, raising_late, *map(bad_score, [math.nan, math.inf, -0.1, 1.1, "high", None, [], object()])],
    ids=str,
)
def test_an_evaluator_that_cannot_score_fails_its_node_and_nothing_else(evaluator: Any) -> None:
    def sometimes(path: Path) -> Any:
        return evaluator(path) if path.steps[-1].text == "step 1" else 0.5

    async def sometimes_late(path: Path) -> Any:
        return await evaluator(path) if path.steps[-1].text == "step 1" else 0.5

    chosen = sometimes_late if evaluator is raising_late else sometimes
    policy = Oracle(lambda request, number: f"step {number}" if number < 4 else "Answer: 7")
    result = run_virtually(search(policy, evaluator=chosen))
    failures = [event for event in result.trace if isinstance(event, Failed)]
    assert [(failure.of, failure.usage.calls) for failure in failures] == [("evaluate", 0)]
    assert result.answer == "7"
    node = failures[0].nodes[0]
    assert not [event for event in result.trace if isinstance(event, Evaluated) and event.node == node]
    assert not [event for event in result.trace if isinstance(event, Grown) and event.nodes == (node,)]


@pytest.mark.parametrize(
    "text", ["", "no number here", '{"score": 99}', '{"score": "NaN"}', "{", '{"score": null}', "[]"]
)
def test_a_judgement_that_cannot_be_read_is_one_retry_then_failed(text: str) -> None:
    def say(request: Request, number: int) -> str:
        return text if request.json_schema else f"step {number}"

    policy = Oracle(say)
    result = run_virtually(search(policy, evaluator=judge(), blueprint=tree(depth=2)))
    failures = [event for event in result.trace if isinstance(event, Failed)]
    assert {failure.of for failure in failures} == {"evaluate"}
    assert all(failure.usage.calls == 2 for failure in failures)
    assert len(failures) == result.nodes == 3
    assert result.usage.calls == len(policy.requests) == 9


def test_rollouts_without_an_answer_fail_their_node() -> None:
    policy = Oracle(lambda request, number: f"step {number} of no end")
    result = run_virtually(search(policy, evaluator=rollouts(2), blueprint=tree(distinct=False)))
    assert {event.of for event in result.trace if isinstance(event, Failed)} == {"evaluate"}
    assert result.stop_reason == "complete"


def test_a_model_that_rejects_ends_the_run_with_the_best_so_far() -> None:
    def say(request: Request, number: int) -> Any:
        return faults(["rejected"])(request, number) if number > 5 else f"Answer: {number}"

    result = run_virtually(search(Oracle(say), blueprint=tree(root_width=20), concurrency=2))
    assert result.stop_reason == "model:ModelRejected"
    assert result.answer is not None


def test_a_model_that_rejects_at_once_is_an_error() -> None:
    from reflectree.rlm_ops.errors import ModelRejected

    policy = Oracle(faults(["rejected"]))
    with pytest.raises(ModelRejected, match="wrong key"):
        run_virtually(search(policy, concurrency=1))
    assert len(policy.requests) == 1


class Unsure:
    """A verifier with a defect, of no declared kind."""

    name = "unsure"

    def __init__(self, gold: bool) -> None:
        self.gold = gold

    def score(self, answer: str) -> float:
        raise Boom("cannot judge")


@pytest.mark.parametrize("gold", [True, False])
@pytest.mark.parametrize("selection", ["value", "verified"])
def test_a_verifier_that_raises_does_not_lose_a_paid_search(gold: bool, selection: str) -> None:
    blueprint = tree().with_overrides({"selection": selection})
    result = run_virtually(
        search(Oracle(), verifier=Unsure(gold), blueprint=blueprint, oracle=True, evaluator=value_of)
    )
    assert result.answer is not None
    assert result.selected_correct is None
