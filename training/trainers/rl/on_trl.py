"""GRPO and RLOO with outcome rewards on TRL's own trainer, for those who want its scale: accelerate, DeepSpeed, vLLM.

Prompts are built and replies are read by the step template, so that what is learnt is what the search asks for. The
loop beside this module (`train`) does the same and more at small scale, and resumes between iterations.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from reflectree.models.scoring.card import Card
from reflectree.models.scoring.template import StepTemplate
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.extras import require
from reflectree.training.trainers.rl.episodes import Grade, Problem, graded
from reflectree.training.trainers.rl.presets import Settings
from reflectree.training.trainers.rl.train import RLReport
from reflectree.training.trainers.rl.writing import read, sample


def train_on_trl(
    model: Any,
    tokenizer: Any,
    problems: Sequence[Problem],
    grade: Grade,
    out: str | FilePath,
    settings: Settings,
    **config: Any,
) -> RLReport:
    """Train with TRL's `GRPOTrainer`; `config` is passed on to its `GRPOConfig`.

    RLOO is the same estimator without the deviation but for a constant factor (n / (n - 1)), and is trained so.

    Raises:
        BadInput: The credit is none that TRL has, or there are no problems.
    """
    if settings.credit not in ("outcome", "leave-one-out"):
        raise BadInput(f"TRL knows no credit {settings.credit!r}: leave --trl out")
    if not problems:
        raise BadInput("there are no problems to learn from")
    trl = require("trl", "training", "training on TRL")
    datasets = require("datasets", "training", "training on TRL")
    template = StepTemplate()
    known = {problem.question: problem for problem in problems}

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
        return [graded(grade, known[prompt], reply) for prompt, reply in zip(prompts, replies, strict=True)]

    rows = settings.questions * settings.samples
    arguments = {
        "output_dir": str(out),
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
        trainer.train()
    model.save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    Card(kind="policy", format="steps").save(out)
    history = [row for row in trainer.state.log_history if "reward" in row]
    return RLReport(str(out), [{"iteration": k, **row} for k, row in enumerate(history)])
