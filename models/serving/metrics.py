"""What the server counts, for Prometheus: requests, batches, waits, tokens. One registry a server, none global."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from reflectree.models.serving.engine import Batch

CONTENT_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The counters of one server.

    Args:
        depth: Says how many items wait.
    """

    def __init__(self, depth: Callable[[], int], in_flight: Callable[[], int]) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = Counter("reflectree_requests", "Requests answered.", ["endpoint", "status"], registry=registry)
        self._request_seconds = Histogram(
            "reflectree_request_seconds", "Seconds a request took.", ["endpoint"], buckets=_SECONDS, registry=registry
        )
        self._items = Counter("reflectree_items", "Items scored.", registry=registry)
        self._tokens = Counter("reflectree_tokens", "Tokens of scored items.", registry=registry)
        self._cached = Counter(
            "reflectree_cached_tokens", "Tokens not computed again, because a prefix was known.", registry=registry
        )
        self._splits = Counter(
            "reflectree_split_batches", "Batches in halves, for the whole did not fit.", registry=registry
        )
        self._sizes = Histogram(
            "reflectree_batch_items", "Items a pass through the model.", buckets=_SIZES, registry=registry
        )
        self._waits = Histogram(
            "reflectree_queue_seconds", "Seconds an item waited for its turn.", buckets=_SECONDS, registry=registry
        )
        self._forward = Histogram(
            "reflectree_forward_seconds", "Seconds a pass took.", buckets=_SECONDS, registry=registry
        )
        waiting = Gauge("reflectree_queue_depth", "Items that wait.", registry=registry)
        waiting.set_function(depth)
        under_way = Gauge("reflectree_requests_in_flight", "Scoring requests not answered yet.", registry=registry)
        under_way.set_function(in_flight)

    def on_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(endpoint, str(status)).inc()
        self._request_seconds.labels(endpoint).observe(seconds)

    def on_batch(self, batch: Batch) -> None:
        """Count a pass through the model; called on its thread."""
        self._items.inc(batch.items)
        self._tokens.inc(batch.tokens)
        self._cached.inc(batch.cached)
        self._splits.inc(batch.split)
        self._sizes.observe(batch.items)
        self._forward.observe(batch.seconds)
        for seconds in batch.waits:
            self._waits.observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)
