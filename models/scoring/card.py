"""The card of a model we trained: one small JSON file beside its weights, that says how it is read.

A model without a card is one that somebody else trained; what it is, is then judged by its configuration.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from reflectree.models.scoring.items import Kind
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import Aggregation

FILE = "reflectree.json"


class Card(BaseModel):
    """What the weights beside it are.

    Attributes:
        kind: `policy`, or how scores are read.
        name: What the model calls itself.
        format: How items become tokens: the name of one of `reflectree.models.scoring.formats`, or of a policy's
            template.
        step_tag: The token that ends a step, where the format has one of its own choice.
        labels: The tokens or classes of a bad and of a good step, where the kind reads classes.
        reduce: How the steps' scores become the score of the whole.
        scale: What makes a value head's output a number in [0, 1]: `sigmoid`, or `tanh` read as (1 + tanh x) / 2.
        beta: The weight of an implicit reward model's log-ratio.
        reference: The reference model of an implicit reward model: a folder, relative to this file.
        base: What it was trained from.
        training: How it was trained: the command, the data's digest, the seed. For people.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    kind: Kind | Literal["policy"]
    name: str = ""
    format: str = "plain"
    step_tag: str | None = None
    labels: tuple[str, str] | None = None
    reduce: Aggregation = "last"
    scale: Literal["sigmoid", "tanh"] = "sigmoid"
    beta: float = 0.05
    reference: str | None = None
    base: str = ""
    training: dict[str, Any] = {}

    def save(self, folder: str | FilePath) -> None:
        """Write the card beside the weights."""
        (FilePath(folder) / FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_card(folder: str | FilePath) -> Card | None:
    """The card in a folder, if there is one.

    Raises:
        BadInput: It cannot be read as one.
    """
    path = FilePath(folder) / FILE
    try:
        return Card.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise BadInput(f"{path} is not a model's card: {first}; train the model again, or remove the file") from error
