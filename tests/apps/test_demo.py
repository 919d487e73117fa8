"""The demo: its score knows the rules and not the solution, and the whole of it runs on the embedded model."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.apps import demo
from reflectree.rlm_ops.answers import extract_answer
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Example, Task

TASK = Task("Use 2, 3 and 7 to make 8.")
COMMAND = [sys.executable, "-m", "reflectree.apps.demo", "--seed", "5"]


def path(*lines: str) -> Path:
    return Path(TASK, tuple(Step(line, answer=extract_answer(line)) for line in lines))


@pytest.mark.parametrize(
    ("lines", "score"),
    [
        ((), 0.5),
        (("7 + 3 = 10",), 0.5),
        (("3 - 2 = 1", "7 + 1 = 8"), 0.9),
        (("7 + 3 = 10", "10 + 2 = 12"), 0.0),
        (("8 - 3 = 5",), 0.0),
        (("3 + 3 = 6",), 0.0),
        (("7 + 3 = 11",), 0.0),
        (("7 + 3 = 10", "7 + 2 = 9"), 0.0),
        (("we could try 7 + 3 = 10",), 0.0),
        (("7 / 3 = 2",), 0.0),
        (("7 + 3 = 10", "10 - 2 = 8", "8 + 0 = 8"), 0.0),
        (("7 + 3 = 10", "10 - 2 = 8", "Answer: 7 + 3 - 2"), 1.0),
        (("Answer: (7 + 3) - 2 = 8",), 1.0),
        (("Answer: 7 + 3",), 0.0),
        (("Answer: 8",), 0.0),
        (("Answer: __import__('os')",), 0.0),
    ],
)
def test_a_path_is_scored_by_the_rules(lines: tuple[str, ...], score: float) -> None:
    assert demo.score_path(path(*lines)) == score


def test_a_step_on_a_dead_end_scores_like_any_other_right_one() -> None:
    """No solver in disguise: with 2 * 3 = 6 the target is out of reach, and nothing says so before the numbers end."""
    assert demo.score_path(path("2 * 3 = 6")) == demo.score_path(path("3 - 2 = 1")) == 0.5


@given(st.lists(st.text(), max_size=4))
def test_whatever_a_model_writes_has_a_score(lines: list[str]) -> None:
    assert 0.0 <= demo.score_path(path(*lines)) <= 1.0


def test_examples_show_one_equation_a_step() -> None:
    long = "Use 2, 3 and 7 to make 8. Use each number exactly once."
    task = demo.in_few_words(
        Task(long, examples=(Example(long, ("7 + 3 = 10 (left: 2 10)", "10 - 2 = 8 (left: 8)"), "(7 + 3) - 2"),))
    )
    assert task.question == task.examples[0].question == TASK.question
    assert task.examples[0].steps == ("7 + 3 = 10", "10 - 2 = 8")


def test_the_samplers_and_the_search_differ_in_nothing_but_what_they_are() -> None:
    plans = demo.line_up()
    assert [plan.name for plan in plans] == ["cot", "self-consistency", "best-of-n", "mcts"]
    assert {plan.operators.generate.temperature for plan in plans} == {demo.TEMPERATURE}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_puzzles_on_the_embedded_model() -> None:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("reasoning_gym")
    done = subprocess.run([*COMMAND, "-n", "2", "--tokens", "700"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        len(
            re.findall(
                r"^ \d/2 \d:\d\d .* to make \d+ +cot [✓✗] self-consistency [✓✗] best-of-n [✓✗] mcts [✓✗]$",
                done.stdout,
                re.M,
            )
        )
        == 2
    )
    table = done.stdout.partition("blueprint")[2].splitlines()[1:5]
    rows = {line.split()[0]: line for line in table}
    for name in ("cot", "self-consistency", "best-of-n", "mcts"):
        assert re.search(r" (0\.00|0\.50|1\.00) \[\d\.\d\d, \d\.\d\d\] +[012]/2 ", rows[name])
    assert "mcts against best-of-n: no gain" in done.stdout  # two puzzles cannot show one
    assert "One of the search's trees: Use " in done.stdout
    assert "the same again" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_ctrl_c_ends_it_cleanly() -> None:
    pytest.importorskip("xllamacpp")
    pytest.importorskip("reasoning_gym")
    process = subprocess.Popen(
        COMMAND,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert "Countdown puzzles, seed 5" in process.stdout.readline()
    time.sleep(10)  # into the model's work, or the loading of it: either must end
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "interrupted" in err
    assert "Traceback" not in err
