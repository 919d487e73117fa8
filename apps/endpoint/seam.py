"""What the application needs of the service behind it: who may ask, which models there are, and how a run is begun."""

from __future__ import annotations

from typing import Any, Protocol

from reflectree.apps.endpoint.requests import Chat
from reflectree.apps.endpoint.running import Running, RunState
from reflectree.graphs.adapters.names import Offered
from reflectree.rlm_ops.budget import Budget


class BodyLimits(Protocol):
    """How much one request may send."""

    @property
    def body_bytes(self) -> int:
        """Most bytes of a body."""
        ...

    @property
    def body_seconds(self) -> float | None:
        """Seconds that it may take to arrive."""
        ...


class Service(Protocol):
    """What the application needs of the service behind it.

    Attributes:
        draining: The server was asked to end: nothing new is begun.
        in_flight: Requests under way.
    """

    draining: bool
    in_flight: int

    @property
    def offered(self) -> Offered:
        """The models that may be named."""
        ...

    @property
    def created(self) -> int:
        """Since when they are offered, in seconds since 1970."""
        ...

    @property
    def caps(self) -> Budget:
        """The most that one run may spend."""
        ...

    @property
    def limits(self) -> BodyLimits:
        """How much one request may send."""
        ...

    async def check_ready(self) -> None:
        """See that runs can be begun now.

        Raises:
            ApiError: The server is shutting down, or what it saves runs in cannot be used (503).
        """
        ...

    def key_of(self, authorization: str | None) -> Any:
        """Whose key it is.

        Raises:
            ApiError: There is none, or it is wrong (401).
        """
        ...

    async def start(self, chat: Chat, key: Any) -> Running:
        """Begin a run.

        Raises:
            ApiError: This key has used up what it may (429), or the run's name is taken (409).
        """
        ...

    async def run_state(self, run_id: str, key: Any) -> RunState | None:
        """What is known of a run of this key."""
        ...

    def metrics_text(self) -> str:
        """What was counted, for Prometheus."""
        ...

    def on_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        ...
