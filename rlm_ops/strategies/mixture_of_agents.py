"""Mixture of agents: layers of proposers, each reading the whole layer before, and one aggregator at the end.

Source: Wang et al. 2024 (arXiv 2406.04692). A proposer that comes to nothing is missing in the next layer, no more.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator
from typing_extensions import override

from reflectree.rlm_ops.strategies.members import MOST_MEMBERS, Member
from reflectree.rlm_ops.strategies.team import Convened

AGGREGATOR = "aggregator"


class MixtureOfAgents(Convened):
    """A mixture of agents: the variants `proposer-1`, ... and `aggregator`, where the blueprint defines such.

    Attributes:
        layers: How many layers, the last of which is the aggregator alone (as the paper and the release count them).
        proposers: Proposers in each of the others.
    """

    name: ClassVar[str] = "moa"
    layers: int = Field(default=3, ge=2)
    proposers: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        messages = (self.layers - 1) * self.proposers + 1
        if messages > MOST_MEMBERS:
            raise ValueError(
                f"layers: {self.proposers} proposers in {self.layers} layers write {messages} messages, "
                f"and a mixture has at most {MOST_MEMBERS}: take fewer of either"
            )
        return self

    @override
    def team(self) -> tuple[Member, ...]:
        numbers = range(1, self.proposers + 1)
        members: list[Member] = []
        before: tuple[str, ...] = ()
        for layer in range(1, self.layers):
            members += [
                Member(id=f"proposer-{number}.{layer}", variant=f"proposer-{number}", reads=before)
                for number in numbers
            ]
            before = tuple(f"proposer-{number}.{layer}" for number in numbers)
        return (*members, Member(id=AGGREGATOR, reads=before))
