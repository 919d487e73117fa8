"""A value model that is given by its name is built once for a run and those nested in it, and let go of at its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.engine import Oracle, search, tree
from tests.support.value_loopback import ValueLoopback

from reflectree.graphs.benching import abench
from reflectree.graphs.preparing import prepare
from reflectree.graphs.tasksets import load_taskset
from reflectree.models.values.server import ServerValues


def test_it_is_let_go_of_at_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    closed: list[str] = []
    close = ServerValues.aclose

    async def watched(model: ServerValues) -> None:
        closed.append(model.name)
        await close(model)

    monkeypatch.setattr(ServerValues, "aclose", watched)
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"id": "a", "question": "Make 24.", "answer": "24"}')

    async def work() -> None:
        async with ValueLoopback() as server:
            await search(Oracle(), evaluator=server.base_url, blueprint=tree())
            assert closed == [server.base_url]
            report = await abench(
                load_taskset(str(tasks)), ["mcts"], tokens=2000, policy=Oracle(), evaluator=server.base_url
            )
            assert closed == [server.base_url] * 2
            assert report.settings.evaluator == server.base_url
            assert server.bodies

    asyncio.run(asyncio.wait_for(work(), 20))


def test_nested_runs_share_it() -> None:
    plan = tree().with_overrides({"operators.generate.nested": {"blueprint": "best-of-n"}})
    setup = prepare(plan, Oracle(), evaluator="http://127.0.0.1:9")
    (inner,) = setup.inner.values()
    assert setup.evaluator.model is inner.evaluator.model  # type: ignore[union-attr]
