from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from reflectree.graphs.tasksets import load_taskset
from reflectree.graphs.tasksets.published import PUBLISHED
from reflectree.rlm_ops.errors import BadInput, MissingExtra

GSM8K = [
    {"question": "Tom has 3 bags of 4 apples. How many?", "answer": "3*4 = <<3*4=12>>12 apples.\n#### 12"},
    {"question": "Ann earns $600 twice. How much?", "answer": "600*2 = 1200\n#### 1,200"},
]


def written(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_a_set_from_a_file(tmp_path: Path) -> None:
    spec = f"gsm8k:{written(tmp_path, GSM8K)}"
    tasks = load_taskset(spec)
    assert tasks.name == spec
    assert [task.question for task in tasks] == [row["question"] for row in GSM8K]
    assert tasks[1].verifier is not None
    assert tasks[1].verifier.gold
    assert tasks[1].verifier.score("1200") == 1.0
    assert tasks[0].id.startswith("gsm8k-")
    assert [task.id for task in load_taskset(spec, limit=1)] == [tasks[0].id]
    assert tasks.digest == load_taskset(spec).digest != load_taskset(spec, limit=1).digest


def test_ids_are_the_contents_or_the_rows_own(tmp_path: Path) -> None:
    tasks = load_taskset(f"gsm8k:{written(tmp_path, [GSM8K[0], GSM8K[1], GSM8K[0]])}")
    assert tasks[2].id == f"{tasks[0].id}-2"
    rows = [{"id": 60, "problem": "p", "answer": "33"}, {"id": 61, "problem": "p", "answer": 5}]
    assert [task.id for task in load_taskset(f"aime:{written(tmp_path, rows)}")] == ["aime-60", "aime-61"]
    with pytest.raises(BadInput, match="line 2: the id '60' is taken by line 1"):
        load_taskset(f"aime:{written(tmp_path, [rows[0], {**rows[1], 'id': 60}])}")


def test_other_names_of_a_set(tmp_path: Path) -> None:
    row = {"problem": "Half of 1?", "answer": r"\frac{1}{2}", "subject": "Algebra", "level": 1, "unique_id": "test/1"}
    tasks = load_taskset(f"math-500:{written(tmp_path, [row])}")
    assert tasks[0].id == "math500-test/1"


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "aime.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["ID", "Year", "Problem Number", "Question", "Answer", "Part"])
        writer.writeheader()
        writer.writerow(
            {"ID": "1983-1", "Year": 1983, "Problem Number": 1, "Question": "Two,\nlines?", "Answer": "060"}
        )
    (task,) = load_taskset(f"aime:{path}")
    assert (task.id, task.question) == ("aime-1983-1", "Two,\nlines?")
    assert task.verifier is not None
    assert task.verifier.score("60") == 1.0


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("gsm8k", {"question": "q", "answer": "12"}, "field 'answer' must end in ####"),
        ("gsm8k", {"question": "q", "answer": "so\n#### many"}, "field 'answer' must end in ####"),
        ("gsm8k", {"problem": "q", "answer": "#### 1"}, "field 'question' is missing: the row has problem, answer"),
        ("math500", {"problem": "q", "answer": " "}, "field 'answer'"),
        ("aime", {"problem": "q", "answer": "1000"}, "field 'answer' must be a whole number from 0 to 999"),
        ("gpqa", {"Question": "q", "Correct Answer": "a"}, "field 'Incorrect Answer 1' is missing"),
        ("hotpotqa", {"question": "q", "answer": "a", "context": {"title": ["t"]}}, "field 'context'"),
        ("hotpotqa", {"question": "q", "answer": None}, "field 'answer' is missing"),
        ("strategyqa", {"question": "q", "answer": "perhaps"}, "field 'answer' must be true or false"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, name: str, row: dict[str, Any], message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"\n{json.dumps(row)}\n")
    with pytest.raises(BadInput, match="line 2: ") as caught:
        load_taskset(f"{name}:{path}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gsm8k:", "write gsm8k:FILE"),
        ("gsm8k?split=train:rows.jsonl", "write gsm8k:FILE"),
        ("gsm8k?shard=3", "write config=NAME or split=NAME"),
        ("gsm8k:nowhere.jsonl", "No such file"),
        ("gsm8k:rows.txt", "cannot tell the format"),
    ],
)
def test_what_is_no_set(spec: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_taskset(spec)


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no row of gsm8k"):
        load_taskset(f"gsm8k:{written(tmp_path, [])}")


@pytest.mark.skipif(importlib.util.find_spec("datasets") is not None, reason="the extra is installed")
@pytest.mark.parametrize("name", list(PUBLISHED))
def test_the_hub_needs_an_extra(name: str) -> None:
    with pytest.raises(MissingExtra, match=r"reflectree\[datasets\]"):
        load_taskset(name)
