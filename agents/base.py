"""What an agent is: it carries out calls of one operator, with a model or without, and returns events.

Agents hold no run: what belongs to one (structure, budget, seed) comes with each call, so that one compiled graph
serves many runs at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reflectree.models.calling import Caller
from reflectree.rlm_ops.budget import Ledger
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.structure import ReasoningStructure


class AgentRun(Protocol):
    """What an agent may see of the run it works for."""

    @property
    def structure(self) -> ReasoningStructure:
        """The structure as folded so far; agents only read it."""
        ...

    @property
    def seed(self) -> int:
        """The run's seed."""
        ...

    @property
    def ledger(self) -> Ledger:
        """The run's account, for nested runs."""
        ...

    def caller(self, role: str) -> Caller:
        """The way to call the model of a role (`policy`, `judge`) on the run's budget."""
        ...


class Agent(Protocol):
    """Carries out calls of one operator."""

    @property
    def name(self) -> str:
        """The agent's name: its node in the graph."""
        ...

    @property
    def op(self) -> Operator:
        """The operator."""
        ...

    @property
    def local(self) -> bool:
        """Whether its calls are done at once, without waiting for anything.

        They take no slot and go through `act`; the others go through `carry_out`.
        """
        ...

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Split a batch into groups that are carried out together, for instance as the samples of one request."""
        ...

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """Carry out one group. One event a call, in order; a call that comes to nothing gives a `Failed`.

        Raises:
            BudgetRefused: The budget does not allow the group; nothing was sent.
            ModelError: The run cannot go on with this model.
        """
        ...

    def act(self, call: Call, run: AgentRun) -> Event:
        """Carry out one call at once (local agents only)."""
        ...
