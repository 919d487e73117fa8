from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from tests.support.engine import Oracle, search
from tests.support.virtual_time import run_virtually

from reflectree.apps.endpoint.metrics import Metrics
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.usage import Usage


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every value by its name and its labels, in the order of their names."""
    return {
        (
            sample.name.removeprefix("reflectree_endpoint_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(metrics.text())
        for sample in family.samples
    }


def test_everything_is_counted() -> None:
    metrics = Metrics(lambda: 3, lambda: 2)
    result = run_virtually(search(Oracle()))
    metrics.on_request("/v1/models", 200, 0.02)
    metrics.on_request("/v1/models", 200, 0.5)
    metrics.on_run("ann", "mcts", result)
    metrics.on_error(BadInput("no"))
    metrics.on_refused("rate_limit_exceeded", "ann")
    metrics.on_cancelled()
    metrics.on_recovered()
    metrics.on_attached()
    found = samples(metrics)
    assert found["requests_total", "/v1/models", "200"] == 2
    assert found["request_seconds_sum", "/v1/models"] == 0.52
    assert found["request_seconds_bucket", "0.025", "/v1/models"] == 1
    assert found["runs_total", "mcts", result.stop_reason] == 1
    assert found["run_seconds_count", "mcts"] == 1
    assert found["model_calls_total", "mcts", "ann"] == result.usage.calls > 0
    assert found["tokens_total", "mcts", "ann", "prompt"] == result.usage.prompt_tokens > 0
    assert found["tokens_total", "mcts", "ann", "completion"] == result.usage.completion_tokens
    assert found["run_errors_total", "BadInput"] == 1
    assert found["refused_total", "ann", "rate_limit_exceeded"] == 1
    assert (found["cancelled_total",], found["recovered_total",], found["attached_total",]) == (1, 1, 1)
    assert (found["requests_in_flight",], found["runs_under_way",]) == (3, 2)


def test_what_runs_without_a_result_have_cost_is_counted_too() -> None:
    metrics = Metrics(lambda: 0, lambda: 0)
    metrics.on_spent("ann", "mcts", Usage(3, 2, 40, 5, 0.25))
    metrics.on_spent("ann", "mcts", Usage(1, 0, 10, 5, None))
    found = samples(metrics)
    assert (found["model_calls_total", "mcts", "ann"], found["model_calls_failed_total", "mcts"]) == (4, 2)
    assert found["tokens_total", "mcts", "ann", "prompt"] == 50
    assert found["tokens_total", "mcts", "ann", "completion"] == 10
    assert found["usd_total", "mcts", "ann"] == 0.25
    assert not any(name[0] == "runs_total" for name in found)


def test_two_servers_count_apart() -> None:
    one, other = Metrics(lambda: 0, lambda: 0), Metrics(lambda: 0, lambda: 0)
    one.on_cancelled()
    assert samples(other)["cancelled_total",] == 0
