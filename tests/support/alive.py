"""A live run of a small tree search, for tests that drive it turn by turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.engine import QUICK, tree, value_of

from reflectree.agents.base import Agent
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators import function
from reflectree.agents.generator import Generator
from reflectree.graphs.live import LiveRun
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.events import Began, Row, to_row
from reflectree.rlm_ops.strategies import MCTS, Strategy

FIRST = [{"seq": 0, **to_row(Began(question="What?", width=2, root_width=3, depth=3))}]


def alive(
    policy: Any,
    rows: Sequence[Row] = FIRST,
    budget: Budget | None = None,
    strategy: Strategy | None = None,
    slots: int = 2,
) -> LiveRun:
    """A run that scores by `value_of`, with whatever policy."""
    blueprint = tree()
    agents: dict[str, Agent] = {
        "generate": Generator(blueprint.operators.generate, "step", {"policy": policy}),
        "evaluate": EvaluatorAgent(function(value_of)),
    }
    return LiveRun(
        agents,
        {"policy": policy},
        strategy or MCTS(width=2, root_width=3, depth=3),
        budget or Budget(),
        concurrency=slots,
        seed=0,
        rows=rows,
        retries=QUICK,
    )
