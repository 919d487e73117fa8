"""The evaluator agent: carries out *evaluate* with whatever `reflectree.agents.evaluators` makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators import Evaluator, GroupEvaluator, Score, ScoreError
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ModelError, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Evaluated, Event, Failed
from reflectree.rlm_ops.usage import NO_USAGE


class EvaluatorAgent:
    """Carries out *evaluate*.

    A call of two nodes gives the chance that the first is the better one. Evaluators that do not compare score both,
    and the chance is `(1 + difference) / 2`; what the structure knows of a node is not asked again.

    Args:
        evaluators: What scores a path; or several by the calls' `how`, the plain one under "", which also takes those
            whose `how` names none.

    Raises:
        BadInput: There is no plain evaluator.
    """

    name = "evaluator"
    op: Operator = "evaluate"

    def __init__(self, evaluators: Evaluator | Mapping[str, Evaluator]) -> None:
        self.evaluators: dict[str, Evaluator] = (
            dict(evaluators) if isinstance(evaluators, Mapping) else {"": evaluators}
        )
        if "" not in self.evaluators:
            raise BadInput('evaluators by variant need a plain one, under ""')
        self.local = all(evaluator.local for evaluator in self.evaluators.values())

    @property
    def evaluator(self) -> Evaluator:
        """The plain evaluator."""
        return self.evaluators[""]

    def of(self, call: Call) -> Evaluator:
        """The evaluator of a call."""
        return self.evaluators.get(call.how, self.evaluators[""])

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """The calls of a variant whose evaluator scores a batch together are one group; the others stand alone."""
        groups: list[list[Call]] = []
        together: dict[str, list[Call]] = {}
        for call in calls:
            how = call.how if call.how in self.evaluators else ""
            if len(call.nodes) > 1 or not isinstance(self.evaluators[how], GroupEvaluator):
                groups.append([call])
            elif how in together:
                together[how].append(call)
            else:
                together[how] = [call]
                groups.append(together[how])
        return groups

    def act(self, call: Call, run: AgentRun) -> Event:
        """Score at once."""
        try:
            score = self._score_now(call, run)
        except Exception as error:  # the boundary to a user's function: it fails its node, never the run
            return self._failed(call, error)
        return self._event(call, score)

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """Score with a model, or with a function that has to be waited for."""
        try:
            scores = await self._scores(calls, run)
        except ModelUnreachable:  # only where the endpoint has never answered: every other call would fare the same
            raise
        except TransientModelError as error:
            return self._all_failed(calls, error)
        except (BudgetRefused, ModelError):
            raise
        except Exception as error:  # as in `act`
            return self._all_failed(calls, error)
        return [
            self._failed(call, score) if isinstance(score, ScoreError) else self._event(call, score)
            for call, score in zip(calls, scores, strict=True)
        ]

    async def _scores(self, calls: Sequence[Call], run: AgentRun) -> Sequence[Score | ScoreError]:
        evaluator = self.of(calls[0])
        if len(calls) > 1 and isinstance(evaluator, GroupEvaluator):
            return await evaluator.score_group([run.structure.path(call.nodes[0]) for call in calls], calls, run)
        return [await self._score(call, run) for call in calls]

    def _score_now(self, call: Call, run: AgentRun) -> Score:
        evaluator, path = self.of(call), run.structure.path
        if not _is_pair(call, evaluator):
            return evaluator.score_now(path(call.nodes[0]))
        return _preference([evaluator.score_now(path(node)) for node in call.nodes])

    async def _score(self, call: Call, run: AgentRun) -> Score:
        evaluator, structure = self.of(call), run.structure
        if evaluator.local:
            return self._score_now(call, run)
        if not _is_pair(call, evaluator):
            return await evaluator.score(structure.path(call.nodes[0]), call, run)
        scores: list[Score] = []
        for node in call.nodes:
            known = structure.value(node)
            try:
                scores.append(await evaluator.score(structure.path(node), call, run) if known is None else Score(known))
            except (BudgetRefused, ModelError, ScoreError) as error:
                paid = sum((score.usage for score in scores), NO_USAGE)
                if not paid:
                    raise
                own = error.usage if isinstance(error, ScoreError) else spent_by(error)
                raise ScoreError(str(error), paid + own) from error
        return _preference(scores)

    def _event(self, call: Call, score: Score) -> Event:
        evaluator = self.of(call)
        return Evaluated(
            node=call.nodes[0],
            index=call.index,
            value=score.value,
            against=call.nodes[1] if len(call.nodes) > 1 else -1,
            aside=bool(getattr(evaluator, "aside", False)),
            how=call.how,
            source=evaluator.source,
            note=score.note,
            scores=score.scores,
            usage=score.usage,
        )

    def _all_failed(self, calls: Sequence[Call], error: Exception) -> list[Event]:
        """The group's failures; the bill stands on the first."""
        first, *others = (self._failed(call, error) for call in calls)
        return [first, *(replace(failed, usage=NO_USAGE) for failed in others)]

    def _failed(self, call: Call, error: Exception) -> Failed:
        name = "" if isinstance(error, ScoreError | ModelError) else f"{type(error).__name__}: "
        usage = error.usage if isinstance(error, ScoreError) else spent_by(error)
        return Failed(
            of=call.op,
            nodes=call.nodes,
            index=call.index,
            how=call.how,
            aside=bool(getattr(self.of(call), "aside", False)),
            reason=f"{name}{error}",
            usage=usage or NO_USAGE,
        )


def _is_pair(call: Call, evaluator: Evaluator) -> bool:
    """Whether two nodes are to be compared by an evaluator that scores them one by one."""
    return len(call.nodes) > 1 and not getattr(evaluator, "compares", False)


def _preference(scores: Sequence[Score]) -> Score:
    """The chance that the first is better, from two scores."""
    first, second = scores
    note = f"{first.value:.2f} against {second.value:.2f}"
    return Score((1.0 + first.value - second.value) / 2, note, first.usage + second.usage)
