"""What all trainers share: a training from checked samples to a written model, resumable, on Hugging Face's loop.

A trainer's module says how samples become tensors and what the loss is (`plan`); the rest is here: seeds, checkpoints,
progress, the loss history, the end when a number is none any more, the card, the rename at the end. It knows no loss.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import PrinterCallback, TrainerCallback, set_seed

from reflectree.models.scoring.card import Card
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.samples import Sample
from reflectree.training.trainers import folders
from reflectree.training.trainers.base import Base, folder_digest, open_base, quiet
from reflectree.training.trainers.checks import Data, gather
from reflectree.training.trainers.report import HISTORY, Diverged, OnProgress, Progress, Report, ends_of, read_report
from reflectree.training.trainers.settings import Settings

T = TypeVar("T")


@dataclass
class Job:
    """A training as a trainer's module gets it.

    Attributes:
        name: The trainer's name.
        settings: Its settings.
        base: What is started from.
        data: The samples.
        work: Where checkpoints go.
        dropped: Samples left out, by reason.
    """

    name: str
    settings: Any
    base: Base
    data: Data
    work: Path
    dropped: Counter[str] = field(default_factory=Counter)

    def fitting(self, made: Sequence[T], tokens: Callable[[T], int]) -> list[T]:
        """Those that are not too long.

        Raises:
            BadInput: One is, and the settings do not say to drop it; or none is left.
        """
        most = min(self.settings.max_tokens, self.base.limit)
        kept = [one for one in made if tokens(one) <= most]
        if len(kept) < len(made):
            longest = max(map(tokens, made))
            if self.settings.overlong == "refuse":
                raise BadInput(
                    f"{len(made) - len(kept)} of {len(made)} samples have more than {most} tokens (the longest "
                    f"{longest}): raise max_tokens if the model can read them, or set overlong='drop'"
                )
            self.dropped["overlong"] += len(made) - len(kept)
        if made and not kept:
            raise BadInput(f"all samples have more than {most} tokens: raise max_tokens, or use shorter ones")
        return kept


@dataclass
class Plan:
    """What a trainer's module makes of a job.

    Attributes:
        trainer: A `transformers.Trainer`, ready to train.
        card: What the model will be; the training is filled in.
        write: Writes weights and tokenizer into a folder.
        samples: Examples learnt from.
    """

    trainer: Any
    card: Card
    write: Callable[[Path], None]
    samples: int


def arguments(cls: Any, job: Job, **extra: Any) -> Any:
    """The arguments of a Hugging Face or TRL trainer from our settings.

    Raises:
        BadInput: A GPU is asked for and there is none, or there are several.
    """
    given: Settings = job.settings
    gpu = torch.cuda.is_available() and given.device != "cpu"
    if given.device == "cuda" and not gpu:
        raise BadInput("device='cuda' and no GPU is found: use device='auto' or 'cpu'")
    schedule = "constant_with_warmup" if given.schedule == "constant" and given.warmup else given.schedule
    fields = cls.__dataclass_fields__
    recompute = "activation_checkpointing" if "activation_checkpointing" in fields else "gradient_checkpointing"
    made = cls(
        output_dir=str(job.work),
        num_train_epochs=given.epochs,
        max_steps=given.max_steps or -1,
        per_device_train_batch_size=given.batch,
        per_device_eval_batch_size=given.batch,
        gradient_accumulation_steps=given.accumulate,
        learning_rate=given.lr,
        warmup_steps=given.warmup,
        lr_scheduler_type=schedule,
        weight_decay=given.weight_decay,
        max_grad_norm=given.clip,
        seed=given.seed,
        data_seed=given.seed,
        use_cpu=not gpu,
        bf16=given.dtype == "bfloat16" or (given.dtype == "auto" and gpu),
        **{recompute: given.recompute},
        report_to="none",
        disable_tqdm=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps" if given.checkpoint else "no",
        save_steps=given.checkpoint or 500,
        save_total_limit=2,
        remove_unused_columns=False,
        dataloader_pin_memory=gpu,
        include_num_input_tokens_seen="non_padding",
        **extra,
    )
    if made.n_gpu > 1:
        raise BadInput(f"{made.n_gpu} GPUs are visible and one is used: name it in CUDA_VISIBLE_DEVICES")
    return made


class Watch(TrainerCallback):  # type: ignore[misc]
    """Writes the loss history, tells the progress, and stops when a number is none any more."""

    def __init__(self, history: Path, on_progress: OnProgress | None) -> None:
        self.history, self.on_progress = history, on_progress

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Rewrite the history as of the checkpoint: what came after it happens again."""
        lines = [line for log in state.log_history if (line := _line(log))]
        self.history.write_text("".join(lines), encoding="utf-8")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """One update is done."""
        if not logs or "loss" not in logs:
            return
        for what in ("loss", "grad_norm"):
            if not math.isfinite(logs.get(what, 0.0)):
                raise Diverged(
                    f"the {what.replace('grad_norm', 'gradient')} is no number at update {state.global_step}: lower lr "
                    f"(now {args.learning_rate:g}), add warmup, or look for broken samples; nothing was written"
                )
        with self.history.open("a", encoding="utf-8") as file:
            file.write(_line({**logs, "step": state.global_step}))
        if self.on_progress is not None:
            tokens = int(state.num_input_tokens_seen)
            self.on_progress(Progress(state.global_step, state.max_steps, float(logs["loss"]), tokens))


