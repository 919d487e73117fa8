from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from tests.support.engine import Oracle, search
from tests.support.virtual_time import run_virtually

from reflectree.graphs.checkpoint import forget, open_saver, recollect, remember, run_lock
from reflectree.graphs.run import saved_trace
from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError


def test_the_file_is_langgraphs_own(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    result = run_virtually(search(Oracle(), checkpoint=path))
    with SqliteSaver.from_conn_string(str(path)) as saver:
        found = saver.get_tuple({"configurable": {"thread_id": "run"}})
        assert found is not None
        assert len(list(saver.list({"configurable": {"thread_id": "run"}}))) > 10
    assert saved_trace("run", path).rows == result.trace.rows


def test_several_runs_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    for run_id in ("a", "b", "\u00e9 / \u4e2d"):
        run_virtually(search(Oracle(), checkpoint=path, run_id=run_id, task=f"Question {run_id}?"))
    for run_id in ("a", "b", "\u00e9 / \u4e2d"):
        began = saved_trace(run_id, path).began
        assert began is not None
        assert began.question == f"Question {run_id}?"
    with pytest.raises(BadInput, match="no run 'c'"):
        saved_trace("c", path)


def test_how_a_run_was_asked_for_is_kept_until_it_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    run_virtually(search(Oracle(), checkpoint=path))
    with open_saver(path) as saver:
        assert recollect(saver, "run") is None
        remember(saver, "run", {"model": "m"})
        remember(saver, "run", {"model": "n"})
        assert recollect(saver, "run") == {"model": "n"}
        forget(saver, "run")
        assert recollect(saver, "run") is None
    with pytest.raises(BadInput, match="no run 'run'"):
        saved_trace("run", path)


def test_a_text_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, " * 500)
    policy = Oracle()
    with pytest.raises(BadInput, match="choose another path") as error:
        run_virtually(search(policy, checkpoint=path))
    assert "\n" not in str(error.value)
    assert path.read_text() == "my notes, " * 500
    assert policy.requests == []
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("where", ["absent/runs.sqlite", ".", "file/runs.sqlite"])
def test_a_path_that_cannot_be_written(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    policy = Oracle()
    with pytest.raises(BadInput, match="another path") as error:
        run_virtually(search(policy, checkpoint=tmp_path / where))
    assert "\n" not in str(error.value)
    assert policy.requests == []
    assert os.listdir(tmp_path) == ["file"]


def test_another_version(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with open_saver(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE reflectree SET value = '99' WHERE key = 'version'")
    connection.close()
    policy = Oracle()
    with pytest.raises(TraceError, match=r"is of version 99; .* use the reflectree release that wrote it"):
        run_virtually(search(policy, checkpoint=path))
    assert policy.requests == []


def test_a_damaged_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    run_virtually(search(Oracle(), checkpoint=path))
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    path.write_bytes(data)
    with pytest.raises(BadInput) as error:
        run_virtually(search(Oracle(), checkpoint=path))
    assert "\n" not in str(error.value)


def test_a_run_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with run_lock(path, "a"):
        with pytest.raises(RunLocked, match="run a is being worked on"), run_lock(path, "a"):
            pass
        with run_lock(path, "b"):
            pass
        refused = []

        def elsewhere() -> None:
            try:
                with run_lock(path, "a"):
                    pass
            except RunLocked as error:
                refused.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(refused) == 1
    with run_lock(path, "a"):
        pass
    assert os.listdir(tmp_path) == []


def test_the_lock_goes_with_an_error(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with pytest.raises(KeyError), run_lock(path, "a"):
        raise KeyError
    with run_lock(path, "a"):
        pass


def test_a_stale_lock_file_of_a_killed_process_does_not_lock(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with run_lock(path, "a"):
        (lock,) = tmp_path.iterdir()
    lock.write_text("12345")
    with run_lock(path, "a"):
        pass
