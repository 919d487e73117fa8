"""What a scorer scores, and what it says: the vocabulary shared by value server, clients, trainers and torch code.

Steps are a list, here and on the wire: no text is ever split again. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.step import Path

Kind = Literal["value-head", "token-classifier", "sequence-classifier", "preference", "implicit-prm"]
"""How scores are read: a regression at step ends, classes at step tags, classes of the whole, A over B, log-ratios."""


class ItemRefused(BadInput):
    """One item cannot be scored as it is; others can. `code` is for programs: `context_overflow`, `empty_step`, ..."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Item:
    """A question and the steps of a solution to it.

    Attributes:
        question: The question, context included.
        steps: The steps so far; none where the question itself is scored.
        against: The steps of another solution: the score is then the chance that `steps` is the better of the two.
    """

    question: str
    steps: tuple[str, ...] = ()
    against: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """An item as token ids.

    Attributes:
        ids: Token ids, question first.
        reads: Where scores are read: indices into `ids`, ascending, one a score.
        cuts: How many tokens the question and each further step end at, ascending: the places at which a prefix may be
            shared with siblings. The last is `len(ids)`.
        item: What was encoded.
    """

    ids: tuple[int, ...]
    reads: tuple[int, ...]
    cuts: tuple[int, ...]
    item: Item

    @property
    def tokens(self) -> int:
        """Tokens of the item."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a scorer says of an item.

    Attributes:
        steps: One score a step, each in [0, 1]; for a kind that reads the whole only, one score.
        value: The score of the whole: the last one, unless the model's card says otherwise.
        tokens: Tokens of the item.
        cached: How many of them were not computed again, because a prefix was known.
    """

    steps: tuple[float, ...]
    value: float
    tokens: int
    cached: int = 0


@dataclass(frozen=True, slots=True)
class ScorerInfo:
    """What is told of a scorer.

    Attributes:
        name: The model's name.
        kind: How scores are read.
        per_step: There is one score a step; else one for the whole.
        causal: A step's score does not depend on later steps, so prefixes may be shared and remembered.
        context_tokens: The most tokens an item may have.
        device: `cpu`, `cuda:0`.
        dtype: `float32`, `bfloat16`.
        parameters: How many parameters the model has.
    """

    name: str
    kind: Kind
    per_step: bool
    causal: bool
    context_tokens: int
    device: str = "cpu"
    dtype: str = "float32"
    parameters: int = 0


class Scorer(Protocol):
    """A loaded model that scores. `encode` may be called from any thread, `score` from one thread only."""

    @property
    def info(self) -> ScorerInfo:
        """What is told of it."""
        ...

    def encode(self, item: Item) -> Encoded:
        """The item as token ids.

        Raises:
            ItemRefused: It cannot be scored as it is. Nothing is ever cut silently.
        """
        ...

    def score(self, batch: Sequence[Encoded]) -> list[Scored]:
        """One result an item, in order; one forward pass where the batch fits.

        Raises:
            FloatingPointError: The model gave a score that is no number.
            torch.OutOfMemoryError: The batch does not fit on the device.
        """
        ...

    def close(self) -> None:
        """Release the model."""
        ...


def item_of(path: Path) -> Item:
    """A path as an item: its question with the context above it, and its steps' texts."""
    return Item(path.task.prose, tuple(step.text for step in path.steps))