def _line(log: dict[str, Any]) -> str:
    if "loss" not in log:
        return ""
    names = {"learning_rate": "lr", "num_input_tokens_seen": "tokens"}
    wanted = ("step", "epoch", "loss", "learning_rate", "grad_norm", "num_input_tokens_seen")
    return json.dumps({names.get(name, name): log[name] for name in wanted if name in log}) + "\n"


def run(
    name: str,
    kinds: Sequence[str],
    plan: Callable[[Job], Plan],
    samples: Sequence[Sample],
    base: Path,
    out: Path,
    settings: Settings,
    *,
    valid: Sequence[Sample] = (),
    resume: bool = True,
    on_progress: OnProgress | None = None,
    command: str = "",
) -> Report:
    """Train a model and write it; `reflectree.training.trainers.train` says what the arguments are."""
    started = time.monotonic()
    data = gather(name, kinds, samples, valid, settings.valid, settings.tag)
    opened = open_base(base, settings.tag)
    about = {"trainer": name, "settings": settings.model_dump(), "data": data.digest, "base": folder_digest(base)}
    key = folders.key_of(**about)
    if resume and folders.finished(out, key):
        return read_report(out)
    if not resume and out.exists():
        raise BadInput(f"{out} exists: choose another folder, or remove it")
    with folders.workplace(out, key, about, resume) as work:
        set_seed(settings.seed)
        made = plan(job := Job(name, settings, opened, data, work))
        report = _fit(job, made, on_progress, started, out)
        training = {**about, "key": key, "seed": settings.seed, "command": command or _call(name, base, out, settings)}
        ready = work / "ready"
        ready.mkdir(exist_ok=True)
        try:
            made.write(ready)
        except FloatingPointError as error:
            raise Diverged(f"{error}: lower lr (now {settings.lr:g}); nothing was written") from error
        card = made.card.model_copy(
            update={"base": base.name, "name": made.card.name or out.name, "training": training}
        )
        card.save(ready)
        report.save(ready)
        (work / HISTORY).replace(ready / HISTORY)
        folders.publish(ready, out)
    return report


def _fit(job: Job, made: Plan, on_progress: OnProgress | None, started: float, out: Path) -> Report:
    trainer = made.trainer
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Watch(job.work / HISTORY, on_progress))
    with quiet():
        before = trainer.evaluate()["eval_loss"] if job.data.valid else None
        set_seed(job.settings.seed)  # measuring draws random numbers, and training is the same with and without
        latest = folders.checkpoint(job.work)
        trainer.train(resume_from_checkpoint=None if latest is None else str(latest))
        losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
        after = trainer.evaluate()["eval_loss"] if job.data.valid else None
    first, last = ends_of(losses)
    return Report(
        loss_first=first,
        loss_last=last,
        steps=trainer.state.global_step,
        seconds=time.monotonic() - started,
        tokens=int(trainer.state.num_input_tokens_seen),
        folder=out,
        valid_first=before,
        valid_last=after,
        samples=made.samples,
        valid=len(job.data.valid),
        dropped=tuple(sorted(job.dropped.items())),
    )


def _call(name: str, base: Path, out: Path, settings: Settings) -> str:
    changed = settings.model_dump(exclude_defaults=True)
    return f"train({name!r}, samples, {str(base)!r}, {str(out)!r}, {changed!r})"
