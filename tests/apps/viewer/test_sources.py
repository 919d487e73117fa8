"""Where traces come from: files that grow, runs in checkpoints, folders."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from tests.apps.viewer.conftest import golden
from tests.support.engine import Oracle, search, value_of

from reflectree.apps.viewer.folder import rows_of
from reflectree.apps.viewer.sources import GrowingFile, SavedRun, listed
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, TraceError
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.trace import Trace


def test_a_growing_file_gives_whole_lines_only(tmp_path: Path) -> None:
    trace, file = golden("mcts"), tmp_path / "run.jsonl"
    text = trace.dumps().encode()
    cut = text.index(b"\n", 3000) + 40
    file.write_bytes(text[:cut])
    growing = GrowingFile(file)
    first = list(growing.fresh())
    assert list(growing.fresh()) == []
    with file.open("ab") as opened:
        opened.write(text[cut:])
    second = list(growing.fresh())
    assert tuple(first + second) == trace.events
    assert 0 < len(first) < len(trace)
    assert (growing.problem, growing.run_id) == ("", "mcts")


def test_a_growing_file_may_begin_with_its_header_alone(tmp_path: Path) -> None:
    trace, file = golden("got"), tmp_path / "run.jsonl"
    lines = trace.dumps().splitlines(keepends=True)
    file.write_text(lines[0].rstrip())
    growing = GrowingFile(file)
    found: list[Event] = []
    for line in ["", "\n", *lines[1:]]:
        with file.open("a") as opened:
            opened.write(line)
        found += growing.fresh()
    assert tuple(found) == trace.events


def test_damage_ends_it_and_is_said(tmp_path: Path) -> None:
    file = golden("mcts").save(tmp_path / "run.jsonl")
    growing = GrowingFile(file)
    count = len(growing.fresh())
    with file.open("a") as opened:
        opened.write("{]\n")
    assert list(growing.fresh()) == []
    assert growing.problem == f"damaged: event {count}: not whole; what follows is left out"
    file.unlink()
    gone = GrowingFile(golden("mcts").save(file))
    file.unlink()
    assert list(gone.fresh()) == []
    assert gone.problem.startswith("cannot read")


@pytest.mark.parametrize("text", ["", "hello\n", '{"format": "other"}\n', "\x00\x01"])
def test_what_is_no_trace_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(text)
    with pytest.raises(TraceError, match="is not a reflectree trace"):
        GrowingFile(file)


async def saved(path: Path, run_id: str) -> Trace:
    result = await search(
        Oracle(), blueprint="mcts", evaluator=value_of, budget=Budget(calls=12), checkpoint=path, run_id=run_id
    )
    return result.trace


async def test_a_saved_run_is_read_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    trace = await saved(path, "one")
    before = path.read_bytes()
    run = SavedRun(path)
    assert run.run_id == "one"
    assert tuple(run.fresh()) == trace.events
    assert (list(run.fresh()), run.busy, run.problem) == ([], [], "")
    run.close()
    assert path.read_bytes() == before


async def test_a_run_is_seen_while_it_goes_on(tmp_path: Path) -> None:
    path, seen, busy = tmp_path / "runs.sqlite", 0, 0
    watching: list[SavedRun] = []

    async def look(number: int) -> None:
        nonlocal seen, busy
        if number == 3:
            watching.append(SavedRun(path, "one"))
        if number > 3:
            seen += len(watching[0].fresh())
            busy = max(busy, len(watching[0].busy))

    policy = Oracle(gate=look, latency=lambda number: 0.001 * (number % 5))
    result = await search(
        policy, blueprint="mcts", evaluator=value_of, budget=Budget(calls=40), checkpoint=path, run_id="one",
        concurrency=4,
    )  # fmt: skip
    assert 0 < seen < len(result.trace)
    assert busy > 0
    assert seen + len(watching[0].fresh()) == len(result.trace)
    assert watching[0].busy == []
    watching[0].close()


async def test_one_of_several_runs_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    for name in ("one", "two"):
        await saved(path, name)
    with pytest.raises(BadInput, match="holds 2 runs: name one with --run, as one, two"):
        SavedRun(path)
    assert SavedRun(path, "two").run_id == "two"
    with pytest.raises(BadInput, match="no run 'three'"):
        SavedRun(path, "three")
    with pytest.raises(BadInput, match="no checkpoint at"):
        SavedRun(tmp_path / "none.sqlite")


@pytest.mark.parametrize(("count", "said"), [(0, "holds no run: wait"), (25, "holds more than 20 runs: name one")])
def test_how_many_runs_there_are_is_said(tmp_path: Path, count: int, said: str) -> None:
    import sqlite3

    path = tmp_path / "runs.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE checkpoints (thread_id TEXT)")
        connection.executemany("INSERT INTO checkpoints VALUES (?)", [(f"run-{at}",) for at in range(count)])
    with pytest.raises(BadInput, match=said):
        SavedRun(path)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE things (name TEXT)")
    connection.commit()
    connection.close()
    for run in ("", "one"):
        with pytest.raises(BadInput, match="is no checkpoint"):
            SavedRun(path, run)


def test_a_folder_lists_its_traces(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    golden("mcts").save(tmp_path / "deep" / "a.jsonl")
    golden("got").save(tmp_path / "b.jsonl")
    (tmp_path / "notes.jsonl").write_text('{"no": "trace"}\n')
    (tmp_path / "empty.jsonl").write_text('{"format":"reflectree-trace","version":1,"run_id":"x"}\n')
    files, left_out = listed(tmp_path)
    assert ([file.name for file in files], left_out) == (["b.jsonl", "a.jsonl", "empty.jsonl"], 0)
    first, second, third = rows_of(files, tmp_path)
    assert (first["blueprint"], first["verdict"], first["nodes"], first["tokens"]) == ("got", "not verified", 7, 674)
    assert (second["file"], second["at"]) == ("deep/a.jsonl", 1)
    assert third["problem"] == "no event in it"
    with pytest.raises(BadInput, match="holds no trace"):
        listed(tmp_path / "nothing")
