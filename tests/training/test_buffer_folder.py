"""A buffer's folder: its splits are agreed on once, one writes at a time, and what was refused is counted for good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reflectree.rlm_ops.errors import BadInput, RunLocked, TraceError
from reflectree.training import buffer_folder
from reflectree.training.buffer_folder import BufferFolder
from reflectree.training.splits import Splits

TENTHS = Splits(valid=0.1, test=0.1)


def test_the_splits_it_was_begun_with_are_kept(tmp_path: Path) -> None:
    assert BufferFolder(tmp_path / "b").agree(TENTHS) == TENTHS
    assert not (tmp_path / "b").exists()  # asking begins nothing
    with BufferFolder(tmp_path / "b").writing(TENTHS):
        pass
    assert BufferFolder(tmp_path / "b").agree(None) == TENTHS
    with pytest.raises(BadInput, match="leave the splits out"):
        BufferFolder(tmp_path / "b").agree(Splits(valid=0.2, test=0.1))
    with pytest.raises(BadInput, match="open it anew"), BufferFolder(tmp_path / "b").writing(None):
        pass


def test_what_was_refused_is_added_up_and_a_torn_line_is_skipped(tmp_path: Path) -> None:
    folder = BufferFolder(tmp_path)
    folder.count(2, {"length": 1})
    folder.count(1, {"length": 2, "answer": 1})
    with (tmp_path / "counts.jsonl").open("a") as file:
        file.write('\n{"duplicates": 9, "fil')
    assert folder.refused() == (3, {"length": 3, "answer": 1})


def test_another_writer_is_waited_for_and_then_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer_folder, "LOCK_TIMEOUT_S", 0.01)
    with BufferFolder(tmp_path).writing(None):
        with pytest.raises(RunLocked, match="wait for it"), BufferFolder(tmp_path).writing(None):
            pass
    with BufferFolder(tmp_path).writing(None):  # and let go of
        pass


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", json.dumps({"format": "another"})])
def test_what_is_no_buffer_is_left_alone(content: str, tmp_path: Path) -> None:
    (tmp_path / "buffer.json").write_text(content)
    with pytest.raises(BadInput, match="no replay buffer"):
        BufferFolder(tmp_path).agree(None)
    assert (tmp_path / "buffer.json").read_text() == content


def test_another_version_and_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="no replay buffer"), BufferFolder(tmp_path).writing(None):
        pass
    (tmp_path / "buffer.json").write_text(json.dumps({"format": buffer_folder.FORMAT, "version": 99}))
    with pytest.raises(TraceError, match="version 99"):
        BufferFolder(tmp_path).agree(None)
