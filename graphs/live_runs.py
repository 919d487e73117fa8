"""The runs that live in this process, by key: each is joined while its trace goes on, and made anew where it does not.

What such a run is, and what it continues, is in `reflectree.graphs.live`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reflectree.graphs.live import LiveRun
from reflectree.rlm_ops.events import Row


class LiveRuns:
    """The live runs of one compiled graph, by key."""

    def __init__(self, make: Callable[[Sequence[Row], float], LiveRun]) -> None:
        self._make = make
        self._runs: dict[str, LiveRun] = {}

    def join(self, key: str, rows: Sequence[Row], elapsed: float) -> LiveRun:
        """The run of a key, made anew from the trace where it is absent or holds something else."""
        run = self._runs.get(key)
        if run is None or not run.continues(rows):
            self.drop(key)
            run = self._runs[key] = self._make(rows, elapsed)
        return run

    def get(self, key: str) -> LiveRun | None:
        """The run of a key, if it lives in this process."""
        return self._runs.get(key)

    def close(self) -> None:
        """Drop them all."""
        for key in list(self._runs):
            self.drop(key)

    def drop(self, key: str) -> None:
        """Forget a run and cancel what it has in flight."""
        run = self._runs.pop(key, None)
        if run is not None:
            run.close()
