"""The loop of reinforcement learning: sample, grade, credit, update, evaluate; resumable, and paused by its caps.

After each iteration policy, optimizer and history are saved, one folder in place of the other; killed in between, an
iteration is done again from the same seeds. Whoever grades is asked for each solution once.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path as FilePath
from random import Random
from statistics import fmean
from typing import Any

import torch

from reflectree.models.neural.weights import quiet
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.items import Scorer
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.advantages import reft_reward
from reflectree.training.trainers.rl.crediting import Crediting
from reflectree.training.trainers.rl.episodes import Grade, Problem, Written, graded
from reflectree.training.trainers.rl.folder import known, replaced, write_down
from reflectree.training.trainers.rl.presets import Settings
from reflectree.training.trainers.rl.update import Update, Updater
from reflectree.training.trainers.rl.writing import write

OnIteration = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Caps:
    """What a training may cost before it pauses; `None` means no cap. A paused training goes on when called again."""

    tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RLReport:
    """What a training came to.

    Attributes:
        folder: The trained policy.
        history: One row an iteration: reward, accuracy, loss, divergence, tokens.
        paused: A cap was reached; call again with a higher one to go on.
    """

    folder: str
    history: list[dict[str, Any]] = field(default_factory=list)
    paused: bool = False


def train_rl(
    model: Any,
    tokenizer: Any,
    problems: Sequence[Problem],
    grade: Grade,
    out: str | FilePath,
    settings: Settings,
    *,
    scorer: Scorer | None = None,
    valid: Sequence[Problem] = (),
    caps: Caps | None = None,
    on_iteration: OnIteration | None = None,
    card: Card | None = None,
    about: Mapping[str, Any] | None = None,
) -> RLReport:
    """Train a policy by reinforcement learning; goes on where `out` holds an unfinished training of the same settings.

    Args:
        model: The policy: a causal language model that knows the token that ends a step.
        tokenizer: Its tokenizer.
        problems: What it is trained on. Never the test part.
        grade: What a solution is worth, in [0, 1]; 1 is right.
        out: Where policy, optimizer and history are kept.
        settings: How.
        scorer: A process reward model, for credit `process`.
        valid: Problems on which greedy accuracy is measured after each iteration.
        caps: What it may cost.
        on_iteration: Told each row of the history.
        card: What to say of the trained policy.
        about: What else makes it the same training, as JSON values: digests of its tasks and its base.

    Raises:
        BadInput: There are no problems, or `out` holds another training, or anything else.
        Diverged: The loss is no number any more; the last good checkpoint is kept.
    """
    if not problems:
        raise BadInput("there are no problems to learn from")
    torch.manual_seed(settings.seed)
    caps, folder = caps or Caps(), FilePath(out)
    frozen = settings.kl or settings.kl_reward or settings.credit in ("progress", "implicit")
    reference = copy.deepcopy(model).eval().requires_grad_(False) if frozen else None
    critic = torch.nn.Linear(model.config.hidden_size, 1) if settings.value else None
    if critic is not None:
        torch.nn.init.zeros_(critic.weight)
        torch.nn.init.zeros_(critic.bias)
        critic.to(next(model.parameters()).device)
    update = Update(**{name: getattr(settings, name) for name in Update.model_fields if hasattr(settings, name)})
    updater = Updater(model, tokenizer, update, reference=reference if settings.kl else None, critic=critic)
    crediting = Crediting(model, tokenizer, settings, grade, reference, critic, scorer)
    saved = _Saved(folder, settings, about or {}, updater, crediting)
    history = saved.load()
    begun = time.monotonic()
    spent = sum(row["tokens"] for row in history)
    for iteration in range(len(history), settings.iterations):
        if _reached(caps, spent, time.monotonic() - begun):
            return RLReport(str(folder), history, paused=True)
        row = _iterate(iteration, updater, crediting, problems, grade, settings)
        if valid:
            row["valid"] = _accuracy(model, tokenizer, valid, grade, settings)
        spent += row["tokens"]
        history.append(row)
        saved.save(history, card or Card(kind="policy", format="steps"))
        if on_iteration is not None:
            on_iteration(row)
    return RLReport(str(folder), history)


def _iterate(
    iteration: int,
    updater: Updater,
    crediting: Crediting,
    problems: Sequence[Problem],
    grade: Grade,
    settings: Settings,
) -> dict[str, Any]:
    """One iteration; what it came to."""
    seed = settings.seed * 100_003 + iteration
    rng = Random(seed)
    chosen = rng.sample(list(problems), min(settings.questions, len(problems)))
    before = crediting.tokens
    groups = write(
        updater.model, updater.tokenizer, [(problem.question, ()) for problem in chosen], settings.samples,
        max_tokens=settings.max_tokens, temperature=settings.temperature, seed=seed,
    )  # fmt: skip
    right = [[graded(grade, problem, w) for w in group] for problem, group in zip(chosen, groups, strict=True)]
    rewarded = [
        [
            replace(w, reward=_reward(w, value, settings.partial))
            for w, value in zip(group, values, strict=True)
            if value is not None
        ]
        for group, values in zip(groups, right, strict=True)
    ]
    graded_ones = [value for values in right for value in values if value is not None]
    if not graded_ones:
        raise BadInput("not one solution of this iteration could be graded: check the grader, or the verifiers")
    written = [w for group in rewarded for w in group if len(w.steps) > w.given]
    episodes = crediting.episodes(chosen, [[w for w in g if len(w.steps) > w.given] for g in rewarded], seed)
    row: dict[str, Any] = {
        "iteration": iteration,
        "reward": fmean(w.reward for group in rewarded for w in group),
        "accuracy": fmean(value >= 1.0 for value in graded_ones),
        "ungraded": sum(map(len, right)) - len(graded_ones),
        "tokens": sum(w.tokens for group in groups for w in group) + crediting.tokens - before,
        "solutions": len(written),
        "episodes": len(episodes),
    }
    if episodes:
        row |= {name: value for name, value in asdict(updater.update(episodes, seed)).items() if name != "tokens"}
    return row


def _reward(written: Written, value: float, partial: float) -> float:
    if not partial or value >= 1.0:
        return value
    return max(value, reft_reward(False, written.answer is not None, partial))


def _accuracy(model: Any, tokenizer: Any, valid: Sequence[Problem], grade: Grade, settings: Settings) -> float:
    """Greedy accuracy; what cannot be judged is not right."""
    starts = [(problem.question, ()) for problem in valid]
    found = write(model, tokenizer, starts, 1, max_tokens=settings.max_tokens, temperature=0.0)
    verdicts = [graded(grade, problem, group[0]) for problem, group in zip(valid, found, strict=True)]
    return fmean(value is not None and value >= 1.0 for value in verdicts)


def _reached(caps: Caps, tokens: int, seconds: float) -> bool:
    return (caps.tokens is not None and tokens >= caps.tokens) or (caps.seconds is not None and seconds >= caps.seconds)


@dataclass(slots=True)
class _Saved:
    """A training on disk: policy, optimizer, history; replaced as one."""

    folder: FilePath
    settings: Settings
    about: Mapping[str, Any]
    updater: Updater
    crediting: Crediting

    def load(self) -> list[dict[str, Any]]:
        """The history of what is there; policy and optimizer go on from it."""
        found = known(self.folder, self.settings.model_dump(mode="json"), self.about)
        if found is None:
            return []
        from safetensors.torch import load_model

        load_model(self.updater.model, str(self.folder / "model.safetensors"))
        parts = torch.load(self.folder / "training.pt", weights_only=True)
        self.updater.optimizer.load_state_dict(parts["optimizer"])
        if self.updater.critic is not None:
            self.updater.critic.load_state_dict(parts["critic"])
        if self.crediting.reward_model is not None and "reward_model" in parts:
            self.crediting.reward_model.load_state_dict(parts["reward_model"])
        self.crediting.tokens = int(found["rollout_tokens"])
        return list(found["history"])

    def save(self, history: list[dict[str, Any]], card: Card) -> None:
        """Write all of it beside the folder, then put it in its place."""
        parts: dict[str, Any] = {"optimizer": self.updater.optimizer.state_dict()}
        if self.updater.critic is not None:
            parts["critic"] = self.updater.critic.state_dict()
        if self.crediting.reward_model is not None:
            parts["reward_model"] = self.crediting.reward_model.state_dict()
        with replaced(self.folder) as fresh:
            with quiet():
                self.updater.model.save_pretrained(fresh, safe_serialization=True)
                self.updater.tokenizer.save_pretrained(fresh)
            card.save(fresh)
            torch.save(parts, fresh / "training.pt")
            settings = self.settings.model_dump(mode="json")
            write_down(fresh, settings, self.about, rollout_tokens=self.crediting.tokens, history=history)
