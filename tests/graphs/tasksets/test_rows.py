from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from reflectree.graphs.tasksets.rows import Row, file_rows, hub_rows
from reflectree.rlm_ops.errors import BadInput, MissingExtra


def read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    return [(place, dict(row.fields)) for place, row in file_rows(str(path))]


def test_the_same_rows_in_every_format(tmp_path: Path) -> None:
    rows = [{"question": 'a, "b"\nc', "answer": "1"}, {"question": "d", "answer": "2"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "a.jsonl").write_text(lines + "\n")
    (tmp_path / "b.json").write_text(json.dumps(rows, indent=1))
    (tmp_path / "c.json").write_text(lines)
    (tmp_path / "d.csv").write_text('\ufeffquestion,answer,note\n"a, ""b""\nc",1,\nd,2,\n', encoding="utf-8")
    with gzip.open(tmp_path / "e.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(lines)
    for name in ("a.jsonl", "b.json", "c.json", "d.csv", "e.jsonl.gz"):
        assert [row for _, row in read(tmp_path / name)] == rows, name
    assert [place for place, _ in read(tmp_path / "a.jsonl")] == ["line 1", "line 2"]
    assert [place for place, _ in read(tmp_path / "d.csv")] == ["row 1", "row 2"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", "must end in one of .jsonl, .json, .csv, .parquet"),
        ("a.gz", "", "must end in one of"),
        ("a.jsonl", '{"a": 1}\n{', "line 2: not JSON"),
        ("a.jsonl", "3", "line 1: not a JSON object"),
        ("a.json", "[{}, 3]", "row 2: not a JSON object"),
        ("a.json", "[{},", "not JSON"),
        ("a.csv", "a,b\n1,2,3\n", "row 1: more cells"),
        ("a.csv", 'a,b\n1,"2\n', "not CSV"),
        ("a.jsonl.gz", "plain", "cannot read"),
    ],
)
def test_files_that_are_not_what_they_say(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=message):
        read(tmp_path / name)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "a.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="UTF-8"):
        read(tmp_path / "a.jsonl")


def test_what_the_extra_is_for(tmp_path: Path) -> None:
    if importlib.util.find_spec("datasets") is None:
        with pytest.raises(MissingExtra, match=r"reflectree\[datasets\]"):
            list(hub_rows("openai/gsm8k", "main", "test"))
    if importlib.util.find_spec("pyarrow") is None:
        with pytest.raises(MissingExtra, match=r"reflectree\[datasets\]"):
            read(tmp_path / "a.parquet")


def test_parquet(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [{"question": "a", "test_list": ["x"], "answer": None}, {"question": "b", "test_list": [], "answer": True}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert [row for _, row in read(tmp_path / "a.parquet")] == rows
    (tmp_path / "b.parquet").write_text("no")
    with pytest.raises(BadInput, match="not a Parquet file"):
        read(tmp_path / "b.parquet")


def test_fields_by_their_kind() -> None:
    row = Row({"a": "text", "n": 7, "none": None, "list": '["x", "y"]', "flag": "Yes", "real": True, "blank": " "})
    assert row.text("A", "a") == "text"
    assert row.text("n") == "7"
    assert row.optional("none") == row.optional("other") == ""
    assert row.texts("list") == ["x", "y"]
    assert row.texts("other") == []
    assert row.truth("flag") is row.truth("real") is True


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"b": 1}, "text", "'a' is missing: the row has b"),
        ({"a": None}, "text", "'a' is missing"),
        ({"a": True}, "text", "'a' must be a text"),
        ({"a": "  "}, "text", "'a' must be a text"),
        ({"a": ["x", 1]}, "texts", "'a' must be a list of texts"),
        ({"a": "x"}, "texts", "'a' must be a list, written as JSON"),
        ({"a": "maybe"}, "truth", "'a' must be true or false"),
        ({"a": 1}, "truth", "'a' must be true or false"),
        ({}, "truth", "'a' must be true or false"),
    ],
)
def test_fields_of_another_kind(fields: dict[str, Any], kind: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        getattr(Row(fields), kind)("a")
