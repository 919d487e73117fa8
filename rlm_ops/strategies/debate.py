"""Debate: agents answer by themselves, then read each other's answers and answer anew; the last round votes.

Source: Du et al. 2023 (arXiv 2305.14325). Each agent reads its own message first, then those of the others in order.
An agent that comes to nothing in one round joins in again in the next. Where a cap on turns or tokens cuts a round, the
last word of each agent counts.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator
from typing_extensions import override

from reflectree.rlm_ops.strategies.members import MOST_MEMBERS, Member
from reflectree.rlm_ops.strategies.team import Convened, Standing
from reflectree.rlm_ops.structure import ReasoningStructure


class Debate(Convened):
    """A debate. Agents are the variants `agent-1`, `agent-2`, ... where the blueprint defines such.

    Attributes:
        agents: How many take part.
        rounds: How often each speaks, the independent first round included.
    """

    name: ClassVar[str] = "debate"
    agents: int = Field(default=3, ge=2)
    rounds: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.agents * self.rounds > MOST_MEMBERS:
            raise ValueError(
                f"agents: {self.agents} agents in {self.rounds} rounds write {self.agents * self.rounds} messages, "
                f"and a debate has at most {MOST_MEMBERS}: take fewer of either"
            )
        return self

    @override
    def team(self) -> tuple[Member, ...]:
        numbers = range(1, self.agents + 1)
        return tuple(
            Member(id=_message(agent, turn), variant=f"agent-{agent}", reads=self._reads(agent, turn))
            for turn in range(1, self.rounds + 1)
            for agent in numbers
        )

    def _reads(self, agent: int, turn: int) -> tuple[str, ...]:
        """Its own message of the round before, then those of the others."""
        if turn == 1:
            return ()
        others = (other for other in range(1, self.agents + 1) if other != agent)
        return tuple(_message(author, turn - 1) for author in (agent, *others))

    @override
    def _stray(self, structure: ReasoningStructure, standing: Standing) -> tuple[int, ...]:
        """All but each agent's last answer: where a cap cuts a round, who has not spoken in it keeps what they said."""
        last: dict[str, int] = {}
        for member in self.team():  # by rounds
            node = standing.messages.get(member.id)
            if node in structure.terminals:
                last[member.how] = node
        return tuple(node for node in structure.terminals if node not in last.values())


def _message(agent: int, turn: int) -> str:
    return f"agent-{agent}.{turn}"
