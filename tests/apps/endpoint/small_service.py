"""The smallest service that the application can stand on: runs with a scripted policy, one key, nothing kept."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reflectree.apps.endpoint.app import build_app
from reflectree.apps.endpoint.requests import Chat
from reflectree.apps.endpoint.running import LineOf, Running, RunState
from reflectree.graphs.adapters.names import Offered
from reflectree.graphs.adapters.replying import Replied, areply
from reflectree.graphs.live import OnEvent
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.http.errors import ApiError, shutting_down
from reflectree.models.http.running import DrainingServer, bind, on_a_thread
from reflectree.rlm_ops.budget import Budget


@dataclass(frozen=True)
class SmallLimits:
    body_bytes: int = 2**20
    body_seconds: float | None = 10.0


@dataclass
class SmallService:
    """Begins runs with what `policies` holds by name."""

    policies: dict[str, Any]
    blueprints: tuple[str, ...] = ("best-of-n", "cot", "mcts")
    caps: Budget = field(default_factory=lambda: Budget(calls=64))
    limits: SmallLimits = field(default_factory=SmallLimits)
    key: str | None = None
    line_of: LineOf | None = None
    created: int = 1_700_000_000
    draining: bool = False
    in_flight: int = 0
    runs: dict[str, Running] = field(default_factory=dict)
    chats: list[Chat] = field(default_factory=list)
    counted: list[tuple[str, int]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    server: DrainingServer | None = None
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def offered(self) -> Offered:
        return Offered(self.blueprints, tuple(self.policies))

    async def check_ready(self) -> None:
        if self.draining:
            raise shutting_down()

    def key_of(self, authorization: str | None) -> str:
        if self.key is not None and authorization != f"Bearer {self.key}":
            raise ApiError(401, "invalid_api_key", "this server asks for a key")
        return "someone"

    async def start(self, chat: Chat, key: Any) -> Running:
        run_id = chat.run_id or f"run-{next(self.numbers)}"

        async def work(on_event: OnEvent) -> Replied:
            return await areply(
                chat.messages,
                wants=chat.wants,
                blueprint=chat.plan(chat.blueprint),
                policy=self.policies[chat.policy],
                budget=chat.budget,
                seed=chat.seed,
                stop=chat.stop,
                run_id=run_id,
                on_event=on_event,
            )

        self.loop = asyncio.get_running_loop()
        self.chats.append(chat)
        running = Running(run_id, work, line_of=self.line_of, on_end=lambda: self.ended.append(run_id))
        self.runs[run_id] = running
        return running

    async def run_state(self, run_id: str, key: Any) -> RunState | None:
        running = self.runs.get(run_id)
        if running is None:
            return None
        if not running.done:
            return RunState(run_id, "cot/scripted", self.created, "running")
        try:
            return RunState(run_id, "cot/scripted", self.created, "finished", await running.reply())
        except Exception as error:
            return RunState(run_id, "cot/scripted", self.created, "failed", error=error)

    def left(self) -> list[str]:
        """What is left in the server's loop beside the server itself: tasks of requests and runs, and connections."""
        assert self.loop is not None
        assert self.server is not None
        tasks = [task.get_name() for task in asyncio.all_tasks(self.loop) if "serve" not in repr(task.get_coro())]
        return [*tasks, *(f"connection {at}" for at, _ in enumerate(self.server.server_state.connections))]

    def all_gone(self, seconds: float = 5.0) -> bool:
        """Whether nothing is left, soon."""
        until = time.monotonic() + seconds
        while (self.left() or self.in_flight) and time.monotonic() < until:
            time.sleep(0.01)
        return not self.left() and self.in_flight == 0

    def metrics_text(self) -> str:
        return f"small_requests {len(self.counted)}\n"

    def on_request(self, path: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.counted.append((path, status))


@contextmanager
def serving(service: SmallService, *, fast: bool = True, **options: Any) -> Iterator[str]:
    """A real server of it on loopback; gives its address."""
    sock = bind("127.0.0.1", 0)
    service.server = server = DrainingServer(build_app(service, **options), service, 2.0, lambda: None, fast=fast)
    with on_a_thread(server, sock, "endpoint") as url:
        yield url


def scripted(text: Any = "6 * 4 = 24\nAnswer: 24", **options: Any) -> SmallService:
    """A service with one policy, `scripted`."""
    return SmallService({"scripted": ScriptedPolicy(text, **options)})
