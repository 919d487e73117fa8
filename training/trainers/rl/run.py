"""Reinforcement learning from a folder to a folder: the base is loaded, tasks become problems, verifiers grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from reflectree.models.scoring.card import Card
from reflectree.models.scoring.items import Scorer
from reflectree.models.scoring.template import STEP_END
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task
from reflectree.training.trainers.base import folder_digest, open_base
from reflectree.training.trainers.folders import key_of
from reflectree.training.trainers.rl.episodes import Grade, Problem, Written
from reflectree.training.trainers.rl.on_trl import train_on_trl
from reflectree.training.trainers.rl.presets import settings
from reflectree.training.trainers.rl.train import Caps, OnIteration, RLReport, train_rl


def run(
    preset: str,
    tasks: Sequence[Task],
    base: str | Path,
    out: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    valid: Sequence[Task] = (),
    scorer: Scorer | None = None,
    caps: Caps | None = None,
    on_iteration: OnIteration | None = None,
    trl: bool = False,
    device: str = "auto",
    grade: Grade | None = None,
) -> RLReport:
    """Train the policy in a folder by reinforcement learning on tasks whose verifiers grade; resumes where `out` is.

    Args:
        preset: One of `presets.PRESETS`.
        tasks: What it is trained on; each needs a verifier.
        base: The policy to start from.
        out: The policy to be.
        changes: Settings in place of the preset's.
        valid: Tasks on which greedy accuracy is measured after each iteration.
        scorer: A process reward model, for process rewards.
        caps: What it may cost before it pauses.
        on_iteration: Told each row of the history.
        trl: Train on TRL's trainer.
        device: `auto` takes a GPU where there is one.
        grade: Grades in the verifiers' place.

    Raises:
        BadInput: Preset, settings, tasks or folders cannot work.
        Diverged: The loss is no number any more.
    """
    chosen = settings(preset, **(changes or {}))
    if trl and caps is not None and (caps.tokens is not None or caps.seconds is not None):
        raise BadInput("TRL's trainer cannot be paused by a cap: leave the caps out, or train without TRL")
    problems, judged = problems_of([*tasks, *valid], graded=grade is not None)
    opened, digest = open_base(Path(base), STEP_END), folder_digest(Path(base))
    model = opened.load("policy")
    model.config.use_cache = True
    model.to("cuda" if device == "auto" and torch.cuda.is_available() else "cpu" if device == "auto" else device)
    card = Card(kind="policy", format="steps", base=str(base), training={"preset": preset, **chosen.model_dump()})
    learnt = problems[: len(tasks)]
    about = {"task set": key_of(problems=[[one.question, one.id] for one in learnt]), "base": digest}
    if trl:
        return train_on_trl(
            model, opened.tokenizer, learnt, grade or judged, out, chosen,
            on_iteration=on_iteration, card=card, about=about,
        )  # fmt: skip
    return train_rl(
        model, opened.tokenizer, learnt, grade or judged, out, chosen,
        scorer=scorer, valid=problems[len(tasks) :], caps=caps, on_iteration=on_iteration, card=card, about=about,
    )  # fmt: skip


def problems_of(tasks: Sequence[Task], *, graded: bool = False) -> tuple[list[Problem], Grade]:
    """Tasks as problems, and the grade their verifiers give; where something else grades, none is needed.

    Raises:
        BadInput: A task has no verifier.
    """
    verifiers = {}
    problems = []
    for task in tasks:
        if task.verifier is None and not graded:
            raise BadInput(f"the task {task.id or task.question[:40]!r} has no verifier, so nothing can grade it")
        problem = Problem(task.prose, task.id)
        if task.verifier is not None:
            verifiers[problem.question] = task.verifier
        problems.append(problem)

    def grade(problem: Problem, written: Written) -> float:
        """What the verifier says; a missing answer is worth nothing, and one that cannot be judged raises."""
        return 0.0 if written.answer is None else float(verifiers[problem.question].score(written.answer))

    return problems, grade
