"""Supervised and preference training: one trainer a module, all called the same way.

TRL and peft do the work where they have it; `losses` and `looping` are for what they do not. Importing this package
loads neither torch nor transformers. Three things are called RFT in the literature; here they are `expert-iteration`
(rejection-sampling fine-tuning), `reft` (reinforced fine-tuning: SFT, then PPO) and reinforcement fine-tuning with
graders; the last two belong to `reflectree.training.trainers.rl`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.training.samples import Sample
from reflectree.training.trainers import settings as given
from reflectree.training.trainers.report import Diverged, OnProgress, Progress, Report

__all__ = ["TRAINERS", "Diverged", "Progress", "Report", "Trainable", "train"]


@dataclass(frozen=True, slots=True)
class Trainable:
    """A trainer as it is looked up.

    Attributes:
        settings: The class of its settings.
        kinds: The kinds of samples it reads; others are passed over.
        module: Its module within this package.
        makes: `policy`, or what kind of scorer comes out.
        summary: What it is, in a line.
    """

    settings: type[given.Settings]
    kinds: tuple[str, ...]
    module: str
    makes: str
    summary: str


TRAINERS: Mapping[str, Trainable] = MappingProxyType(
    {
        "sft": Trainable(
            given.SftSettings, ("solution", "operated"), "sft", "policy", "supervised fine-tuning on solutions"
        ),
        "expert-iteration": Trainable(
            given.ExpertIterationSettings,
            ("solution",),
            "expert_iteration",
            "policy",
            "rejection-sampling fine-tuning (ReST): SFT on the model's own good solutions",
        ),
        "dpo": Trainable(given.DpoSettings, ("preferred",), "dpo", "policy", "direct preference optimisation"),
        "rpo": Trainable(given.RpoSettings, ("preferred",), "dpo", "policy", "DPO plus the better one's likelihood"),
        "step-dpo": Trainable(
            given.StepDpoSettings, ("preferred",), "dpo", "policy", "DPO on the next step after a shared prefix"
        ),
        "step-apo": Trainable(
            given.StepApoSettings,
            ("preferred",),
            "step_apo",
            "policy",
            "step DPO with the difference of the values as its margin (CPL)",
        ),
        "value": Trainable(
            given.ValueSettings, ("valued", "labelled"), "value", "value-head", "regression on backed-up values"
        ),
        "prm": Trainable(
            given.PrmSettings, ("labelled",), "prm", "token-classifier", "process reward model at step tags"
        ),
        "orm": Trainable(
            given.OrmSettings, ("solution",), "orm", "sequence-classifier", "outcome reward model of whole solutions"
        ),
        "pairwise": Trainable(
            given.PairwiseSettings, ("preferred",), "pairwise", "sequence-classifier", "Bradley-Terry score"
        ),
        "ppm": Trainable(
            given.PpmSettings, ("preferred",), "ppm", "value-head", "process preference model (rStar-Math)"
        ),
        "implicit": Trainable(
            given.ImplicitSettings,
            ("solution",),
            "implicit",
            "implicit-prm",
            "implicit process reward model: log-ratios learnt from outcomes (PRIME)",
        ),
    }
)
"""All supervised and preference trainers by name."""


def train(
    name: str,
    samples: Sequence[Sample],
    base: str | Path,
    out: str | Path,
    settings: given.Settings | Mapping[str, Any] | None = None,
    *,
    valid: Sequence[Sample] = (),
    resume: bool = True,
    on_progress: OnProgress | None = None,
    command: str = "",
) -> Report:
    """Train a model and write it to a folder.

    The same call again goes on from the latest checkpoint, with the result of a training that was never interrupted;
    when the model is there already, its report is given back.

    Args:
        name: The trainer, one of `TRAINERS`.
        samples: What to learn from; those of other kinds are passed over.
        base: The folder of the model to start from.
        out: The folder of the model to be; it must not exist.
        settings: The trainer's settings, or changes to their defaults.
        valid: Samples to measure on, before and after.
        resume: Go on with what an interrupted training left; else begin anew.
        on_progress: Called after every update; what it raises stops the training.
        command: What the model's card says it was made by.

    Raises:
        BadInput: Settings, samples or folders cannot work; the message says which and what to do.
        Diverged: A loss, gradient or weight is no number.
        MissingExtra: torch, transformers, trl or peft is not installed.
        RunLocked: Another process trains this model.
    """
    if name not in TRAINERS:
        raise BadInput(f"there is no trainer {name!r}: it is one of {', '.join(TRAINERS)}")
    spec = TRAINERS[name]
    chosen = given.settings_of(spec.settings, settings, name)
    for module in ("torch", "transformers", "accelerate"):
        require(module, "training", "training a model")
    common = require(f"{__name__}.common", "training", "training a model")
    plan = require(f"{__name__}.{spec.module}", "training", "training a model").plan
    report: Report = common.run(
        name,
        spec.kinds,
        plan,
        samples,
        Path(base),
        Path(out),
        chosen,
        valid=valid,
        resume=resume,
        on_progress=on_progress,
        command=command,
    )
    return report
