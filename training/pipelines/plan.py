"""What the loop is asked to do, as data: how it searches, labels, trains and measures. It runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.filters import read as read_filter
from reflectree.training.labels import named
from reflectree.training.trainers import TRAINERS
from reflectree.training.trainers.rl.presets import PRESETS
from reflectree.training.trainers.rl.presets import settings as preset
from reflectree.training.trainers.settings import settings_of


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Trained(_Part):
    """How a model is trained in a phase.

    Attributes:
        by: A trainer of `reflectree.training.trainers`, or a preset of reinforcement learning.
        settings: What differs from its defaults.
    """

    by: str
    settings: dict[str, Any] = {}


class LoopPlan(_Part):
    """The two-phase loop of the blueprint (arXiv 2501.11223, section 5): SFT first, then reinforcement learning.

    Each round searches with the models that are kept, makes samples of the traces, trains a policy and a value model,
    measures both on held-out tasks, and keeps them only if they are not worse.

    Attributes:
        rounds: Rounds in all.
        sft_rounds: How many of them, from the first on, belong to the first phase.
        search: The blueprint that makes data.
        measure: The blueprint that is measured; `search` where it is absent.
        labels: How traces become samples, by `reflectree.training.labels`.
        filters: What samples must pass, by `reflectree.training.filters`.
        sft: How the policy is trained in the first phase.
        rl: How it is trained in the second: a preset of reinforcement learning on the tasks, or a trainer on samples.
        value: How the value model is trained; `None` trains none.
        value_from: `policy` trains it from the policy's weights each round, `kept` from the value model that is kept.
        runs: Runs a task and round.
        tokens: Cap on the tokens of a run, when making data and when measuring.
        valid: Most held-out tasks that are measured on.
        tolerance: By how much the accuracy may fall and the models are still kept.
        parallel: Runs at once; `concurrency` calls in one run.
        oracle: Let the search that makes data see gold answers.
        seed: Of everything.
    """

    rounds: int = Field(default=3, ge=1)
    sft_rounds: int = Field(default=1, ge=0)
    search: Any = "mcts"
    measure: Any = None
    labels: tuple[str, ...] = ("rejection", "rest-mcts")
    filters: tuple[str, ...] = ()
    sft: Trained = Trained(by="expert-iteration")
    rl: Trained = Trained(by="grpo")
    value: Trained | None = Trained(by="value")
    value_from: str = Field(default="policy", pattern="^(policy|kept)$")
    runs: int = Field(default=1, ge=1)
    tokens: int = Field(default=4000, ge=1)
    valid: int = Field(default=50, ge=1)
    tolerance: float = Field(default=0.0, ge=0, le=1)
    parallel: int = Field(default=4, ge=1)
    concurrency: int = Field(default=8, ge=1)
    oracle: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _possible(self) -> LoopPlan:
        for phase, trained in (("sft", self.sft), ("rl", self.rl)):
            known = {name for name, spec in TRAINERS.items() if spec.makes == "policy"} | set(PRESETS)
            if trained.by not in known:
                raise ValueError(f"{phase}.by is one of {', '.join(sorted(known))}, not {trained.by!r}")
        scorers = [name for name, spec in TRAINERS.items() if spec.makes != "policy"]
        if self.value is not None and self.value.by not in scorers:
            raise ValueError(f"value.by is one of {', '.join(scorers)}, which make a scorer, not {self.value.by!r}")
        try:
            for trained in filter(None, (self.sft, self.rl, self.value)):
                _check_settings(trained)
            for name in self.labels:
                named(name)
            for rule in self.filters:
                read_filter(rule)
        except BadInput as error:
            raise ValueError(str(error)) from error
        return self

    def phase(self, number: int) -> str:
        """The phase that a round, counted from 0, belongs to: `sft` or `rl`."""
        return "sft" if number < self.sft_rounds else "rl"

    def trained(self, number: int) -> Trained:
        """How the policy is trained in a round."""
        return self.sft if self.phase(number) == "sft" else self.rl


def is_preset(trained: Trained) -> bool:
    """Whether it is reinforcement learning on tasks, and not a trainer on samples."""
    return trained.by in PRESETS and trained.by not in TRAINERS


def _check_settings(trained: Trained) -> None:
    """Find what is wrong with a trainer's settings now, and not when the rounds before it are paid.

    Raises:
        BadInput: A name is unknown or a number is out of range.
    """
    if is_preset(trained):
        preset(trained.by, **trained.settings)
    else:
        settings_of(TRAINERS[trained.by].settings, trained.settings, trained.by)


def read_plan(source: LoopPlan | dict[str, Any] | str | Path | None, **changes: Any) -> LoopPlan:
    """The plan that data, or a YAML or JSON file, stands for, with changes.

    A change of one setting of a training leaves its others as they are.

    Raises:
        BadInput: It stands for none.
    """
    if isinstance(source, LoopPlan):
        given: Any = source.model_dump(exclude_unset=True)
    elif isinstance(source, str | Path):
        try:
            given = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
        except OSError as error:
            raise BadInput(f"cannot read the plan {source}: {error.strerror}") from error
        except yaml.YAMLError as error:
            raise BadInput(f"{source} is no YAML: {str(error).splitlines()[0]}") from error
    else:
        given = source or {}
    if not isinstance(given, dict):
        raise BadInput(f"{source} holds no plan: write an object such as 'rounds: 3'")
    try:
        return LoopPlan(**{**given, **{name: _changed(name, given, change) for name, change in changes.items()}})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise BadInput(f"the plan of the loop: {where + ': ' if where else ''}{said}") from error


def _changed(name: str, given: dict[str, Any], change: Any) -> Any:
    """What becomes of a field of the plan: a change of a training is laid over the one that is there."""
    if name not in ("sft", "rl", "value") or not isinstance(change, dict):
        return change
    there = given.get(name) or LoopPlan.model_fields[name].default.model_dump()
    if not isinstance(there, dict) or change.get("by", there.get("by")) != there.get("by"):
        return change  # another trainer has other settings
    settings = {**(there.get("settings") or {}), **(change.get("settings") or {})}
    return {**there, **change, "settings": settings}
