"""One run under way, as the endpoint sees it: its progress line by line, its reply, and the way to stop it.

It owns the task that carries the run out. It knows nothing of HTTP, of keys, or of how a run is made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reflectree.apps.endpoint.hiding import hidden
from reflectree.rlm_ops.events import Event, Failed
from reflectree.rlm_ops.structure import ReasoningStructure

if TYPE_CHECKING:
    from reflectree.graphs.adapters.replying import Replied
    from reflectree.graphs.live import OnEvent

MOST_LINES = 1000
"""Progress lines kept for a reader that is slower than the search; the oldest are dropped first."""

LineOf = Callable[[Event, ReasoningStructure], str | None]


@dataclass(frozen=True, slots=True)
class RunState:
    """What is known of a run, under way or not.

    Attributes:
        run_id: Its name.
        model: The model that was asked, as `BLUEPRINT/POLICY`.
        created: When it was begun, in seconds since 1970.
        state: `running`, `finished`, `interrupted` (saved, and nobody carries it on) or `failed`.
        replied: The reply of a finished run.
        error: Why a failed one failed.
    """

    run_id: str
    model: str
    created: int
    state: Literal["running", "finished", "interrupted", "failed"]
    replied: Replied | None = None
    error: BaseException | None = None


class RunStopped(Exception):
    """The run was stopped before it had a reply."""


class Running:
    """A run that was begun; made inside the event loop that carries it out.

    Attributes:
        run_id: Its name.
        begun: Set at the first event: what was asked for is possible, and the search is on its way.
    """

    def __init__(
        self,
        run_id: str,
        work: Callable[[OnEvent], Coroutine[Any, Any, Replied]],
        *,
        line_of: LineOf | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """Begin it.

        Args:
            run_id: Its name.
            work: Carries it out, and calls what it is given with each event.
            line_of: What a person reads of an event; `graphs.adapters.progress.line_of` where absent, errors told as
                clients may know them.
            on_end: Is called once, when the run has ended in whatever way.
        """
        self.run_id = run_id
        self.begun = asyncio.Event()
        self._line_of = line_of or _in_words()
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._stirred = asyncio.Event()
        self._task = asyncio.create_task(work(self._on_event), name=f"run {run_id}")
        self._task.add_done_callback(lambda _: self._ended(on_end))

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._task.done()

    async def stirred(self, seconds: float) -> None:
        """Wait until it has begun or ended, for so many seconds at most."""
        if not self.done:
            await _wait(self.begun, seconds)

    async def lines(self, seconds: float) -> list[str]:
        """The lines of progress since the last call; none where nothing came for so many seconds, or it has ended."""
        if not self._lines and not self.done:
            await _wait(self._stirred, seconds)
        self._stirred.clear()
        found = list(self._lines)
        self._lines.clear()
        return found

    async def reply(self) -> Replied:
        """The reply, once there is one.

        Whoever waits may be cancelled; the run goes on until `cancel`.

        Raises:
            RunStopped: It was cancelled.
            ReflectreeError: What the run ended with in place of a reply.
        """
        if not self._task.done():
            await asyncio.wait([self._task])
        if self._task.cancelled():
            raise RunStopped
        return self._task.result()

    async def cancel(self) -> None:
        """Stop it, calls in flight included, and wait until nothing of it is left. Ended already: nothing happens."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    def _on_event(self, event: Event, structure: ReasoningStructure) -> None:
        self.begun.set()
        line = self._line_of(event, structure)
        if line:
            self._lines.append(line)
            self._stirred.set()

    def _ended(self, on_end: Callable[[], None] | None) -> None:
        self.begun.set()
        self._stirred.set()
        if not self._task.cancelled():
            self._task.exception()  # taken, so that a run that nobody waits for any more is no warning
        if on_end is not None:
            on_end()


def _in_words() -> LineOf:
    from reflectree.graphs.adapters.progress import line_of

    def told(event: Event, structure: ReasoningStructure) -> str | None:
        line = line_of(event, structure)
        return hidden(line) if line and isinstance(event, Failed) else line

    return told


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
