"""A scorer without a model, for tests of what stands around one: scores are checksums of texts.

A token is a word. Texts ask for trouble: `#nan`, `#oom`, `#crash`, `#short` (too few scores), `#refuse`, `#big` (2.0).
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from reflectree.models.scoring.items import Encoded, Item, ItemRefused, Kind, Scored, ScorerInfo


def expected(item: Item) -> tuple[float, ...]:
    """The scores that the fake gives: one a step, which depends on the question and the steps so far; never 0 or 1."""
    texts = [item.question, *item.steps] if item.steps else [item.question]
    first = 1 if item.steps else 0
    return tuple(_checksum("\x1f".join(texts[: end + 1])) for end in range(first, len(texts)))


def _checksum(text: str) -> float:
    return (zlib.crc32(text.encode("utf-8", "replace")) % 9999 + 1) / 10_001


@dataclass
class FakeScorer:
    """Scores by checksum.

    Attributes:
        kind: What it says it is.
        per_step: Whether it gives one score a step.
        context: Most words of an item.
        seconds: How long a pass takes.
        room: Most items that fit in a pass.
        gate: Passes wait for it, where there is one.
        passes: The questions of each pass.
        threads: The threads that scored.
        closed: It was closed.
    """

    kind: Kind = "value-head"
    per_step: bool = True
    context: int = 200
    seconds: float = 0.0
    room: int = 1_000_000
    gate: threading.Event | None = None
    passes: list[list[str]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    closed: bool = False

    @property
    def info(self) -> ScorerInfo:
        return ScorerInfo("fake", self.kind, self.per_step, causal=True, context_tokens=self.context)

    def encode(self, item: Item) -> Encoded:
        texts = (item.question, *item.steps)
        if any("#refuse" in text for text in texts):
            raise ItemRefused("step_tag_in_text", "this text contains the step tag: send it without")
        ends = [sum(len(text.split()) for text in texts[: end + 1]) for end in range(len(texts))]
        if ends[-1] > self.context:
            raise ItemRefused("context_overflow", f"{ends[-1]} tokens are more than the model's {self.context}")
        return Encoded(tuple(range(ends[-1])), tuple(ends[1:] or ends), tuple(ends), item)

    def score(self, batch: Sequence[Encoded]) -> list[Scored]:
        self.threads.add(threading.get_ident())
        self.passes.append([encoded.item.question for encoded in batch])
        if self.gate is not None:
            self.gate.wait(30)
        time.sleep(self.seconds)
        said = " ".join(" ".join((encoded.item.question, *encoded.item.steps)) for encoded in batch)
        if len(batch) > self.room or "#oom" in said:
            raise MemoryError("no room")
        if "#crash" in said:
            raise RuntimeError("device-side assert triggered at /secret/path")
        return [self._scored(encoded) for encoded in batch]

    def close(self) -> None:
        self.closed = True

    def _scored(self, encoded: Encoded) -> Scored:
        scores, said = expected(encoded.item), encoded.item.question
        if "#nan" in said:
            scores = (*scores[:-1], float("nan"))
        if "#big" in said:
            scores = (*scores[:-1], 2.0)
        if "#short" in said:
            scores = scores[:-1] or (0.5,)
        shown = scores if self.per_step else scores[-1:]
        return Scored(shown, scores[-1], encoded.tokens, cached=min(1, encoded.tokens))
