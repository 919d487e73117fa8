"""`regex`: the answer contains a match of a pattern. It checks a form, so it is not gold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reflectree.rlm_ops.errors import BadInput


@dataclass(frozen=True, slots=True)
class Regex:
    """Right where `pattern` is found in the answer; anchor it to match the whole."""

    pattern: re.Pattern[str]
    name: str = "regex"
    gold: bool = False

    def score(self, answer: str) -> float:
        """1 where the pattern is found, else 0."""
        return float(self.pattern.search(answer.strip()) is not None)


def regex(pattern: str, flags: int = 0, *, gold: bool = False) -> Regex:
    r"""A verifier of an answer's form, for example `regex(r"^\d+$")`.

    Args:
        pattern: A Python regular expression, searched for; it is trusted, so mind patterns that backtrack.
        flags: Flags of the `re` module.
        gold: Set it where the pattern gives the right answer away.

    Raises:
        BadInput: The pattern does not compile.
    """
    try:
        compiled = re.compile(pattern, flags)
    except re.error as error:
        raise BadInput(f"the pattern {pattern!r} is not a regular expression: {error}") from error
    return Regex(compiled, gold=gold)
