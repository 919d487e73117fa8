from __future__ import annotations

from tests.agents.evaluators.rig import a_run, always, scored

from reflectree.agents.evaluators import FunctionEvaluator, function
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Task


def test_a_function_is_local_unless_it_is_async() -> None:
    async def slow(path: Path) -> float:
        return 0.25

    class Slow:
        async def __call__(self, path: Path) -> float:
            return 0.75

    assert FunctionEvaluator(lambda path: 0.5).local
    assert function(lambda path: 1.0).score_now(Path(Task("?"))).value == 1.0
    for fn, value in ((slow, 0.25), (Slow(), 0.75)):
        evaluator = FunctionEvaluator(fn)
        assert not evaluator.local
        assert scored(evaluator, a_run(always(""))).value == value
