"""LangGraph's own conformance suite, held against the saver we ship."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import EXTENDED_CAPABILITIES

from reflectree.graphs.checkpoint import open_saver

SKIPPED = {"copy_thread", "delete_for_runs", "prune"}
"""What LangGraph's SQLite savers do not have either. Reviewed: nothing here may be added to make a test pass."""


async def test_inline_sqlite_saver(tmp_path: Path) -> None:
    files = iter(range(1000))

    @checkpointer_test(name="InlineSqliteSaver")
    async def factory() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        with open_saver(tmp_path / f"{next(files)}.sqlite") as saver:
            yield saver

    report = await validate(factory)
    assert report.passed_all_base(), report.to_dict()
    missing = {name for name, result in report.results.items() if not result.detected}
    assert missing == SKIPPED & {capability.value for capability in EXTENDED_CAPABILITIES}
    assert all(result.passed for result in report.results.values() if result.detected), report.to_dict()


@pytest.mark.parametrize("name", sorted(SKIPPED))
def test_the_skip_list_is_langgraphs_own(name: str) -> None:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    method = f"a{name}"
    assert getattr(AsyncSqliteSaver, method) is getattr(BaseCheckpointSaver, method)
