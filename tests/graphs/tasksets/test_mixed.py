from __future__ import annotations

import json
from pathlib import Path

import pytest

from reflectree.graphs.tasksets import TaskSet, load_taskset
from reflectree.graphs.tasksets.base import Entry
from reflectree.graphs.tasksets.mixed import interleaved
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task


def numbered(name: str, size: int) -> TaskSet:
    return TaskSet(name, size, lambda index: Entry(Task(f"{name}{index}", id=f"{index}"), {"id": f"{index}"}))


def task_file(folder: Path, name: str, size: int) -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"question": f"{name} {i}?", "answer": i, "id": i}) + "\n" for i in range(size)))
    return str(path)


def test_parts_take_turns_until_they_end() -> None:
    parts = [numbered("a", 3), numbered("b", 1), numbered("c", 2)]
    tasks = interleaved("all", parts)
    assert [task.question for task in tasks] == ["a0", "b0", "c0", "a1", "c1", "a2"]
    assert [task.question for task in interleaved("all", parts, 4)] == ["a0", "b0", "c0", "a1"]
    assert [task.id for task in interleaved("all", parts, 4, tag=True)] == ["1.0", "2.0", "3.0", "1.1"]
    assert len(interleaved("none", [])) == 0


def test_a_mix_of_files(tmp_path: Path) -> None:
    easy, hard = task_file(tmp_path, "easy", 2), task_file(tmp_path, "hard", 4)
    tasks = load_taskset(f"mix:{easy} | {hard}", limit=5)
    assert [task.question for task in tasks] == ["easy 0?", "hard 0?", "easy 1?", "hard 1?", "hard 2?"]
    assert [task.id for task in tasks] == ["1.0", "2.0", "1.1", "2.1", "2.2"]
    assert tasks[3].verifier is not None
    assert tasks[3].verifier.score("1") == 1.0
    assert len(load_taskset(f"mix:{easy}|{hard}")) == 6
    assert tasks.digest == load_taskset(f"mix:{easy}|{hard}", limit=5).digest
    assert tasks.digest != load_taskset(f"mix:{hard}|{easy}", limit=5).digest


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mix:", "two parts or more"),
        ("mix:a.jsonl", "two parts or more"),
        ("mix:a.jsonl||b.jsonl", "two parts or more"),
        ("mix:a.jsonl|mix:b.jsonl", "cannot hold a mix"),
        ("mix:/nowhere/a.jsonl|/nowhere/b.jsonl", "No such file"),
    ],
)
def test_what_is_no_mix(spec: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_taskset(spec)


@pytest.mark.slow
def test_a_mix_of_difficulties() -> None:
    easy = "reasoning_gym:countdown?min_numbers=3&max_numbers=3&size=2"
    hard = "reasoning_gym:countdown?min_numbers=5&max_numbers=5"
    tasks = load_taskset(f"mix:{easy}|{hard}", limit=6, seed=3)
    numbers = [len(getattr(task.verifier, "numbers", ())) for task in tasks]
    assert numbers == [3, 5, 3, 5, 5, 5]
    assert len({task.id for task in tasks}) == 6
    assert len(load_taskset(f"mix:{hard}|family:agents", limit=4, seed=3, examples=1)[0].examples) == 1
