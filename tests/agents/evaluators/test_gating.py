"""An evaluator behind a check of form."""

from __future__ import annotations

from collections.abc import Sequence

from tests.agents.evaluators.rig import DONE, OPEN, a_run, always, scored
from tests.support.virtual_time import run_virtually

from reflectree.agents.evaluators import DifficultyEvaluator, FunctionEvaluator, GroupEvaluator, ValueEvaluator
from reflectree.agents.evaluators.gating import gated
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path


def no_digits(answer: str) -> str | None:
    return "digits are not wanted" if answer.isdigit() else None


class Model:
    name = "half"

    def __init__(self) -> None:
        self.seen: list[int] = []

    async def score(self, paths: Sequence[Path]) -> list[float]:
        self.seen.append(len(paths))
        return [0.5] * len(paths)

    async def aclose(self) -> None:
        pass


def test_an_answer_that_is_not_wanted_scores_nothing_and_says_why() -> None:
    run = a_run(always(""))
    evaluator = gated(FunctionEvaluator(lambda path: 0.7), no_digits)
    assert (evaluator.local, evaluator.source) == (True, "function")
    assert evaluator.score_now(run.structure.path(OPEN)).value == 0.7
    refused = evaluator.score_now(run.structure.path(DONE))
    assert (refused.value, refused.note) == (0.0, "digits are not wanted")


def test_of_a_batch_the_model_is_shown_the_wanted_ones_alone() -> None:
    model, run = Model(), a_run(always(""))
    evaluator = gated(ValueEvaluator(model), no_digits)
    assert isinstance(evaluator, GroupEvaluator)
    nodes = (DONE, OPEN)
    paths, calls = [run.structure.path(node) for node in nodes], [Call("evaluate", (node,)) for node in nodes]
    scores = run_virtually(evaluator.score_group(paths, calls, run))
    assert [getattr(score, "value", None) for score in scores] == [0.0, 0.5]
    assert scored(evaluator, run, DONE).value == 0.0
    assert model.seen == [1]


def test_what_only_observes_is_left_as_it_is() -> None:
    observer = DifficultyEvaluator(Evaluate(kind="difficulty"))
    assert gated(observer, no_digits) is observer
