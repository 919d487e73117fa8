"""One agent made of several, each of which carries out the calls whose `how` begins with its word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reflectree.agents.base import Agent, AgentRun
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.events import Event


class Routed:
    """Hands calls on by what their `how` begins with.

    Args:
        other: Carries out the calls that nobody else does.
        routes: The others, by the beginning of `how`.
    """

    local = False

    def __init__(self, other: Agent, routes: Mapping[str, Agent]) -> None:
        self.op: Operator = other.op
        self.name = other.name
        self._other = other
        self._routes = dict(routes)

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each stands alone."""
        return [[call] for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local, as one of its agents may wait for a model."""
        raise TypeError(f"the {self.name} of designs is not local")

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """Each call by its agent."""
        events: list[Event] = []
        for call in calls:
            agent = next((one for how, one in self._routes.items() if call.how.startswith(how)), self._other)
            events += await agent.carry_out([call], run)
        return events


__all__ = ["Routed"]
