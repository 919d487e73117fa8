"""The named ways of reinforcement learning: how steps are credited, and the constants of the papers.

A preset is data. What a paper trains a 7B model with is kept as it stands; `lr` and sizes are to be changed for small
models, and nothing else needs to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reflectree.rlm_ops.errors import BadInput

Credit = Literal["outcome", "leave-one-out", "process", "vine", "progress", "implicit", "critic"]
"""How steps are credited: by normalised outcomes, a leave-one-out baseline, process rewards, fresh rollouts from each
prefix, a prover's progress, an implicit reward model trained along, or a critic (generalised advantages)."""


class Settings(BaseModel):
    """One way of reinforcement learning.

    Attributes:
        credit: How steps are credited.
        iterations: Rounds of sampling and learning.
        questions: Questions an iteration.
        samples: Solutions a question.
        max_tokens: Most tokens of a solution.
        temperature: Of sampling.
        rollouts: Rollouts from each prefix, for `vine` and `progress`.
        alpha: The weight of progress.
        prover_best_of: The prover is the best of so many rollouts of the base policy (PAV); its value of a state whose
            rollouts succeed with chance p is 1 - (1 - p)^k.
        scale: Divide outcome rewards by their deviation.
        sample_deviation: That deviation is the sample's (n - 1).
        keep: Shares of right solutions outside of which a question is left out, for `implicit`.
        beta: Of the implicit reward model; `reward_lr` its learning rate.
        gamma: Discount; `lam` of generalised advantages.
        partial: Reward of a wrong answer that can be read (ReFT); 0 elsewhere.
        kl_reward: Weight of the divergence inside the reward (ReFT), per token.
        lr, batch, epochs, clip, clip_high, kl, entropy, value, average, max_norm: As in `update.Update`.
        seed: Of everything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    credit: Credit = "outcome"
    iterations: int = Field(default=100, ge=1)
    questions: int = Field(default=16, ge=1)
    samples: int = Field(default=8, ge=1)
    max_tokens: int = Field(default=512, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    rollouts: int = Field(default=9, ge=1)
    alpha: float = Field(default=1.0, ge=0)
    prover_best_of: int = Field(default=4, ge=1)
    scale: bool = True
    sample_deviation: bool = False
    keep: tuple[float, float] = (0.2, 0.8)
    beta: float = Field(default=0.05, gt=0)
    reward_lr: float = Field(default=1e-6, gt=0)
    gamma: float = Field(default=1.0, gt=0, le=1)
    lam: float = Field(default=0.95, ge=0, le=1)
    partial: float = Field(default=0.0, ge=0, le=1)
    kl_reward: float = Field(default=0.0, ge=0)
    lr: float = Field(default=1e-6, gt=0)
    batch: int = Field(default=8, ge=1)
    epochs: int = Field(default=1, ge=1)
    clip: float = Field(default=0.2, gt=0)
    clip_high: float | None = Field(default=None, gt=0)
    kl: float = Field(default=0.0, ge=0)
    entropy: float = Field(default=0.0, ge=0)
    value: float = Field(default=0.0, ge=0)
    average: Literal["output", "token"] = "token"
    max_norm: float = Field(default=1.0, gt=0)
    seed: int = 0

    @model_validator(mode="after")
    def _possible(self) -> Settings:
        if self.credit in ("outcome", "leave-one-out", "process", "implicit") and self.samples < 2:
            raise ValueError(f"credit {self.credit!r} compares solutions of one question: samples must be 2 or more")
        if self.credit == "critic" and not self.value:
            raise ValueError("credit 'critic' learns a critic: value must be above 0")
        return self


PRESETS: Mapping[str, dict[str, Any]] = {
    # DeepSeekMath (arXiv 2402.03300): 64 outputs, KL .04 in the loss, one update an exploration, mean by output
    "grpo-paper": {"samples": 64, "kl": 0.04, "average": "output", "lr": 1e-6, "questions": 16, "max_tokens": 1024},
    # what TRL 1.x does unless told otherwise: 8 outputs, no KL, sample deviation, token mean (DAPO)
    "grpo": {"samples": 8, "sample_deviation": True},
    "grpo-process": {"credit": "process", "samples": 64, "kl": 0.04, "average": "output", "max_tokens": 1024},
    "rloo": {"credit": "leave-one-out", "samples": 4, "kl": 0.05},
    # VinePPO (arXiv 2410.01679): K = 9 rollouts a prefix, 8 solutions x 64 questions, T .6, KL 1e-4, batch 64, 2 epochs
    "vineppo": {
        "credit": "vine", "samples": 8, "questions": 64, "rollouts": 9, "temperature": 0.6, "kl": 1e-4, "batch": 64,
        "epochs": 2,
    },
    # ReFT (arXiv 2401.08967): after SFT warm-up; 1 / .1 / 0, KL in the reward .05 (natural language), value 5
    "reft": {
        "credit": "critic", "samples": 1, "questions": 32, "partial": 0.1, "kl_reward": 0.05, "lam": 0.95, "value": 5.0,
        "epochs": 2, "lr": 3e-7, "iterations": 300,
    },
    "ppo": {"credit": "critic", "samples": 1, "questions": 64, "kl": 0.01, "entropy": 0.01, "value": 0.5, "epochs": 4},
    # PRIME (arXiv 2502.01456): 4 samples, accuracy within [.2, .8], beta .05, policy 5e-7, reward model 1e-6
    "prime": {"credit": "implicit", "samples": 4, "lr": 5e-7, "reward_lr": 1e-6, "questions": 64},
    # PAV (arXiv 2410.08146): effective reward Q + alpha A of a best-of-4 prover
    "pav": {"credit": "progress", "samples": 4, "alpha": 3.0, "prover_best_of": 4, "rollouts": 8},
    # reinforcement fine-tuning in the grader sense: few questions, a grader, a validation part
    "rft": {"samples": 8, "sample_deviation": True, "questions": 8, "iterations": 20},
}  # fmt: skip
"""By name: what differs from the defaults."""


def settings(preset: str, **changes: Any) -> Settings:
    """A preset with changes.

    Raises:
        BadInput: There is no such preset or setting, or a value cannot be.
    """
    if preset not in PRESETS:
        raise BadInput(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}")
    try:
        return Settings(**{**PRESETS[preset], **changes})
    except ValueError as error:
        from pydantic import ValidationError

        if isinstance(error, ValidationError):
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            hint = f"; known: {', '.join(Settings.model_fields)}" if first["type"] == "extra_forbidden" else ""
            raise BadInput(f"{preset}: {where + ': ' if where else ''}{first['msg']}{hint}") from error
        raise
