from __future__ import annotations

import pytest

from reflectree.graphs.tasksets import load_taskset
from reflectree.graphs.tasksets.generated import configuration
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.verifiers.puzzle import Countdown

pytestmark = pytest.mark.slow  # the import of reasoning-gym takes seconds

SMALL = "reasoning_gym:countdown?min_numbers=3&max_numbers=3&max_value=10&min_target=1&max_target=50"


def test_countdown_gets_a_plain_question_and_its_rules() -> None:
    tasks = load_taskset(SMALL, limit=10)
    assert len(tasks) == 10
    for task in tasks:
        verifier = task.verifier
        assert isinstance(verifier, Countdown)
        assert not verifier.gold
        assert len(verifier.numbers) == 3
        assert all(str(number) in task.question for number in (*verifier.numbers, verifier.target))
        assert task.examples == ()
    assert len({task.id for task in tasks}) == 10


def test_every_other_set_keeps_its_own() -> None:
    tasks = load_taskset("reasoning_gym:chain_sum?max_terms=2", limit=3, seed=4)
    verifier = tasks[0].verifier
    assert verifier is not None
    assert verifier.gold
    assert "arithmetic problem" in tasks[0].question


def test_same_seed_same_set() -> None:
    first, again, other = (load_taskset(SMALL, limit=30, seed=seed) for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest
    assert list(first) == list(again)
    assert len({task.question for task in first} & {task.question for task in other}) < 5  # small puzzles do recur
    assert first[7].id == load_taskset(SMALL, limit=8, seed=1)[7].id


def test_examples_are_never_the_task() -> None:
    tiny = "reasoning_gym:countdown?min_numbers=2&max_numbers=2&max_value=4&min_target=1&max_target=8&examples=3"
    for task in load_taskset(tiny, limit=60):
        assert len(task.examples) == 3
        assert len({example.question for example in task.examples}) == 3
        assert task.question not in {example.question for example in task.examples}
    assert len(load_taskset(SMALL, limit=1, examples=2)[0].examples) == 2


def test_fields_take_the_types_of_their_defaults() -> None:
    query = "operators=+,-&min_numbers=3&shuffle=false&operators=%2B"
    assert configuration("countdown", query) == {"operators": ("+",), "min_numbers": 3, "shuffle": False}
    assert configuration("countdown", "operators=+,-") == {"operators": ("+", "-")}
    spec = "reasoning_gym:countdown?operators=%2B&min_numbers=2&max_numbers=2&min_target=1"
    for task in load_taskset(spec, limit=5):
        assert isinstance(task.verifier, Countdown)
        assert sum(task.verifier.numbers) == task.verifier.target


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("reasoning_gym:cuntdown", "did you mean countdown"),
        ("reasoning_gym:countdown?min_number=3", "did you mean min_numbers"),
        ("reasoning_gym:countdown?min_numbers", "key=value"),
        ("reasoning_gym:countdown?min_numbers=many", "refuses its configuration"),
        ("reasoning_gym:countdown?min_numbers=9&max_numbers=3", "max_numbers must be >= min_numbers"),
        ("reasoning_gym:countdown?size=0", "1 to"),
        ("reasoning_gym:countdown?examples=99", "examples"),
        ("reasoning_gym:countdown?max_value=2&max_numbers=4", "cannot make entry 0"),
    ],
)
def test_bad_specifications(spec: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_taskset(spec)
