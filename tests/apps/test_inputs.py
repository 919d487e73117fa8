from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from reflectree.apps.asking import RunOptions
from reflectree.apps.inputs import import_function, read_blueprint, read_overrides, read_price, read_task, task_row
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Example, Task


def test_tasks_come_as_text_json_and_one_line_of_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, pretty, line = tmp_path / "plain.txt", tmp_path / "pretty.json", tmp_path / "line.jsonl"
    plain.write_text("What is\n6 times 7?\n")
    pretty.write_text(json.dumps({"question": "6 times 7?", "answer": 42}, indent=2))
    line.write_text('\ufeff{"question": "6 times 7?", "answer": "42", "context": "numbers"}\n')
    assert read_task(None, str(plain)) == {"question": "What is\n6 times 7?"}
    for file in (pretty, line):
        task = RunOptions(**read_task(None, str(file))).task()  # type: ignore[arg-type]
        assert task is not None
        assert task.question == "6 times 7?"
        assert task.verifier is not None
        assert task.verifier.score("42") == 1.0
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe"))
    assert read_task("-", None) == {"question": "from a pipe"}


@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        (None, None, "no task"),
        ("What?", "What?", "two tasks"),
        (None, '{"question": "a"}\n{"question": "b"}\n', "2 tasks"),
    ],
)
def test_no_task_and_two_tasks_are_refused(text: str | None, content: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "task.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadInput, match=message):
        read_task(text, None if content is None else str(file))


def test_a_task_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read the task"):
        read_task(None, str(tmp_path / "none.txt"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not UTF-8"):
        read_task(None, str(tmp_path / "bytes"))


def test_overrides_are_yaml() -> None:
    assert read_overrides(["a.b=2", "c=[1, x]", "d=true", "e="]) == {"a.b": 2, "c": [1, "x"], "d": True, "e": None}
    assert read_blueprint("mcts", ["scheme.strategy.width=2"]).scheme.strategy.limits().width == 2
    for wrong in ("width", "=2", "a=[1"):
        with pytest.raises(BadInput, match="--set"):
            read_overrides([wrong])


def test_prices() -> None:
    assert read_price("0.25,2") == (0.25, 2.0)
    for wrong in ("1", "a,b", "-1,2", "nan,1"):
        with pytest.raises(BadInput, match="--price"):
            read_price(wrong)


def test_functions_come_from_files_and_modules(tmp_path: Path) -> None:
    (tmp_path / "mine_of_asking.py").write_text("def score(path):\n    return 0.5\nnothing = 3\n")
    assert import_function("mine_of_asking.py:score", str(tmp_path))(None) == 0.5
    assert import_function("mine_of_asking:score", str(tmp_path))(None) == 0.5
    assert import_function("math:sqrt", "")(4) == 2.0
    for wrong in ("score", "mine_of_asking:none", "mine_of_asking:nothing", "no_such_module:f", "none.py:f"):
        with pytest.raises(BadInput, match="evaluator"):
            import_function(wrong, str(tmp_path))


def test_a_task_in_words_is_read_again() -> None:
    task = Task("What?", "some context", (Example("a", ("b",), "c"),), id="t1")
    assert RunOptions(row=task_row(task)).task() == task
