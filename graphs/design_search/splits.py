"""Train, validation and test tasks of a design search, told apart by a hash of what is asked.

The same question is in the same part whoever asks it, so that nothing of the test part is met elsewhere. The test part
cannot be read before the search hands in its final design, and then for that design alone.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NoReturn

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

_BLANKS = re.compile(r"\s+")


def example_id(task: Task) -> str:
    """The name of a task by its content: equal for all ways to write the same question."""
    text = _BLANKS.sub(" ", unicodedata.normalize("NFKC", task.prose)).strip().casefold()
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


class SealedTest:
    """The test part: its size is known, its tasks are not, before `finalise`.

    Nothing that runs during a search may read it; whoever tries meets an error.
    """

    __test__: ClassVar[bool] = False  # the name is the part's, pytest collects it otherwise
    __slots__ = ("_final", "_give", "_size")

    def __init__(self, tasks: Iterable[Task]) -> None:
        kept = tuple(tasks)
        self._size = len(kept)

        def give() -> tuple[Task, ...]:
            return kept

        self._give = give
        self._final: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Task]:
        self._refuse()

    def __getitem__(self, index: object) -> Task:
        self._refuse()

    def __repr__(self) -> str:
        return f"SealedTest({self._size} tasks, {'sealed' if self._final is None else 'opened'})"

    def __reduce__(self) -> NoReturn:
        self._refuse()

    def finalise(self, *designs: str) -> tuple[Task, ...]:
        """Hand in the final designs, by digest, and get the tasks. From then on no other design can be tested.

        Raises:
            BadInput: Other designs were handed in before.
        """
        handed = tuple(sorted(set(designs)))
        if not handed:
            raise BadInput("finalise() takes the digests of the final designs")
        if self._final is not None and self._final != handed:
            raise BadInput(
                f"the test part was opened for the designs {', '.join(self._final)}: "
                "choosing another after that would be choosing on the test part; begin a new search with other tasks"
            )
        self._final = handed
        return self._give()

    def _refuse(self) -> NoReturn:
        raise BadInput("the test part is sealed until finalise(): search uses the train and validation parts")


@dataclass(frozen=True, slots=True)
class Splits:
    """The parts of a task set.

    Attributes:
        train: What proposals may be made from.
        validation: What designs are chosen by.
        test: What the final designs are measured on; sealed.
        repeated: Tasks that were left out because another asks the same.
    """

    train: tuple[Task, ...]
    validation: tuple[Task, ...]
    test: SealedTest = field(compare=False)
    repeated: int = 0

    @classmethod
    def of(
        cls, tasks: Iterable[Task], *, validation: float = 1 / 3, test: float = 1 / 3, salt: str = "design-search"
    ) -> Splits:
        """Split a task set by content.

        Args:
            tasks: The tasks; each needs a verifier.
            validation: Share of the validation part.
            test: Share of the test part.
            salt: Another one gives other parts.

        Raises:
            BadInput: A part would be empty, a share cannot be, or a task has no verifier.
        """
        if not (0 < validation < 1 and 0 < test < 1 and validation + test < 1):
            raise BadInput(
                f"the shares of validation ({validation:g}) and test ({test:g}) lie between 0 and 1 together"
            )
        parts: dict[str, list[Task]] = {"train": [], "validation": [], "test": []}
        unique, repeated = _unique(tasks)
        for name, task in unique:
            digest = hashlib.sha256(f"{salt}\x00{name}".encode()).digest()
            place = int.from_bytes(digest[:4], "big") / 2**32
            parts["test" if place < test else "validation" if place < test + validation else "train"].append(task)
        empty = [name for name, part in parts.items() if not part]
        if empty:
            raise BadInput(
                f"{len(unique)} different tasks leave the {' and '.join(empty)} part empty: give more tasks, "
                "or the parts themselves (Splits.given)"
            )
        return cls(tuple(parts["train"]), tuple(parts["validation"]), SealedTest(parts["test"]), repeated)

    @classmethod
    def given(cls, train: Iterable[Task], validation: Iterable[Task], test: Iterable[Task]) -> Splits:
        """Parts that are given.

        Raises:
            BadInput: One is empty, two share a question, or a task has no verifier.
        """
        parts = {name: _unique(part) for name, part in (("train", train), ("validation", validation), ("test", test))}
        seen: dict[str, str] = {}
        for part, (unique, _) in parts.items():
            if not unique:
                raise BadInput(f"the {part} part is empty")
            for name, task in unique:
                if name in seen:
                    raise BadInput(f"{task.question[:60]!r} is in the {seen[name]} part and in the {part} part")
                seen[name] = part
        tasks = {part: tuple(task for _, task in unique) for part, (unique, _) in parts.items()}
        repeated = sum(count for _, count in parts.values())
        return cls(tasks["train"], tasks["validation"], SealedTest(tasks["test"]), repeated)


def _unique(tasks: Iterable[Task]) -> tuple[Sequence[tuple[str, Task]], int]:
    """Tasks by name, the first of each, and how many were left out.

    Raises:
        BadInput: One has no verifier.
    """
    found: dict[str, Task] = {}
    count = 0
    for task in tasks:
        if task.verifier is None:
            raise BadInput(
                f"task {task.id or task.question[:60]!r} has no verifier, so no design can be measured on it"
            )
        count += 1
        found.setdefault(example_id(task), task)
    return list(found.items()), count - len(found)
