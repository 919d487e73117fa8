"""`reflectree train` and `reflectree loop` from end to end on tiny models, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.apps.conftest import Cli
from tests.support.tiny_models import tiny_causal_lm

from reflectree.training.buffer import ReplayBuffer
from reflectree.training.samples import Origin, Solution
from reflectree.training.trainers import TRAINERS
from reflectree.training.trainers.rl.presets import PRESETS

TINY_RL = ("-s", "iterations=2", "-s", "questions=2", "-s", "samples=2", "-s", "max_tokens=4", "-s", "lr=0.001")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tiny_causal_lm(tmp_path / "base", hidden=16, layers=1)
    return tmp_path / "base"


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    file = tmp_path / "tasks.jsonl"
    file.write_text("\n".join(json.dumps({"question": f"Say {n}.", "answer": str(n)}) for n in range(40)))
    return file


@pytest.fixture
def buffer(tmp_path: Path) -> Path:
    samples = [
        Solution(question=f"Say {n}.", steps=("I say it.", f"Answer: {n}"), origin=Origin(task=str(n)))
        for n in range(6)
    ]
    ReplayBuffer(tmp_path / "buffer").add(samples)
    return tmp_path / "buffer"


def test_without_a_name_it_lists_what_there_is(cli: Cli) -> None:
    done = cli("train")
    assert done.code == 0
    for name in (*TRAINERS, *PRESETS):
        assert any(line.startswith(f"{name} ") for line in done.out.splitlines()), name
    assert set(json.loads(cli("train", "--json").out)) == {*TRAINERS, *PRESETS}


def test_a_policy_is_trained_on_a_buffer_and_not_twice(cli: Cli, base: Path, buffer: Path, tmp_path: Path) -> None:
    command = ("train", "sft", "--buffer", buffer, "--base", base, "--out", tmp_path / "sft", "-s", "max_steps=4")
    done = cli(*command, "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["steps"] == 4
    assert (tmp_path / "sft" / "reflectree.json").is_file()
    weights = (tmp_path / "sft" / "model.safetensors").stat().st_mtime_ns
    again = cli(*command, "--quiet")
    assert again.code == 0
    assert "4 updates" in again.out
    assert (tmp_path / "sft" / "model.safetensors").stat().st_mtime_ns == weights


def test_reinforcement_learning_pauses_at_a_cap_and_goes_on(cli: Cli, base: Path, tasks: Path, tmp_path: Path) -> None:
    command = ("train", "grpo", "--tasks", tasks, "--base", base, "--out", tmp_path / "rl", *TINY_RL)
    paused = cli(*command, "--tokens", 1, "--json")
    assert paused.code == 3
    assert len(json.loads(paused.out)["history"]) == 1
    assert "goes on" in paused.err
    done = cli(*command)
    assert done.code == 0
    assert "2 iterations" in done.out
    assert "Writing" not in done.err  # transformers has a bar of its own for each save


def test_a_grader_takes_the_verifiers_place(cli: Cli, base: Path, tasks: Path, tmp_path: Path) -> None:
    grader = {
        "type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match",
        "input": "{{ sample.output_text }}", "reference": "{{ item.question }}",
    }  # fmt: skip
    (tmp_path / "grader.json").write_text(json.dumps(grader))
    rows = [{"question": json.loads(line)["question"]} for line in tasks.read_text().splitlines()]
    unanswered = tmp_path / "unanswered.jsonl"  # nothing a verifier could judge by, and none is needed
    unanswered.write_text("\n".join(map(json.dumps, rows)))
    done = cli(
        "train", "rft", "--tasks", unanswered, "--base", base, "--out", tmp_path / "rft", *TINY_RL,
        "--grader", tmp_path / "grader.json", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert all(0 <= row["reward"] <= 1 for row in json.loads(done.out)["history"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["magic"], "nothing to train by called 'magic'"),
        (["sft"], "--base FOLDER --out FOLDER"),
        (["sft", "--base", "b", "--out", "o"], "learns from samples"),
        (["grpo", "--base", "b", "--out", "o", "--buffer", "x"], "learns from tasks"),
        (["sft", "--base", "b", "--out", "o", "--buffer", "nowhere"], "there is no buffer nowhere"),
    ],
)
def test_what_cannot_work_is_one_line(cli: Cli, arguments: list[str], why: str) -> None:
    done = cli("train", *arguments)
    assert done.code == 2
    assert why in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_setting_that_is_unknown_names_itself(cli: Cli, base: Path, tasks: Path, tmp_path: Path) -> None:
    done = cli("train", "grpo", "--tasks", tasks, "--base", base, "--out", tmp_path / "o", "-s", "sample=3")
    assert done.code == 2
    assert "sample" in done.err


@pytest.mark.parametrize("name", ["sft", "grpo"])
def test_an_unknown_setting_is_one_line_with_those_there_are(
    name: str, cli: Cli, base: Path, buffer: Path, tasks: Path, tmp_path: Path
) -> None:
    source = ("--buffer", buffer) if name == "sft" else ("--tasks", tasks)
    listed = json.loads(cli("train", "--json").out)[name]["settings"]
    done = cli("train", name, *source, "--base", base, "--out", tmp_path / "o", "-s", "surprise=3")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert "surprise" in line
    assert "known: " in line
    assert all(setting in line for setting in listed)


def test_the_folder_of_data_generate_will_do(cli: Cli, base: Path, buffer: Path, tmp_path: Path) -> None:
    buffer.rename(tmp_path / "moved")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "job.json").write_text("{}")
    (tmp_path / "moved").rename(tmp_path / "job" / "buffer")
    done = cli(
        "train", "sft", "--buffer", tmp_path / "job", "--base", base, "--out", tmp_path / "o", "-s", "max_steps=1",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.data["samples"] == 6


def test_a_grader_that_is_not_there_is_said_before_a_model_is_loaded(cli: Cli, tasks: Path, tmp_path: Path) -> None:
    given = ("--tasks", tasks, "--base", "nowhere", "--out", tmp_path / "o", "--grader", tmp_path / "no.yaml")
    done = cli("train", "rft", *given)
    assert done.code == 2
    assert "cannot read the grader" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_loss_that_is_no_number_is_5(cli: Cli, base: Path, buffer: Path, tmp_path: Path) -> None:
    done = cli(
        "train", "sft", "--buffer", buffer, "--base", base, "--out", tmp_path / "o", "-s", "lr=1e30", "-s",
        "max_steps=20", "-s", "clip=1e9",
    )  # fmt: skip
    assert done.code == 5
    assert "lower lr" in done.err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", ["train", "loop"])
def test_help_tells_the_exit_codes(name: str, cli: Cli) -> None:
    assert "5 the loss is no number" in " ".join(cli(name, "--help").out.split())


def test_ctrl_c_says_how_to_go_on(
    cli: Cli, base: Path, buffer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: ReplayBuffer, kind: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ReplayBuffer, "read", interrupted)
    done = cli("train", "sft", "--buffer", buffer, "--base", base, "--out", tmp_path / "o")
    assert done.code == 130
    assert "go on with" in done.err


def test_a_loop_that_cannot_work_is_refused(cli: Cli, tasks: Path, tmp_path: Path) -> None:
    done = cli("loop", tasks, "--base", tmp_path, "--out", tmp_path / "loop", "-s", "sft.by=magic")
    assert done.code == 2
    assert "sft.by is one of" in done.err


@pytest.mark.slow
def test_a_round_of_the_loop(cli: Cli, base: Path, tasks: Path, tmp_path: Path) -> None:
    plan = {
        "rounds": 1,
        "search": "self-consistency",
        "labels": ["rejection"],
        "tokens": 2000,
        "valid": 2,
        "sft": {"by": "sft", "settings": {"max_steps": 2}},
        "value": None,
    }
    (tmp_path / "plan.yaml").write_text(json.dumps(plan))
    command = ("loop", tasks, "--base", base, "--out", tmp_path / "loop", "--plan", tmp_path / "plan.yaml")
    done = cli(*command)
    assert done.code == 0, done.err
    assert "round 0 (sft)" in done.out
    assert "self-consistency" in done.out
    report = json.loads(cli(*command, "--json").out)
    assert len(report["rounds"]) == 1
    assert report["rounds"][0]["data"]["usage"]["calls"] > 0
