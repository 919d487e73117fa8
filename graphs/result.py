"""What a run gives back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reflectree.rlm_ops.errors import TraceError
from reflectree.rlm_ops.trace import Trace
from reflectree.rlm_ops.usage import Usage


@dataclass(frozen=True, slots=True)
class Result:
    """An answer with everything needed to judge it.

    Attributes:
        answer: The selected answer; `None` where none was found.
        score: The selection's score of it.
        stop_reason: Why the run ended: `confidence`, `consensus`, `complete`, `stopped`, `iterations`, `budget:CAP`,
            `model:ERROR`.
        usage: The bill.
        nodes: Steps in the structure.
        in_structure: Whether the verifier accepts any answer found; `None` without a verifier.
        selected_correct: Whether it accepts the selected one; `None` without a verifier.
        oracle: Whether search was allowed to see the gold answer.
        wall_s: Seconds this call took.
        run_id: The run's name: what resumes it.
        trace: Everything that happened.
    """

    answer: str | None
    score: float | None
    stop_reason: str
    usage: Usage
    nodes: int
    in_structure: bool | None
    selected_correct: bool | None
    oracle: bool
    wall_s: float
    run_id: str
    trace: Trace

    @classmethod
    def of(cls, trace: Trace, wall_s: float) -> Result:
        """The result a finished trace holds.

        Raises:
            TraceError: The run is not finished.
        """
        began, answered = trace.began, trace.answered
        if began is None or answered is None:
            raise TraceError(f"run {trace.run_id} is not finished: resume it first")
        return cls(
            answer=answered.answer,
            score=answered.score,
            stop_reason=answered.stop_reason,
            usage=trace.usage,
            nodes=trace.nodes,
            in_structure=answered.in_structure,
            selected_correct=answered.correct,
            oracle=began.oracle,
            wall_s=wall_s,
            run_id=trace.run_id,
            trace=trace,
        )

    def to_json(self, trace_path: str | None = None) -> dict[str, Any]:
        """The JSON object the command line prints; `trace` is the file the trace was saved to.

        A run with a memory also says what it recalled, and whether it was shown (`arm`).
        """
        data = {name: getattr(self, name) for name in self.__slots__ if name not in ("usage", "trace")}
        began = self.trace.began
        if began is not None and began.arm:
            data["memory"] = {"arm": began.arm, "recalled": len(began.recalled)}
        return {**data, "wall_s": round(self.wall_s, 3), "usage": asdict(self.usage), "trace": trace_path}
