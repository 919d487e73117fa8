from __future__ import annotations

import pytest

from reflectree.graphs.tasksets.base import Entry, TaskSet
from reflectree.rlm_ops.task import Task


def test_tasks_are_made_once_and_when_asked_for() -> None:
    made: list[int] = []

    def make(index: int) -> Entry:
        made.append(index)
        return Entry(Task(f"question {index}"), {"index": index})

    tasks = TaskSet("numbers", 4, make)
    assert made == []
    assert tasks[2] is tasks[2]
    assert tasks[-1].question == "question 3"
    assert [task.question for task in tasks[:2]] == ["question 0", "question 1"]
    assert len(list(tasks)) == len(tasks) == 4
    assert tasks.digest == tasks.digest
    assert sorted(made) == [0, 1, 2, 3]
    assert repr(tasks) == "TaskSet('numbers', 4 tasks)"
    with pytest.raises(IndexError):
        tasks[4]
