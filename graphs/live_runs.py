"""The runs that live in this process, by key: each is joined while its trace goes on, and made anew where it does not.

What such a run is, and what it continues, is in `reflectree.graphs.live`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reflectree.graphs.live import LiveRun
from reflectree.rlm_ops.events import Row


class LiveRuns:
    """The live runs of one compiled graph, by key.

    They hold nothing that holds them: a run's memory is free when the run has ended, and the collector of cycles, which
    took a seventh of the time of short runs, finds none.
    """

    def __init__(self) -> None:
        self._runs: dict[str, LiveRun] = {}

    def join(self, key: str, rows: Sequence[Row], make: Callable[[], LiveRun]) -> LiveRun:
        """The run of a key; made anew where it is absent, or where the trace does not go on with what it holds."""
        run = self._runs.get(key)
        if run is None or not run.continues(rows):
            self.drop(key)
            run = self._runs[key] = make()
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
