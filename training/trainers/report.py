"""What a training tells: its progress while it runs, and its report afterwards. Nothing here knows torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reflectree.rlm_ops.errors import BadInput, ReflectreeError

FILE = "report.json"
HISTORY = "loss.jsonl"
"""One line an update: `step`, `epoch`, `loss`, `lr`, `grad_norm`, `tokens`."""


class Diverged(ReflectreeError):
    """The loss, a gradient or a weight is no number any more; nothing was written."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: Updates so far.
        steps: Updates in all.
        loss: The loss of the last one.
        tokens: Tokens read so far.
    """

    step: int
    steps: int
    loss: float
    tokens: int


OnProgress = Callable[[Progress], None]
"""Called after every update. What it raises stops the training, which can be resumed."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a training.

    Attributes:
        loss_first: Mean training loss of the first tenth of updates.
        loss_last: Mean training loss of the last tenth.
        steps: Updates.
        seconds: Time of the last call, from loading to writing.
        tokens: Tokens read.
        folder: Where the model is.
        valid_first: Loss on the validation samples before training, where there are any.
        valid_last: And after it.
        samples: Samples learnt from.
        valid: Validation samples.
        dropped: Samples left out, by reason.
    """

    loss_first: float
    loss_last: float
    steps: int
    seconds: float
    tokens: int
    folder: Path
    valid_first: float | None = None
    valid_last: float | None = None
    samples: int = 0
    valid: int = 0
    dropped: tuple[tuple[str, int], ...] = ()

    def save(self, folder: Path) -> None:
        """Write it beside the weights, without the folder's own name."""
        values = {**asdict(self), "dropped": dict(self.dropped)}
        del values["folder"]
        (folder / FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_report(folder: Path) -> Report:
    """The report in a model's folder.

    Raises:
        BadInput: There is none that can be read.
    """
    try:
        values: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Report(**{**values, "folder": folder, "dropped": tuple(values["dropped"].items())})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{folder / FILE} is no training's report: train the model again") from error


def ends_of(losses: Sequence[float]) -> tuple[float, float]:
    """Mean of the first and of the last tenth of the losses, at least one each."""
    share = max(1, len(losses) // 10)
    return sum(losses[:share]) / share, sum(losses[-share:]) / share
