from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

from reflectree.graphs.tasksets import load_taskset
from reflectree.graphs.tasksets.families import FAMILIES, LEFT_OUT, UNGROUPED, family
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.verifiers.gym import _NoSolver, gym_defaults


def test_no_generator_stands_in_two_groups() -> None:
    members = [name for group in FAMILIES.values() for name in group]
    assert len(members) == len(set(members))
    assert list(FAMILIES) == ["mathematics", "logic", "commonsense", "code", "agents"]
    assert not UNGROUPED & set(members)
    assert set(members) > LEFT_OUT


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("family:logics", "did you mean family:logic"),
        ("family:cooking", "there are mathematics, logic, commonsense, code, agents"),
        ("family:logic?seed=3", "examples=K and nothing else"),
        ("family:logic?examples=many", "examples=K and nothing else"),
    ],
)
def test_what_is_no_family(spec: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_taskset(spec)


@pytest.mark.slow
def test_every_generator_of_the_installed_package_is_in_one_group() -> None:
    gym_defaults("chain_sum")
    registry = importlib.import_module("reasoning_gym.factory").DATASETS
    assert {name for group in FAMILIES.values() for name in group} | UNGROUPED == set(registry)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_generator_of_a_family_poses_a_task(name: str) -> None:
    members = [member for member in family(name) if member not in LEFT_OUT]
    tasks = load_taskset(f"family:{name}", limit=len(members) + 1, seed=1)
    assert [task.id for task in tasks] == [*(f"{member}-1-0" for member in members), f"{members[0]}-1-1"]
    assert all(task.verifier is not None and task.question for task in tasks)
    assert tasks.name == f"family:{name}"


@pytest.mark.slow
def test_a_family_is_the_same_for_the_same_seed() -> None:
    first, again, other = (load_taskset("family:commonsense", limit=22, seed=seed) for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest
    assert first[15].id == load_taskset("family:commonsense", limit=16, seed=1)[15].id
    assert len(load_taskset("family:commonsense")) == 500


_DIGESTS = """
from reflectree.graphs.tasksets import load_taskset
from reflectree.graphs.tasksets.families import FAMILIES
print([load_taskset(f"family:{name}?examples=1", limit=2 * len(FAMILIES[name])).digest for name in FAMILIES])
"""


@pytest.mark.slow
def test_a_family_is_the_same_in_every_process() -> None:
    command = [sys.executable, "-P", "-W", "ignore", "-c", _DIGESTS]
    digests = {
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.slow
def test_a_generator_without_its_dependency_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    gym_defaults("zebra_puzzles")
    solver = importlib.import_module("reasoning_gym.logic.contrib.logic_puzzle.sat_utils")
    monkeypatch.setattr(solver, "pycosat", _NoSolver("pycosat"))
    members = [member for member in family("logic") if member not in LEFT_OUT]
    tasks = load_taskset("family:logic", limit=len(members), seed=1)
    assert [task.id for task in tasks[:-1]] == [f"{name}-1-0" for name in members if name != "zebra_puzzles"]
    assert tasks[-1].id == f"{members[0]}-1-1"


@pytest.mark.slow
def test_examples_where_answers_are_stated() -> None:
    tasks = load_taskset("family:agents?examples=1", limit=10)
    shown = {task.id.partition("-")[0]: [example.answer for example in task.examples] for task in tasks}
    assert shown["rubiks_cube"] == shown["boxnet"] == shown["knight_swap"] == []
    assert len(shown["sokoban"]) == 1
    assert "None" not in [answer for answers in shown.values() for answer in answers]
    with pytest.raises(BadInput, match="not 1 different examples"):
        load_taskset("reasoning_gym:rush_hour", examples=1, limit=1)
