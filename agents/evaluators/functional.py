"""`function`: a Python function of a path scores it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Score, ScoreFunction, checked
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.step import Path


@dataclass(frozen=True, slots=True)
class FunctionEvaluator:
    """A Python function of a `Path`; an `async def` is awaited in a slot of its own."""

    fn: ScoreFunction
    source: str = "function"

    @property
    def local(self) -> bool:
        """Whether the function is called at once."""
        return not (inspect.iscoroutinefunction(self.fn) or inspect.iscoroutinefunction(type(self.fn).__call__))

    def score_now(self, path: Path) -> Score:
        """Call the function."""
        return Score(checked(self.fn(path)))

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Await the function."""
        result = self.fn(path)
        return Score(checked(await result if inspect.isawaitable(result) else result))


function = FunctionEvaluator
