"""The evaluator agent: carries out *evaluate* with whatever `reflectree.agents.evaluators` makes."""

from __future__ import annotations

from collections.abc import Sequence

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators import Evaluator, Score, ScoreError
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import BudgetRefused, ModelError, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Evaluated, Event, Failed
from reflectree.rlm_ops.usage import NO_USAGE


class EvaluatorAgent:
    """Carries out *evaluate*.

    Args:
        evaluator: What scores a path.
    """

    name = "evaluator"
    op: Operator = "evaluate"

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.local = evaluator.local

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each path is scored by itself."""
        return [[call] for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Score at once."""
        try:
            score = self.evaluator.score_now(run.structure.path(call.nodes[0]))
        except Exception as error:  # the boundary to a user's function: it fails its node, never the run
            return _failed(call, error)
        return self._event(call, score)

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """Score with a model, or with a function that has to be waited for."""
        (call,) = calls
        try:
            score = await self.evaluator.score(run.structure.path(call.nodes[0]), call, run)
        except ModelUnreachable:  # only where the endpoint has never answered: every other call would fare the same
            raise
        except TransientModelError as error:
            return [_failed(call, error)]
        except (BudgetRefused, ModelError):
            raise
        except Exception as error:  # as in `act`
            return [_failed(call, error)]
        return [self._event(call, score)]

    def _event(self, call: Call, score: Score) -> Event:
        return Evaluated(
            node=call.nodes[0],
            index=call.index,
            value=score.value,
            source=self.evaluator.source,
            note=score.note,
            usage=score.usage,
        )


def _failed(call: Call, error: Exception) -> Failed:
    name = "" if isinstance(error, ScoreError | ModelError) else f"{type(error).__name__}: "
    usage = error.usage if isinstance(error, ScoreError) else spent_by(error)
    return Failed(of=call.op, nodes=call.nodes, index=call.index, reason=f"{name}{error}", usage=usage or NO_USAGE)
