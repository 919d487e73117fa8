"""A run that ends between a superstep's two commits (its writes, its checkpoint) is resumed, not begun anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reflectree.graphs.checkpoint import InlineSqliteSaver, open_saver
from reflectree.graphs.run import asolve
from reflectree.models.base import Capabilities
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget

CALLS, SLOTS = 24, 4


class Killed(BaseException):
    """The process ends here."""


async def _run(saver: InlineSqliteSaver) -> tuple[int, int]:
    """Requests sent, and steps in the end."""
    policy = ScriptedPolicy(lambda request, index: f"step {request.seed}", capabilities=Capabilities())
    options: dict[str, Any] = {"policy": policy, "evaluator": lambda path: 0.5, "budget": Budget(calls=CALLS)}
    try:
        result = await asolve("What?", blueprint="mcts", checkpoint=saver, run_id="r", concurrency=SLOTS, **options)
    except Killed:
        return policy.samples, 0
    return policy.samples, result.nodes


@pytest.mark.parametrize("commit", range(1, 16))
async def test_only_calls_in_flight_are_paid_again(
    commit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_saver(tmp_path / "runs.sqlite") as saver:
        put, count = saver.aput, 0

        async def aput(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            if count == commit:
                raise Killed
            return await put(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(saver, "aput", aput)
            before, _ = await _run(saver)
        after, nodes = await _run(saver)

    assert nodes == CALLS
    assert before + after - CALLS <= SLOTS
