"""Where a record comes from, and the one rule that nothing gets past: nothing of a test task is ever a record.

The rule stands in the class, so that every way to make a record (writing, reading a file, restoring a snapshot, copying
with a change) meets it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from pydantic import ConfigDict

from reflectree.memory.records.texts import check_text
from reflectree.rlm_ops.errors import BadInput

Source = Literal["env", "verifier", "tests", "self", "judge", "gold", "user", "tool"]
"""Who said that something succeeded, failed or is so."""

Split = Literal["train", "valid", "test"]

SOURCES: tuple[str, ...] = get_args(Source)
VERIFIED = frozenset({"env", "verifier", "tests", "gold"})
"""Sources that check."""

OUTCOMES = VERIFIED | {"user"}
"""Sources whose word is an outcome. What a model says of itself, or a judge or a tool says, is an opinion."""

NAME_LIMIT = 200
PARENTS_LIMIT = 64


class TestRecordRefused(BadInput):
    """Something of a test task was about to be remembered."""

    __test__: ClassVar[bool] = False  # the name is the error's, pytest collects it otherwise


def refuse_test(split: str) -> None:
    """Raise for the test part.

    Raises:
        TestRecordRefused: It is the test part.
    """
    if split == "test":
        raise TestRecordRefused("a test task is never remembered: run it without writing, or use the train split")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a record comes from.

    Attributes:
        source: Who gave the feedback it rests on.
        split: The part of the task set its task belongs to; `test` is refused.
        task: Key of its task (`task_key`), "" where it is of no single one.
        scope: The family of tasks or environment it was seen in.
        subject: Whom it is about: a person, a customer, a document. `forget(subject=...)` goes by it.
        run: The run's id.
        model: The model that wrote it.
        seed: The run's seed.
        reward: What the source gave, in [0, 1]; `None` where it gave none.
        parents: Ids of the records it was derived from; forgetting one forgets it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    source: Source
    split: Split = "train"
    task: str = ""
    scope: str = ""
    subject: str = ""
    run: str = ""
    model: str = ""
    seed: int = 0
    reward: float | None = None
    parents: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_test(self.split)
        if self.split not in ("train", "valid"):
            raise BadInput(f"a split is train or valid, not {self.split!r}")
        if self.source not in SOURCES:
            raise BadInput(f"a source is one of {', '.join(SOURCES)}, not {self.source!r}")
        if self.reward is not None and not (math.isfinite(self.reward) and 0.0 <= self.reward <= 1.0):
            raise BadInput(f"a reward lies between 0 and 1, got {self.reward}")
        if len(self.parents) > PARENTS_LIMIT:
            raise BadInput(f"a record has at most {PARENTS_LIMIT} parents, got {len(self.parents)}")
        for name in ("task", "scope", "subject", "run", "model"):
            check_text(getattr(self, name), f"a record's {name}", NAME_LIMIT)
