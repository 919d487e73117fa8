from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reflectree.graphs.tasksets import TaskSet, load_taskset
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Example


def written(folder: Path, *lines: Any) -> Path:
    path = folder / "tasks.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_tasks_from_lines(tmp_path: Path) -> None:
    example = {"question": "1+1?", "steps": ["add"], "answer": "2"}
    path = written(
        tmp_path,
        {"question": " What is 6*7? ", "answer": 42, "id": "a", "context": "arithmetic", "examples": [example]},
        "",
        {"question": "Capital?", "answer": "Paris", "level": 5},
        {"question": "Make 42", "verifier": "countdown:6,7=42", "id": 3},
        {"question": "Half?", "answer": "1/2", "verifier": "math"},
        {"question": "Open"},
        {"question": "How many?", "answer": "6 * 12 = 72\n#### 72"},
    )
    tasks = load_taskset(path)
    assert isinstance(tasks, TaskSet)
    assert len(tasks) == 6
    assert tasks[0].question == "What is 6*7?"
    assert (tasks[0].id, tasks[0].context) == ("a", "arithmetic")
    assert tasks[0].examples == (Example("1+1?", ("add",), "2"),)
    assert _scores(tasks, 0, "42.0", "43") == (1.0, 0.0)
    assert _scores(tasks, 1, "paris", "Lyon") == (1.0, 0.0)
    assert _scores(tasks, 2, "6*7", "42") == (1.0, 0.0)
    assert _scores(tasks, 3, "0.5", "2") == (1.0, 0.0)
    assert tasks[4].verifier is None
    assert _scores(tasks, 5, "72", "6") == (1.0, 0.0)
    assert tasks[2].id == "3"
    assert [task.id for task in tasks[1:3]] == [tasks[1].id, "3"]
    assert tasks[-1] is tasks[5]


def test_numbers_latex_and_text_are_told_apart(tmp_path: Path) -> None:
    path = written(
        tmp_path, *({"question": "q", "answer": answer} for answer in ("1,000", 0.5, "5 km", r"\frac{1}{2}", "B"))
    )
    assert [task.verifier.name for task in load_taskset(path) if task.verifier] == [
        "numeric",
        "numeric",
        "exact",
        "math",
        "exact",
    ]


def test_ids_do_not_move_with_their_lines(tmp_path: Path) -> None:
    first, second = {"question": "a", "answer": 1}, {"question": "b", "answer": 2}
    there = [task.id for task in load_taskset(written(tmp_path, first, second))]
    back = [task.id for task in load_taskset(written(tmp_path, second, first))]
    assert there == back[::-1]
    twice = [task.id for task in load_taskset(written(tmp_path, first, first))]
    assert twice == [there[0], f"{there[0]}-2"]


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    digest = load_taskset(written(tmp_path, {"question": "a", "answer": 1})).digest
    assert digest.startswith("sha256:")
    assert digest == load_taskset(written(tmp_path, '{"answer":1,  "question":"a"}')).digest
    assert digest != load_taskset(written(tmp_path, {"question": "a", "answer": 2})).digest


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    path = written(tmp_path, {"question": "a"}, {"question": "b"}, "not read")
    assert [task.question for task in load_taskset(path, limit=2)] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({"answer": 1}, "'question': field required"),
        ({"question": 5}, "'question'"),
        ({"question": "  "}, "the task is empty"),
        ({"questoin": "a"}, "did you mean 'question'"),
        ({"question": "a", "verifier": "exakt:1"}, "exact:42"),
        ({"question": "a", "verifier": "python:os:system"}, "--verifier"),
        ({"question": "a", "verifier": " Python:os:system"}, "--verifier"),
        ({"question": "a", "answer": 1, "verifier": "numeric:1"}, "beside an answer"),
        ({"question": "a", "examples": [{"question": "b"}]}, "examples.0.answer"),
        ({"question": "a", "id": "x"}, "taken by line 1"),
        ({"question": "a", "answer": ""}, "empty"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    path = written(tmp_path, {"question": "fine", "id": "x"}, "", line)
    with pytest.raises(BadInput, match="line 3: ") as caught:
        load_taskset(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"No such file.*reasoning_gym:NAME"):
        load_taskset(tmp_path / "none.jsonl")
    with pytest.raises(BadInput, match="holds no task"):
        load_taskset(written(tmp_path, ""))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="UTF-8"):
        load_taskset(str(tmp_path / "binary"))


def _scores(tasks: TaskSet, index: int, *answers: str) -> tuple[float, ...]:
    verifier = tasks[index].verifier
    assert verifier is not None
    return tuple(verifier.score(answer) for answer in answers)
