"""What calls cost: tokens and dollars, added up without ever turning 'unknown' into zero."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """The bill of some model calls.

    Attributes:
        calls: Requests sent, those that came to nothing included.
        failed_calls: Requests that came to nothing (HTTP fault, time-out, empty or unusable reply).
        prompt_tokens: Tokens read, as the provider counted them.
        completion_tokens: Tokens written, hidden reasoning included.
        usd: Price in dollars; `None` means that it is unknown, which is not the same as free.
    """

    calls: int = 0
    failed_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together: what `Budget(tokens=...)` caps."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.failed_calls + other.failed_calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            None if self.usd is None or other.usd is None else self.usd + other.usd,
        )

    def __bool__(self) -> bool:
        return bool(self.calls or self.tokens or self.usd)

    def to_row(self) -> list[int | float | None]:
        """The wire form: the five fields in order."""
        return [self.calls, self.failed_calls, self.prompt_tokens, self.completion_tokens, self.usd]


NO_USAGE = Usage()


def total_of_rows(rows: Iterable[Sequence[Any]]) -> Usage:
    """The sum of usages in their wire form, without making an object of each."""
    calls = failed_calls = prompt_tokens = completion_tokens = 0
    usd: float | None = 0.0
    for row in rows:
        calls += row[0]
        failed_calls += row[1]
        prompt_tokens += row[2]
        completion_tokens += row[3]
        usd = None if usd is None or row[4] is None else usd + row[4]
    return Usage(calls, failed_calls, prompt_tokens, completion_tokens, usd)


def total(usages: Iterable[Usage]) -> Usage:
    """The sum of some usages; unknown dollars make the sum unknown."""
    result = NO_USAGE
    for usage in usages:
        result = result + usage
    return result
