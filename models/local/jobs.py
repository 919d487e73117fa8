"""What is decoded: a prompt with all that governs its samples, and the samples. It knows no tensors and no requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reflectree.models.base import Finish

Decode = Callable[[Sequence[int]], str]
"""Token ids to text, without special tokens."""

SEEDS = 0x7FFFFFFF
_BEFORE = 8
"""Tokens of the prompt that decide how the first written ones look (a leading space)."""
_CUT = "\ufffd"
"""What the beginning of a character decodes to, while its other bytes are not written yet."""


@dataclass(frozen=True, slots=True)
class Job:
    """A prompt and what is wanted of it.

    Attributes:
        prompt: Token ids, at least one.
        decode: Token ids to text; called on one thread only.
        n: Samples wanted.
        max_tokens: Most tokens a sample may have.
        temperature: 0 takes the most likely token.
        top_p: Nucleus mass; 1 is no truncation.
        seed: Sample i draws from a generator of its own, seeded with `seed` + i.
        alternatives: Log-probabilities of so many best tokens at each place.
        ends: Tokens that end a sample.
        breaks: The token that is a line break in the text (the end of a step inside a whole solution).
        stop: Strings that end a sample and are left out.
        distinct: The samples are drawn without replacement: no text comes twice.
        lead: The last tokens of the prompt that the text runs on from; empty where it begins afresh.
    """

    prompt: tuple[int, ...]
    decode: Decode
    n: int = 1
    max_tokens: int = 512
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    alternatives: int = 0
    ends: frozenset[int] = frozenset()
    breaks: int | None = None
    stop: tuple[str, ...] = ()
    distinct: bool = False
    lead: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """One sample.

    Attributes:
        text: Its text, without what ended it.
        tokens: Its tokens, the one that ended it included.
        logprobs: Log-probability of each under the model itself (temperature 1, nothing cut off). The token that
            ended it counts: their sum is the log-probability of the sample.
        alternatives: The best log-probabilities at each place, where asked for.
        finish: `stop`, or `length`.
    """

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    alternatives: tuple[tuple[float, ...], ...]
    finish: Finish


class Transcript:
    """Tokens as text, one after the other, until something ends them.

    Args:
        job: What they are written for.
    """

    __slots__ = ("_from", "_ids", "_job", "_until", "finish", "text", "tokens")

    def __init__(self, job: Job) -> None:
        self._job = job
        self._ids = list(job.lead[-_BEFORE:])
        self._from, self._until = 0, len(self._ids)
        self.text = ""
        self.tokens: list[int] = []
        self.finish: Finish | None = None
        """Why it ended; `None` while it goes on."""

    def copy(self) -> Transcript:
        """The same again, to be continued in another way."""
        other = Transcript(self._job)
        other._ids, other._from, other._until = list(self._ids), self._from, self._until
        other.text, other.tokens, other.finish = self.text, list(self.tokens), self.finish
        return other

    def push(self, token: int) -> None:
        """Take one more token."""
        job = self._job
        self.tokens.append(token)
        length = len(self.text)
        if token in job.ends:
            self._flush()
            self.finish = "stop"
        elif token == job.breaks:
            self._flush()
            self.text += "\n"
            self._ids, self._from, self._until = [], 0, 0
        else:
            self._ids.append(token)
            self._read(last=False)
        self._cut(length)
        if self.finish is None and len(self.tokens) >= job.max_tokens:
            self._flush()
            self.finish = "length"
            self._cut(length)
        if self.finish == "stop" and job.breaks is not None:
            self.text = self.text.rstrip("\n")

    def _flush(self) -> None:
        self._read(last=True)

    def _read(self, *, last: bool) -> None:
        """Add the text of the tokens that are not read yet, unless they end within a character."""
        if self._until == len(self._ids):
            return
        decode = self._job.decode
        known = decode(self._ids[self._from : self._until])
        whole = decode(self._ids[self._from :])
        if last or (len(whole) > len(known) and not whole.endswith(_CUT)):
            self.text += whole[len(known) :]
            self._from, self._until = self._until, len(self._ids)

    def _cut(self, length: int) -> None:
        """End at the first stop string that the text beyond `length` completes."""
        places = [at for word in self._job.stop if (at := self.text.find(word, max(0, length - len(word) + 1))) >= 0]
        if places:
            self.text, self.finish = self.text[: min(places)], "stop"
