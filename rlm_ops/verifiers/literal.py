"""`exact`: the answer in normal form equals the right one in normal form. Knows nothing of mathematics."""

from __future__ import annotations

from dataclasses import dataclass, field

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.errors import BadInput


@dataclass(frozen=True, slots=True)
class Exact:
    """Right where the normal forms are equal."""

    expected: str = field(repr=False)
    name: str = "exact"
    gold: bool = True

    def score(self, answer: str) -> float:
        """1 for the same answer, else 0."""
        return float(normalise(answer) == self.expected)


def exact(answer: str) -> Exact:
    """A verifier of one right answer, compared after `normalise`.

    Raises:
        BadInput: The right answer is empty.
    """
    expected = normalise(str(answer))
    if not expected:
        raise BadInput("the right answer is empty: give one, for example exact:42")
    return Exact(expected)
