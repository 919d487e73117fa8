"""Which part of the data a task belongs to: train, valid or test, by a hash of its content.

Small generators ask the same puzzle under many seeds, so a seed holds nothing back (84 % of a Countdown set of a fresh
seed had been seen in training). A hash of what is asked does: the same puzzle is in the same part whoever makes it.
Nothing here knows where tasks come from; the published sets that are test sets by their nature are the pipelines' to
refuse.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task
from reflectree.training.samples import Split

KeyOf = Callable[[str], str]
"""A question's canonical key: equal for all ways to ask the same."""

_BLANKS = re.compile(r"\s+")
_NUMBERS = re.compile(r"(?<![\w.])-?\d+(?![\w]|\.\d)")


class TestTaskRefused(BadInput):
    """A task of the test part was about to become training data."""

    __test__: ClassVar[bool] = False  # the name is the error's, pytest collects it otherwise


def text_key(question: str) -> str:
    """The text itself, but for letter case, white space and Unicode's several ways to write a character."""
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", question)).strip().casefold()


def puzzle_key(numbers: Iterable[int], target: int) -> str:
    """The key of a Countdown puzzle: its numbers in order, and the target, as `3,5,7|24`."""
    return f"{','.join(map(str, sorted(numbers)))}|{target}"


def numbers_key(question: str) -> str:
    """The key of a number puzzle from its text: all whole numbers but the last are the numbers, the last the target.

    It equals `puzzle_key` for `Use 3, 5 and 7 to make 24.` and for `7 5 3 = 24`; a text without two whole numbers has
    its `text_key`.
    """
    found = [int(number) for number in _NUMBERS.findall(question)]
    return puzzle_key(found[:-1], found[-1]) if len(found) > 1 else text_key(question)


KEYS: Mapping[str, KeyOf] = {"text": text_key, "numbers": numbers_key}
"""Key functions by the names that a buffer remembers."""


@dataclass(frozen=True, slots=True)
class Splits:
    """A division of all questions there could be, the same in every process and on every machine.

    Attributes:
        valid: Share of the validation part, in [0, 1).
        test: Share of the test part, in [0, 1).
        key: Name of the key function, one of `KEYS`.
        salt: Makes another division of the same shares.
    """

    valid: float = 0.1
    test: float = 0.1
    key: str = "text"
    salt: str = ""

    def __post_init__(self) -> None:
        for name in ("valid", "test"):
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
                raise BadInput(f"the {name} share is a number from 0 to less than 1, got {share!r}")
        if self.valid + self.test >= 1:
            raise BadInput(f"the shares of valid ({self.valid:g}) and test ({self.test:g}) leave nothing to train on")
        if self.key not in KEYS:
            raise BadInput(f"no key function {self.key!r}: there are {', '.join(KEYS)}")

    def of(self, question: str) -> Split:
        """The part of a question, its context included (`Task.prose`)."""
        return self.of_key(KEYS[self.key](question))

    def of_task(self, task: Task) -> Split:
        """The part of a task."""
        return self.of(task.prose)

    def of_key(self, key: str) -> Split:
        """The part of a canonical key: the first 32 bits of its MD5 as a number in [0, 1)."""
        digest = hashlib.md5(f"{self.salt}\x00{key}".encode("utf-8", "replace"), usedforsecurity=False).digest()
        place = int.from_bytes(digest[:4], "big") / 2**32
        return "test" if place < self.test else "valid" if place < self.test + self.valid else "train"

    def to_json(self) -> dict[str, Any]:
        """What a buffer or a job remembers."""
        return asdict(self)
