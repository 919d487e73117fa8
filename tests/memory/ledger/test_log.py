"""The ledger's file: whole lines whatever happens, one writer at a time, readers that follow."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.memory.records.making import lesson

from reflectree.memory.ledger import Ledger
from reflectree.memory.ledger.log import Log
from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError

WRITER = Path(__file__).with_name("writing.py")


def writer(folder: Path, name: str, many: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(folder), name, str(many)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    for kill in range(5):
        with writer(tmp_path, f"writer-{kill}", 10_000) as process:
            assert process.stdout is not None
            said = [process.stdout.readline().strip() for _ in range(7 * kill + 3)]
            process.kill()
            said += [line.strip() for line in process.stdout if line.endswith("\n")]
        assert set(said) <= Ledger(tmp_path, sync=False).state.records.keys()
    ledger = Ledger(tmp_path, sync=False)
    (name,) = ledger.write(lesson("Still here."))
    assert name in Ledger(tmp_path, sync=False).state.records


@pytest.mark.slow
def test_two_writers_and_a_reader_lose_nothing(tmp_path: Path) -> None:
    reader = Ledger(tmp_path, sync=False)
    writers = [writer(tmp_path, name, 60) for name in ("one", "two")]
    seen = 0
    while any(process.poll() is None for process in writers):
        assert len(reader.state.records) >= seen
        seen = len(reader.state.records)
        reader.compact()
    said = {line.strip() for process in writers for line in (process.communicate()[0] or "").splitlines()}
    assert len(said) == 120
    assert said == reader.state.records.keys() == Ledger(tmp_path, sync=False).state.records.keys()


@pytest.mark.parametrize("tail", ['{"seq": 1, "op": "vo', '{"seq": 1, "op": "trusted", "ids": []}', "\x00\x00"])
def test_what_a_killed_writer_left_is_not_read_and_cut_off(tmp_path: Path, tail: str) -> None:
    (first,) = Ledger(tmp_path, sync=False).write(lesson("Check."))
    file = tmp_path / "ledger.jsonl"
    with file.open("a") as half:
        half.write(tail)  # without its end of line: nobody was told
    ledger, reader = Ledger(tmp_path, sync=False), Ledger(tmp_path, sync=False)
    (second,) = ledger.write(lesson("Add."))
    assert list(reader.state.records) == [first, second]
    assert ledger.log is not None
    assert ledger.log.damage == 1
    assert f"{tail}\n" not in file.read_text()


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path, sync=False)
    (name,) = ledger.write(lesson("Check."))
    before = (tmp_path / "ledger.jsonl").read_bytes()
    real = os.write

    def short(handle: int, data: bytes) -> int:
        return real(handle, data[:20])

    def none(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for write in (short, none):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write)
            with pytest.raises(BadInput, match="No space left on device; free space"):
                ledger.write(lesson("Add."))
        assert (tmp_path / "ledger.jsonl").read_bytes() == before
        assert list(ledger.state.records) == [name]
    assert ledger.write(lesson("Add."))


def test_compaction_is_noticed_by_readers(tmp_path: Path) -> None:
    ledger, reader = Ledger(tmp_path, sync=False), Ledger(tmp_path, sync=False)
    names = ledger.write(*(lesson(f"Lesson {number}.") for number in range(5)))
    assert tuple(reader.state.records) == names
    ledger.compact()
    later = ledger.write(lesson("Later."))
    assert tuple(reader.state.records) == (*names, *later)
    assert reader.write(lesson("Later.")) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello\n", "is no ledger"),
        ('{"format": "reflectree-memory", "version": 9}\n', "has version 9 and this reads 1"),
        ('{"format": "reflectree-memory", "version": 1, "book": "b", "generation": "g"}\nnonsense\n', "no event"),
        (
            '{"format": "reflectree-memory", "version": 1, "book": "b", "generation": "g"}\n'
            '{"seq": 5, "op": "trusted", "ids": []}\n',
            "skips from event -1 to 5",
        ),
    ],
)
def test_what_is_no_ledger_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "ledger.jsonl").write_text(text)
    with pytest.raises(TraceError, match=said):
        Ledger(tmp_path)


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="choose another folder"):
        Ledger(tmp_path / "file" / "memory")


def test_a_writer_that_waits_too_long_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectree.memory.ledger.log.LOCK_TIMEOUT_S", 0.05)
    one, other = Log(tmp_path), Log(tmp_path)
    with one.writing(), pytest.raises(RunLocked, match="another process"), other.writing():
        pass


def test_an_index_is_made_again_where_it_does_not_fit(tmp_path: Path) -> None:
    from tests.memory.records.making import store

    shelf: Any = store()
    (name,) = Ledger(tmp_path, sync=False).write(lesson("Check."))
    shelf.put(("reflectree", "reflection"), "r-00000000dead", {"text": "planted past the ledger"})
    ledger = Ledger(tmp_path, store=shelf, sync=False)
    assert [item.key for item in shelf.search(("reflectree", "reflection"))] == [name]
    ledger.quarantine(name)
    assert shelf.search(("reflectree", "reflection")) == []
    ledger.demote(name)
    assert [item.value["trust"] for item in shelf.search(("reflectree", "reflection"))] == ["candidate"]
