"""What the endpoint counts, for Prometheus: requests, runs, what they spent and why some were refused.

One registry a server, none global. Keys stand here by name, never by value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from reflectree.graphs.result import Result
    from reflectree.rlm_ops.usage import Usage

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class Metrics:
    """The counters of one server.

    Args:
        in_flight: Says how many requests are not answered yet.
        under_way: Says how many runs are under way.
    """

    def __init__(self, in_flight: Callable[[], int], under_way: Callable[[], int]) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"reflectree_endpoint_{name}", about, labels, registry=registry)

        def seconds(name: str, about: str, label: str) -> Histogram:
            return Histogram(f"reflectree_endpoint_{name}", about, [label], buckets=_SECONDS, registry=registry)

        self._requests = counter("requests", "Requests answered.", "path", "status")
        self._request_seconds = seconds("request_seconds", "Seconds a request took.", "path")
        self._runs = counter("runs", "Runs that ended with a result.", "blueprint", "stop")
        self._run_seconds = seconds("run_seconds", "Seconds a run took.", "blueprint")
        self._calls = counter("model_calls", "Calls of models, failed ones included.", "blueprint", "key")
        self._failed = counter("model_calls_failed", "Calls of models that failed.", "blueprint")
        self._tokens = counter("tokens", "Tokens of models.", "blueprint", "key", "kind")
        self._usd = counter("usd", "Dollars spent on models, where their price is known.", "blueprint", "key")
        self._refused = counter("refused", "Requests refused by a limit.", "reason", "key")
        self._errors = counter("run_errors", "Runs that ended without a result.", "error")
        self._cancelled = counter("cancelled", "Runs given up because their client hung up.")
        self._recovered = counter("recovered", "Runs gone on with after a restart.")
        self._attached = counter("attached", "Requests answered by a run that was already there.")
        for name, about, value in (
            ("requests_in_flight", "Requests not answered yet.", in_flight),
            ("runs_under_way", "Runs under way.", under_way),
        ):
            Gauge(f"reflectree_endpoint_{name}", about, registry=registry).set_function(value)
        self._children: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}
        self._of_runs: dict[tuple[str, ...], tuple[Counter, Histogram, Counter, Counter, Counter]] = {}

    def on_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        labels = (path, str(status))
        found = self._children.get(labels)
        if found is None:  # to look a child up by its labels takes longer than to count
            found = self._requests.labels(*labels), self._request_seconds.labels(path)
            self._children[labels] = found
        found[0].inc()
        found[1].observe(seconds)

    def on_run(self, key: str, blueprint: str, result: Result) -> None:
        """Count a run that ended with a result."""
        usage = result.usage
        labels = (key, blueprint, result.stop_reason.partition(" ")[0][:40])
        found = self._of_runs.get(labels)
        if found is None:  # as in `on_request`
            found = self._of_runs[labels] = (
                self._runs.labels(blueprint, labels[2]),
                self._run_seconds.labels(blueprint),
                self._calls.labels(blueprint, key),
                self._tokens.labels(blueprint, key, "prompt"),
                self._tokens.labels(blueprint, key, "completion"),
            )
        runs, seconds, calls, prompt, completion = found
        runs.inc()
        seconds.observe(result.wall_s)
        calls.inc(usage.calls)
        prompt.inc(usage.prompt_tokens)
        completion.inc(usage.completion_tokens)
        self._on_rest(key, blueprint, usage)

    def on_spent(self, key: str, blueprint: str, usage: Usage) -> None:
        """Count what a run cost that ended without a result."""
        self._calls.labels(blueprint, key).inc(usage.calls)
        self._tokens.labels(blueprint, key, "prompt").inc(usage.prompt_tokens)
        self._tokens.labels(blueprint, key, "completion").inc(usage.completion_tokens)
        self._on_rest(key, blueprint, usage)

    def _on_rest(self, key: str, blueprint: str, usage: Usage) -> None:
        if usage.failed_calls:
            self._failed.labels(blueprint).inc(usage.failed_calls)
        if usage.usd:
            self._usd.labels(blueprint, key).inc(usage.usd)

    def on_error(self, error: BaseException) -> None:
        """Count a run that ended without a result."""
        self._errors.labels(type(error).__name__).inc()

    def on_refused(self, reason: str, key: str) -> None:
        """Count a request that a limit refused."""
        self._refused.labels(reason, key).inc()

    def on_cancelled(self) -> None:
        """Count a run that was given up."""
        self._cancelled.inc()

    def on_recovered(self) -> None:
        """Count a run that goes on after a restart."""
        self._recovered.inc()

    def on_attached(self) -> None:
        """Count a request that found its run already there."""
        self._attached.inc()

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry).decode()
