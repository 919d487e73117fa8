"""A server's parts: checked before anything is opened, opened in the loop that uses them, closed at the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcp import Client
from tests.apps.mcp_server.rig import QUESTION, server, text
from tests.support.postgres import postgres

from reflectree.apps.asking import RunOptions
from reflectree.apps.mcp_server.opening import parts
from reflectree.graphs import blueprints
from reflectree.models.base import Message, Request
from reflectree.models.loopback import LoopbackServer
from reflectree.rlm_ops.errors import BadInput

COT = [blueprints.load("cot")]


async def test_runs_are_kept_in_a_file_and_the_models_closed(tmp_path: Path) -> None:
    kept = str(tmp_path / "runs.sqlite")
    async with LoopbackServer(reply="Answer: 1") as model:
        options = RunOptions(model=f"{model.base_url}#loopback", calls=5)
        ids: list[str] = []
        for _ in range(2):
            made = parts(options, COT, checkpoint=kept)
            async with made.opened(), Client(server(made.reasoner)) as client:
                for earlier in ids:
                    assert QUESTION in text(await client.call_tool("show_trace", {"run_id": earlier}))
                told = (await client.call_tool("reason", {"question": QUESTION})).structured_content
                assert told is not None
                ids.append(told["run_id"])
            with pytest.raises(BadInput, match="closed"):
                await made.reasoner.offer.given["policy"].complete(Request((Message("user", "?"),)))


@pytest.mark.slow
async def test_runs_are_kept_in_postgres() -> None:
    with postgres() as url:
        async with LoopbackServer(reply="Answer: 1") as model:
            options = RunOptions(model=f"{model.base_url}#loopback", calls=5)
            made = parts(options, COT, checkpoint=url)
            async with made.opened(), Client(server(made.reasoner)) as client:
                told = (await client.call_tool("reason", {"question": QUESTION})).structured_content
                assert told is not None
            made = parts(options, COT, checkpoint=url)
            async with made.opened(), Client(server(made.reasoner)) as client:
                assert QUESTION in text(await client.call_tool("show_trace", {"run_id": told["run_id"]}))
        assert model.counters.requests == 1


@pytest.mark.slow
async def test_one_memory_for_all_runs(tmp_path: Path) -> None:
    pytest.importorskip("chromadb")
    folder = str(tmp_path / "lessons")
    async with LoopbackServer(reply="Answer: 1") as model:
        options = RunOptions(model=f"{model.base_url}#loopback", calls=9, memory=folder)
        made = parts(options, COT)
        async with made.opened(), Client(server(made.reasoner)) as client:
            for _ in range(2):
                assert not (await client.call_tool("reason", {"question": QUESTION})).is_error
            assert made.reasoner.offer.given["memory"].ledger is not None


def test_what_cannot_work_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no database " * 100)
    with pytest.raises(BadInput, match="checkpoint"):
        parts(RunOptions(calls=5), COT, checkpoint=str(notes))
    with pytest.raises(BadInput, match="checkpoint"):
        parts(RunOptions(calls=5), COT, checkpoint=str(tmp_path / "none" / "runs.sqlite"))
    with pytest.raises(BadInput, match="unknown model"):
        parts(RunOptions(model="nothing", calls=5), COT)
    with pytest.raises(BadInput, match="price"):
        parts(RunOptions(model="http://model.example.com/v1#m", usd=1.0), COT)


async def test_a_database_that_is_not_there_is_said_without_its_password() -> None:
    made = parts(RunOptions(calls=5), COT, checkpoint="postgresql://me:s3cret@127.0.0.1:1/runs")
    with pytest.raises(BadInput) as refused:
        async with made.opened():
            pass
    assert "s3cret" not in str(refused.value)
