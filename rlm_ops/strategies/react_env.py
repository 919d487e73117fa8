"""ReAct in an environment: thought, command, observation, and again, to the end of the episode (arXiv 2210.03629).

As `reflectree.rlm_ops.strategies.react`, but an episode that comes to its cap is not made to answer: what it has done
is done, and the commands so far are its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.episodes import ACT, ACTION, WAYS, first_steps, next_step, tips
from reflectree.rlm_ops.structure import ReasoningStructure


class ReActEnv(Strategy):
    """Episodes of thought, command and observation, independent of one another.

    Attributes:
        chains: Episodes, of which the answer given most often is taken.
        steps: Most steps of an episode (Reflexion's ALFWorld: 49; ReAct's: 50).
        bad_calls: Commands in a row that were not understood, or refused, after which an episode is ended.
    """

    name: ClassVar[str] = "react-env"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "enrich"})
    chains: int = Field(default=1, ge=1)
    steps: int = Field(default=50, ge=1)
    bad_calls: int = Field(default=5, ge=1)

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return [("generate", ACT), ("generate", ACTION)]

    @override
    def limits(self) -> Limits:
        return Limits(len(WAYS), self.chains * len(WAYS), self.steps)

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        calls = first_steps(structure, self.chains, slots)
        for tip in tips(structure, self.name):
            if len(calls) >= slots:
                break
            call = next_step(structure, tip, steps=self.steps, bad_calls=self.bad_calls)
            if call is not None:
                calls.append(call)
        return calls
