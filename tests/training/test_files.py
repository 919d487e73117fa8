"""Small files that outlive a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from reflectree.training.files import append_line, replace_json, whole_lines


def test_json_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    replace_json(path, {"a": "\u00e9"})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        replace_json(path, {"a": object()})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]  # nothing half written beside it


def test_a_torn_line_spoils_none_but_itself(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert list(whole_lines(path)) == []
    append_line(path, {"n": 1})
    with path.open("a") as file:
        file.write('{"n": 2')
    append_line(path, {"n": 3})
    with path.open("ab") as file:
        file.write(b"\n[4]\n\xff\n")
    assert list(whole_lines(path)) == [{"n": 1}, {"n": 3}]
