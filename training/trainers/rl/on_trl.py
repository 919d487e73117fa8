"""GRPO and RLOO with outcome rewards on TRL's own trainer, for those who want its scale: accelerate, DeepSpeed, vLLM.

Prompts are built and replies are read by the step template, so that what is learnt is what the search asks for. The
loop beside this module (`train`) does the same and more at small scale, and resumes between iterations.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import torch

from reflectree.models.neural.weights import quiet
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.template import StepTemplate
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.training.trainers.report import Diverged
from reflectree.training.trainers.rl.episodes import Grade, Problem, graded
from reflectree.training.trainers.rl.folder import known, replaced, write_down
from reflectree.training.trainers.rl.presets import Settings
from reflectree.training.trainers.rl.train import OnIteration, RLReport
from reflectree.training.trainers.rl.writing import read, sample


def train_on_trl(
    model: Any,
    tokenizer: Any,
    problems: Sequence[Problem],
    grade: Grade,
    out: str | FilePath,
    settings: Settings,
    *,
    on_iteration: OnIteration | None = None,
    card: Card | None = None,
    about: Mapping[str, Any] | None = None,
    **config: Any,
) -> RLReport:
    """Train with TRL's `GRPOTrainer`; `config` is passed on to its `GRPOConfig`.

    RLOO is the same estimator without the deviation but for a constant factor (n / (n - 1)), and is trained so. The
    folder is written at the end, whole; a training that is finished there is not made again.

    Raises:
        BadInput: The credit is none that TRL has, there are no problems, or `out` holds something else.
        Diverged: The loss is no number; nothing is written.
    """
    if settings.credit not in ("outcome", "leave-one-out"):
        raise BadInput(f"TRL knows no credit {settings.credit!r}: leave --trl out")
    if not problems:
        raise BadInput("there are no problems to learn from")
    folder, asked, about = FilePath(out), settings.model_dump(mode="json"), {**(about or {}), "trainer": "trl"}
    found = known(folder, asked, about)
    if found is not None:
        if found["settings"] != asked:
            raise BadInput(f"{folder} holds a training of other iterations: choose another folder, or remove it")
        return RLReport(str(folder), list(found["history"]))
    trl = require("trl", "training", "training on TRL")
    datasets = require("datasets", "training", "training on TRL")
    template = StepTemplate()
    by_question = {problem.question: problem for problem in problems}
    values: list[float] = []

    def roll_out(prompts: list[str], trainer: Any) -> dict[str, Any]:
        """Sample a reply a prompt (TRL repeats each as often as it wants replies)."""
        ids = [template.prompt(tokenizer, prompt) for prompt in prompts]
        policy = trainer.accelerator.unwrap_model(trainer.model)
        written = sample(
            policy, tokenizer, ids,
            max_tokens=settings.max_tokens, temperature=settings.temperature,
            seed=settings.seed * 100_003 + trainer.state.global_step,
        )  # fmt: skip
        return {"prompt_ids": ids, "completion_ids": written, "logprobs": None}

    def reward(prompts: list[str], completion_ids: list[list[int]], **_: Any) -> list[float | None]:
        """What each reply is worth."""
        replies = [
            read(tokenizer, template, (prompt, ()), ids) for prompt, ids in zip(prompts, completion_ids, strict=True)
        ]
        worth = [graded(grade, by_question[prompt], reply) for prompt, reply in zip(prompts, replies, strict=True)]
        values[:] = [value for value in worth if value is not None]
        return worth

    rows = settings.questions * settings.samples
    arguments = {
        "output_dir": str(folder),
        "per_device_train_batch_size": rows,
        "num_generations": settings.samples,
        "max_completion_length": settings.max_tokens,
        "max_steps": settings.iterations,
        "learning_rate": settings.lr,
        "lr_scheduler_type": "constant",
        "beta": settings.kl,
        "epsilon": settings.clip,
        "epsilon_high": settings.clip_high,
        "num_iterations": settings.epochs,
        "temperature": settings.temperature,
        "loss_type": "grpo" if settings.average == "output" else "dapo",
        "scale_rewards": "group" if settings.scale and settings.credit == "outcome" else "none",
        "max_grad_norm": settings.max_norm,
        "seed": settings.seed,
        "report_to": [],
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "bf16": False,
        "activation_checkpointing": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
        **config,
    }
    dataset = datasets.Dataset.from_list([{"prompt": problem.question} for problem in problems])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*rollout_func.*", category=UserWarning)
        # TRL's own use of a name that transformers is to drop
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.* is deprecated", category=FutureWarning)
        trainer = trl.GRPOTrainer(
            model=model,
            reward_funcs=reward,
            args=trl.GRPOConfig(**arguments),
            train_dataset=dataset,
            processing_class=tokenizer,
            rollout_func=roll_out,
        )
        history = _heard(trainer, values, on_iteration)
        trainer.train()
    if any(not math.isfinite(row.get("loss", 0.0)) for row in history):
        raise Diverged("the loss is no number: nothing was written; take a lower lr")
    with replaced(folder) as fresh:
        with quiet():
            model.save_pretrained(fresh, safe_serialization=True)
            tokenizer.save_pretrained(fresh)
        (card or Card(kind="policy", format="steps")).save(fresh)
        write_down(fresh, asked, about, history=history)
    return RLReport(str(folder), history)


def _heard(trainer: Any, values: Sequence[float], on_iteration: OnIteration | None) -> list[dict[str, Any]]:
    """The history, which grows while the trainer runs: what TRL logs of an iteration, in our words."""
    from transformers import PrinterCallback, TrainerCallback

    trainer.remove_callback(PrinterCallback)  # stdout is the caller's
    history: list[dict[str, Any]] = []
    counted = 0

    class Listener(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
            nonlocal counted
            if not logs or "reward" not in logs:
                return
            whole = int(logs.get("num_tokens", 0))
            accuracy = sum(value >= 1.0 for value in values) / max(1, len(values))
            row = {**logs, "iteration": len(history), "accuracy": accuracy, "tokens": whole - counted}
            counted = whole
            history.append(row)
            if on_iteration is not None:
                on_iteration(row)

    trainer.add_callback(Listener())
    return history
