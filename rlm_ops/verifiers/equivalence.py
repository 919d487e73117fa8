"""`math`: the answer is mathematically the same as the right one, as the math-verify library sees it.

Its comparisons run SymPy on text of a model and bound their time by `signal.alarm`, which works in a main thread only
and disturbs the host's own alarms. So they run in one helper process, which is killed where it does not answer in time
and started again at the next question. Answers that are equal as text, or plain numbers, never go there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.verifiers.helper_process import MATH
from reflectree.rlm_ops.verifiers.number import read_number

_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Math:
    """Right where math-verify finds the answer equal to `expected`."""

    expected: str = field(repr=False)
    timeout: float = 10.0
    name: str = "math"
    gold: bool = True

    def score(self, answer: str) -> float:
        """1 for an equivalent answer, else 0; an answer that is no mathematics is compared as text.

        Raises:
            VerifierError: The comparison ran out of time, or the right answer is not mathematics.
            MissingExtra: math-verify is not installed.
        """
        given, expected = normalise(answer), normalise(self.expected)
        if given == expected:
            return 1.0
        if not given or len(given) > _LONGEST:
            return 0.0
        first, second = read_number(answer), read_number(self.expected)
        if first is not None and second is not None:
            return float(abs(first - second) <= 1e-9 * max(abs(first), abs(second)))
        return MATH.ask({"gold": self.expected, "answer": answer}, self.timeout)


def math(answer: str, *, timeout: float = 10.0) -> Math:
    r"""A verifier of mathematical equivalence, for example `math(r"\frac{1}{2}")`.

    Args:
        answer: The right answer, in LaTeX or plain.
        timeout: Seconds one comparison may take.

    Raises:
        BadInput: The right answer is empty, or the time-out is not positive.
    """
    if not answer.strip():
        raise BadInput(r"the right answer is empty: give one, for example math:\frac12")
    if not timeout > 0:
        raise BadInput(f"a time-out is more than 0 seconds, got {timeout}")
    return Math(answer.strip(), timeout)
