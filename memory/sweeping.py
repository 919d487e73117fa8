"""A thread that deletes expired items now and then. Reads never wait for it: they leave out what has expired."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import Protocol

logger = logging.getLogger(__name__)


class Sweepable(Protocol):
    """A store whose expired items can be deleted."""

    def sweep_ttl(self) -> int:
        """Delete them; how many."""
        ...


class Sweeper:
    """Calls `sweep_ttl` every `minutes` until stopped, or until nobody holds the store any more."""

    def __init__(self, store: Sweepable, minutes: float) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=_sweep, args=(weakref.ref(store), self._stop, 60 * minutes), name="memory-sweeper", daemon=True
        )
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def stop(self, timeout: float | None = None) -> bool:
        """End it; whether it has ended within `timeout` seconds."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()


def _sweep(store: weakref.ref[Sweepable], stop: threading.Event, seconds: float) -> None:
    while not stop.wait(seconds):
        alive = store()
        if alive is None:
            return
        try:
            alive.sweep_ttl()
        except Exception:
            logger.exception("expired memories could not be deleted; the next sweep tries again")
        del alive
