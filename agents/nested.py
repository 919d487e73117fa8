"""What the generator needs of whoever carries out a nested run: a step that is the outcome of a structure of its own.

The runs themselves are graphs, and agents do not import graphs: here is the seam between them. Nothing here knows of
blueprints, checkpoints or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reflectree.agents.base import AgentRun
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Row
from reflectree.rlm_ops.settings import Nested
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class NestedOutcome:
    """What a nested run came to.

    Attributes:
        rows: Its trace, in wire form, the first event and the answer included.
        run_id: Its name: the same for the same call of the same run, so that a resumed run may find it again.
        answer: The answer it selected; `None` where it found none.
        text: The path to that answer as a solution reads, one step a line; "" where there is only the answer.
        score: The selection's own score of the answer.
        usage: The whole bill of the run. It has been charged to the account of the run it is part of already.
        reason: Why it ended.
    """

    rows: tuple[Row, ...]
    run_id: str
    answer: str | None = None
    text: str = ""
    score: float | None = None
    usage: Usage = NO_USAGE
    reason: str = ""


class NestedRuns(Protocol):
    """Carries out nested runs."""

    async def run(self, nested: Nested, path: Path, call: Call, run: AgentRun) -> NestedOutcome:
        """Carry out the nested run of a call; the run `run` is the outer one.

        Args:
            nested: The settings: whose blueprint, how runs of one node differ, what caps.
            path: The path the outcome continues; the nested run sees its task and its text.
            call: The call of the outer run, whose seed and index make this run differ from those beside it.
            run: The outer run: its account pays.

        Raises:
            BudgetRefused: The budget does not allow a first call; nothing was sent.
            ModelError: The run cannot go on with this model.
        """
        ...
