"""Reinforcement learning on a tiny model: every preset runs and moves it, reward rises, pauses and resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_models import tiny_causal_lm

from reflectree.models.scoring.template import StepTemplate
from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.training.trainers.report import Diverged
from reflectree.training.trainers.rl import tokens
from reflectree.training.trainers.rl.episodes import Episode, Problem, Written
from reflectree.training.trainers.rl.presets import PRESETS, settings
from reflectree.training.trainers.rl.train import Caps, train_rl
from reflectree.training.trainers.rl.update import Update, Updater, logprobs
from reflectree.training.trainers.rl.writing import read, write

PROBLEMS = [Problem(f"Say something, {k}.", f"p{k}") for k in range(4)]
SMALL: dict[str, Any] = {"iterations": 2, "questions": 2, "samples": 4, "max_tokens": 4, "lr": 1e-2, "batch": 8}


def vowels(problem: Problem, written: Written) -> float:
    text = "".join(written.steps[written.given :])
    return sum(character in "aeiouAEIOU0123456789" for character in text) / max(1, len(text))


@pytest.fixture
def model(tmp_path: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tiny_causal_lm(tmp_path / "base", hidden=16, layers=1)
    return (
        AutoModelForCausalLM.from_pretrained(tmp_path / "base"),
        AutoTokenizer.from_pretrained(tmp_path / "base"),
    )


def test_episodes_become_tokens_that_carry_their_steps_advantage(model: tuple[Any, Any]) -> None:
    tokenizer, template = model[1], StepTemplate()
    episode = Episode("q", ("given", "ab", "c"), (0.5, -1.0), given=1)
    batch = tokens.batched(tokenizer, template, [episode, Episode("a longer question", ("x",), (2.0,))])
    row = batch.advantages[0][batch.learnt[0] > 0].tolist()
    assert row == [0.5, 0.5, 0.5, -1.0, -1.0, -1.0]  # a, b, end of step; c, end of step, end of text
    assert batch.advantages[0][batch.learnt[0] == 0].abs().sum() == 0
    start = template.prompt(tokenizer, "q", ("given",))
    assert batch.ids[0][batch.learnt[0] == 0].tolist()[: len(start)] == start
    with pytest.raises(BadInput, match="1 advantages for 2 learnt steps"):
        tokens.batched(tokenizer, template, [Episode("q", ("a", "b"), (1.0,))])


def test_an_update_makes_good_steps_likelier_and_bad_ones_less_so(model: tuple[Any, Any]) -> None:
    policy, tokenizer = model
    updater = Updater(policy, tokenizer, Update(lr=1e-2, epochs=2, batch=2))
    episodes = [Episode("q", ("good",), (1.0,)), Episode("q", ("evil",), (-1.0,))]
    batch = tokens.batched(tokenizer, StepTemplate(), episodes)

    def chances() -> list[float]:
        with torch.no_grad():
            found: list[float] = (logprobs(policy, batch)[0] * batch.learnt).sum(1).tolist()
        return found

    before = chances()
    stats = updater.update(episodes)
    after = chances()
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert stats.steps == 2
    assert stats.tokens == batch.tokens


def test_a_zero_advantage_and_no_divergence_moves_nothing(model: tuple[Any, Any]) -> None:
    policy, tokenizer = model
    before = [parameter.clone() for parameter in policy.parameters()]
    Updater(policy, tokenizer, Update(lr=1e-2)).update([Episode("q", ("good",), (0.0,))])
    assert all(torch.equal(old, new) for old, new in zip(before, policy.parameters(), strict=True))


def test_a_loss_that_is_no_number_stops_before_the_policy_is_spoilt(model: tuple[Any, Any]) -> None:
    policy, tokenizer = model
    with pytest.raises(Diverged, match="no number"):
        Updater(policy, tokenizer, Update()).update([Episode("q", ("good",), (float("nan"),))])
    assert all(torch.isfinite(parameter).all() for parameter in policy.parameters())


def test_what_is_written_is_read_as_steps(model: tuple[Any, Any]) -> None:
    tokenizer, template = model[1], StepTemplate()
    ids = [*template.step(tokenizer, "6 * 7 = 42"), *template.step(tokenizer, "Answer: 42"), tokenizer.eos_token_id]
    whole = read(tokenizer, template, ("q", ("given",)), [*ids, 0, 0])
    assert (whole.steps, whole.answer, whole.ended) == (("given", "6 * 7 = 42", "Answer: 42"), "42", True)
    assert (whole.given, whole.tokens) == (1, len(ids))
    cut = read(tokenizer, template, ("q", ()), ids[:-3])
    assert cut.ended is False


def test_the_same_seed_writes_the_same(model: tuple[Any, Any]) -> None:
    def sampled(seed: int) -> list[list[Written]]:
        return write(*model, [("q", ()), ("another", ("step",))], 3, max_tokens=6, seed=seed)

    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)


class _Scorer:
    """A process reward model that likes long steps."""

    def encode(self, item: Any) -> Any:
        return item

    def score(self, batch: Any) -> list[Any]:
        from reflectree.models.scoring.items import Scored

        steps = tuple(min(1.0, len(text) / 10) for text in batch[0].steps)
        return [Scored(steps, steps[-1], 1)]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_learns_from_what_it_samples(preset: str, model: tuple[Any, Any], tmp_path: Path) -> None:
    policy, tokenizer = model
    before = [parameter.clone() for parameter in policy.parameters()]
    own = {**SMALL, "rollouts": 2} | ({"keep": (0.0, 1.0), "reward_lr": 1e-2} if preset == "prime" else {})
    scorer: Any = _Scorer() if preset == "grpo-process" else None
    report = train_rl(policy, tokenizer, PROBLEMS, vowels, tmp_path / "out", settings(preset, **own), scorer=scorer)
    assert [row["iteration"] for row in report.history] == [0, 1]
    assert all(row["tokens"] > 0 and row["episodes"] > 0 for row in report.history)
    assert any(not torch.equal(old, new) for old, new in zip(before, policy.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["grpo", "vineppo", "reft"])
def test_reward_rises(preset: str, model: tuple[Any, Any], tmp_path: Path) -> None:
    own = {**SMALL, "iterations": 25, "questions": 4, "samples": 8, "rollouts": 2, "epochs": 1, "batch": 32}
    own |= {"kl_reward": 0.01, "value": 0.5, "samples": 16} if preset == "reft" else {}
    report = train_rl(*model, PROBLEMS, vowels, tmp_path / "out", settings(preset, **own))
    rewards = [row["reward"] for row in report.history]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.1


def test_paused_and_resumed_equals_uninterrupted(model: tuple[Any, Any], tmp_path: Path) -> None:
    import copy

    policy, tokenizer = model
    other = copy.deepcopy(policy)
    plan = settings("grpo", **SMALL, kl=0.1)
    whole = train_rl(policy, tokenizer, PROBLEMS, vowels, tmp_path / "whole", plan)
    paused = train_rl(copy.deepcopy(other), tokenizer, PROBLEMS, vowels, tmp_path / "parts", plan, caps=Caps(tokens=1))
    assert paused.paused
    assert len(paused.history) == 1
    resumed = train_rl(other, tokenizer, PROBLEMS, vowels, tmp_path / "parts", plan)
    assert resumed.history == whole.history
    assert all(torch.equal(a, b) for a, b in zip(policy.parameters(), other.parameters(), strict=True))
    with pytest.raises(BadInput, match="other settings"):
        train_rl(other, tokenizer, PROBLEMS, vowels, tmp_path / "parts", settings("rloo", **SMALL))
    assert json.loads((tmp_path / "parts" / "reflectree.json").read_text())["kind"] == "policy"


def test_a_folder_of_something_else_is_never_touched(model: tuple[Any, Any], tmp_path: Path) -> None:
    plan = settings("grpo", **{**SMALL, "iterations": 1})
    (tmp_path / "mine" / "thesis").mkdir(parents=True)
    (tmp_path / "mine" / "thesis" / "text").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name in ("mine", "file"):
        with pytest.raises(BadInput, match="is no training of this kind"):
            train_rl(*model, PROBLEMS, vowels, tmp_path / name, plan)
    assert (tmp_path / "mine" / "thesis" / "text").read_text() == (tmp_path / "file").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    assert train_rl(*model, PROBLEMS, vowels, tmp_path / "empty", plan).history


def test_other_tasks_or_another_base_are_another_training(model: tuple[Any, Any], tmp_path: Path) -> None:
    plan = settings("grpo", **{**SMALL, "iterations": 1})
    about = {"task set": "a", "base": "b"}
    train_rl(*model, PROBLEMS, vowels, tmp_path / "out", plan, about=about)
    for name in about:
        with pytest.raises(BadInput, match=f"holds a training of another {name}"):
            train_rl(*model, PROBLEMS, vowels, tmp_path / "out", plan, about={**about, name: "c"})
    train_rl(*model, PROBLEMS, vowels, tmp_path / "out", plan, about=about)
    (tmp_path / "out" / "training.json").write_text("{")
    with pytest.raises(BadInput, match=r"training\.json is damaged"):
        train_rl(*model, PROBLEMS, vowels, tmp_path / "out", plan, about=about)


@pytest.mark.parametrize("preset", ["grpo", "vineppo"])
def test_what_cannot_be_graded_is_left_out_and_never_a_zero(
    preset: str, model: tuple[Any, Any], tmp_path: Path
) -> None:
    def sometimes(problem: Problem, written: Written) -> float:
        if len("".join(written.steps)) % 2:
            raise VerifierError("the judge is out")
        return 0.5

    plan = settings(preset, **{**SMALL, "rollouts": 2, "iterations": 1})
    (row,) = train_rl(*model, PROBLEMS, sometimes, tmp_path / "out", plan).history
    assert row["ungraded"] > 0
    assert row["reward"] == 0.5  # with zeros for what was not graded it would be less

    def never(problem: Problem, written: Written) -> float:
        raise VerifierError("the judge is out")

    with pytest.raises(BadInput, match="could be graded"):
        train_rl(*model, PROBLEMS, never, tmp_path / "none", plan)


@pytest.mark.parametrize(
    ("preset", "changes", "why"),
    [
        ("gppo", {}, "no preset 'gppo'"),
        ("grpo", {"samples": 1}, "samples must be 2 or more"),
        ("ppo", {"value": 0.0}, "value must be above 0"),
        ("grpo", {"lr": float("nan")}, "lr"),
        ("grpo", {"learning_rate": 1.0}, "learning_rate"),
    ],
)
def test_settings_that_cannot_work_are_refused(preset: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        settings(preset, **changes)


def test_no_problems_and_a_missing_scorer_are_refused(model: tuple[Any, Any], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no problems"):
        train_rl(*model, [], vowels, tmp_path / "out", settings("grpo", **SMALL))
    with pytest.raises(BadInput, match="needs a process reward model"):
        train_rl(*model, PROBLEMS, vowels, tmp_path / "out", settings("grpo-process", **SMALL))
