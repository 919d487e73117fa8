"""What can be set of a trainer: one small class each, read from a command line, a YAML file or a loop.

Numbers are checked here, before anything large is loaded; unknown names are refused. Defaults are for adapting a
pretrained model; papers' own values stand in `docs/training.md`. Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reflectree.models.scoring.template import STEP_END
from reflectree.rlm_ops.errors import BadInput


class Part(BaseModel):
    """Frozen; unknown keys and numbers that are none are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Lora(Part):
    """Low-rank adapters instead of all weights; they are merged into the model that is written.

    Attributes:
        r: Rank of the adapters.
        alpha: Their scale is `alpha / r`.
        dropout: Dropout on their input.
        targets: Names of the linear layers that get one; `all-linear` is all but the output layer.
    """

    r: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class Settings(Part):
    """What every trainer has.

    Attributes:
        epochs: How often all samples are learnt from.
        max_steps: Updates, in place of `epochs`.
        batch: Samples (pairs, questions) a forward pass.
        accumulate: Forward passes an update.
        lr: The highest learning rate.
        warmup: The share of updates in which the learning rate rises to `lr`.
        schedule: How it falls from there.
        weight_decay: Of AdamW.
        clip: The largest norm of a gradient; 0 leaves it.
        seed: Of new weights, order and dropout.
        max_tokens: The most tokens a sequence may have.
        overlong: What is done with longer ones: `refuse` stops before training, `drop` leaves them out.
        valid: The share of questions held out where no validation samples are given; 0 holds none out.
        checkpoint: A checkpoint every so many updates, to resume from; 0 writes none.
        device: `auto` takes a GPU where there is one.
        dtype: What is computed in: `auto` is bfloat16 on a GPU and float32 elsewhere. Weights are kept in float32.
        recompute: Compute activations again in the backward pass, which saves memory and takes longer.
        lora: Learn adapters only.
        step_tag: The token that ends a step.
    """

    epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    batch: int = Field(default=8, ge=1)
    accumulate: int = Field(default=1, ge=1)
    lr: float = Field(default=1e-5, gt=0)
    warmup: float = Field(default=0.0, ge=0, lt=1)
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, ge=0)
    seed: int = Field(default=0, ge=0)
    max_tokens: int = Field(default=2048, ge=1)
    overlong: Literal["refuse", "drop"] = "refuse"
    valid: float = Field(default=0.0, ge=0, lt=1)
    checkpoint: int = Field(default=100, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    recompute: bool = False
    lora: Lora | None = None
    step_tag: str = Field(default=STEP_END, min_length=1)

    @property
    def tag(self) -> str | None:
        """The step tag; none where what is learnt has none of our choice."""
        return self.step_tag


class SftSettings(Settings):
    """Supervised fine-tuning of a policy.

    Attributes:
        template: How samples are read, and the policy is asked later: `steps` (a question and steps, each ended by the
            step token; of a conversation each turn is a step) or `chat` (the tokenizer's chat template).
    """

    lr: float = Field(default=2e-5, gt=0)
    template: Literal["steps", "chat"] = "steps"

    @property
    def tag(self) -> str | None:
        """A chat has no step tag."""
        return self.step_tag if self.template == "steps" else None


class ExpertIterationSettings(SftSettings):
    """Rejection-sampling fine-tuning: SFT on the model's own good solutions.

    Attributes:
        threshold: The least reward of a solution that is learnt from (ReST's tau).
        per_question: The most different solutions of one question; 0 keeps all.
    """

    threshold: float = Field(default=1.0, gt=0, le=1)
    per_question: int = Field(default=4, ge=0)


class ReadSettings(Settings):
    """What every trainer of a scorer has.

    Attributes:
        format: How a question and steps become tokens, and where scores are read: one of `models.scoring.formats`.
    """

    format: str = "plain"

    @property
    def tag(self) -> str | None:
        """Formats of published models have tags of their own."""
        return self.step_tag if self.format == "plain" else None


class ScorerSettings(ReadSettings):
    """What every trainer of a scorer with a head has.

    Attributes:
        head_lr: The learning rate of the head; none is `lr`.
    """

    head_lr: float | None = Field(default=None, gt=0)


class ValueSettings(ScorerSettings):
    """Value regression.

    Attributes:
        loss: `mse` on the value in [0, 1], or `bce` with the value as a soft label.
        scale: What makes the head's output a value: `sigmoid`, or (1 + tanh) / 2.
        head_layers: Linear layers of the head, 1 or 3; the blueprint has 3.
    """

    loss: Literal["mse", "bce"] = "mse"
    scale: Literal["sigmoid", "tanh"] = "sigmoid"
    head_layers: Literal[1, 3] = 3


class PrmSettings(ScorerSettings):
    """A process reward model: two classes at each step's end.

    Attributes:
        threshold: Labels of at least this are 1 and others 0; none takes them as they are (soft estimation). Math-
            Shepherd's hard estimation is the label of one right completion in any number, so a small threshold.
    """

    lr: float = Field(default=1e-4, gt=0)
    threshold: float | None = Field(default=None, gt=0, le=1)


class OrmSettings(ValueSettings):
    """An outcome reward model: is the whole solution right?

    Attributes:
        head: `classifier` is a sequence classifier with one output, `value` a value head read at the end.
    """

    loss: Literal["mse", "bce"] = "bce"
    head: Literal["classifier", "value"] = "classifier"


class PairwiseSettings(ScorerSettings):
    """A sequence classifier whose score says which of two is better (Bradley-Terry); each pair counts alike.

    Attributes:
        centre: Weight of the squared sum of two scores, which keeps scores around 0 (arXiv 2312.09244); none leaves it.
    """

    centre: float | None = Field(default=None, gt=0)


class PpmSettings(ScorerSettings):
    """A process preference model (rStar-Math): a value head learnt from pairs; each question counts alike.

    Attributes:
        scale: What makes the head's output a score in [0, 1]; the loss is on the output itself.
        head_layers: Linear layers of the head, 1 or 3.
    """

    lr: float = Field(default=7e-6, gt=0)
    scale: Literal["sigmoid", "tanh"] = "sigmoid"
    head_layers: Literal[1, 3] = 1


class ImplicitSettings(ReadSettings):
    """An implicit process reward model.

    Attributes:
        beta: The weight of the log-ratio.
    """

    lr: float = Field(default=1e-6, gt=0)
    beta: float = Field(default=0.05, gt=0)


class DpoSettings(Settings):
    """Direct preference optimisation.

    Attributes:
        beta: How strongly the reference holds the policy.
        likelihood: The weight of the better one's negative log-likelihood a token (RPO); 0 is plain DPO.
        ends: Whether both ways end the solution: then the end-of-text token is learnt with them.
    """

    lr: float = Field(default=1e-6, gt=0)
    beta: float = Field(default=0.1, gt=0)
    likelihood: float = Field(default=0.0, ge=0)
    ends: bool = True


class RpoSettings(DpoSettings):
    """DPO and the likelihood of the better one."""

    likelihood: float = Field(default=1.0, ge=0)


class StepDpoSettings(DpoSettings):
    """DPO on the next step after a shared prefix."""

    ends: bool = False


class StepApoSettings(Settings):
    """Step-level advantage preference optimisation (CPL).

    Attributes:
        beta: How strongly the reference holds the policy.
        ends: Whether both ways end the solution.
    """

    lr: float = Field(default=1e-6, gt=0)
    beta: float = Field(default=0.1, gt=0)
    ends: bool = False


S = TypeVar("S", bound=Settings)


def settings_of(cls: type[S], given: Settings | Mapping[str, Any] | None, name: str) -> S:
    """A trainer's settings from what was given.

    Raises:
        BadInput: They are another trainer's, a name is unknown or a number is out of range.
    """
    if isinstance(given, cls):
        return given
    if isinstance(given, Settings):
        raise BadInput(f"trainer {name!r} takes {cls.__name__}, not {type(given).__name__}")
    try:
        return cls(**(given or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        hint = f"; known: {', '.join(cls.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise BadInput(f"setting {where!r} of trainer {name!r}: {first['msg'].lower()}{hint}") from error
