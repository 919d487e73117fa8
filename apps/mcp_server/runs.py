"""The runs of a server, by their ids: those of this process while there is room, older ones from its checkpoint.

A run's id is drawn at random and told only to the client that asked, so that one client of several finds no other's.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from reflectree.graphs.run import asaved_trace
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.trace import Trace

Savers = Callable[[], BaseCheckpointSaver[Any]]

MOST = 200
"""Runs kept in memory."""


@dataclass(slots=True)
class Run:
    """One run: its name, and what has happened in it so far."""

    run_id: str
    events: list[Event] = field(default_factory=list)

    def on_event(self, event: Event, structure: ReasoningStructure) -> None:
        """Keep an event."""
        self.events.append(event)

    @property
    def trace(self) -> Trace:
        """What has happened so far."""
        return Trace(self.events, run_id=self.run_id)


class Runs:
    """The runs of one server.

    Args:
        saver: Makes a saver of the checkpoint for one run, where there is a checkpoint.
        most: Runs kept in memory; those before them are read from the checkpoint.
    """

    def __init__(self, saver: Savers | None = None, most: int = MOST) -> None:
        self.saver = saver
        self._most = most
        self._runs: OrderedDict[str, Run] = OrderedDict()

    def begin(self) -> Run:
        """A new run, with an id that nobody can guess."""
        run = Run(secrets.token_hex(8))
        self._runs[run.run_id] = run
        while len(self._runs) > self._most:
            self._runs.popitem(last=False)
        return run

    async def trace(self, run_id: str) -> Trace:
        """The trace of a run, finished or not.

        Raises:
            BadInput: There is no such run.
        """
        run = self._runs.get(run_id)
        if run is not None and run.events:
            return run.trace
        if run is None and self.saver is not None:
            try:
                return await asaved_trace(run_id, self.saver())
            except BadInput:
                pass
        raise BadInput(f"this server has no run {run_id!r:.80}: give the run_id that reason returned")
