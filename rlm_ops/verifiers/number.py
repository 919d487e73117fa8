"""`numeric`: the answer is a number near the right one.

Reads plain numbers, `a/b`, `a*10^b` and a number before a unit in letters (`12 apples`). A percentage is its number:
`50%` is 50. Knows no other arithmetic; `math` does.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.errors import BadInput

_NUMBER = r"[+-]?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,6})?"
_READABLE = re.compile(
    rf"\(?(?P<number>{_NUMBER})\)?"
    rf"(?:/\(?(?P<below>{_NUMBER})\)?|\*10\^\(?(?P<power>[+-]?[0-9]{{1,4}})\)?)?"
    r"(?: ?[%\u00b0a-z][^0-9]*)?"
)
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Numeric:
    """Right within `rel_tol` of the value or `abs_tol`, whichever is wider."""

    value: float = field(repr=False)
    rel_tol: float = 1e-6
    abs_tol: float = 0.0
    name: str = "numeric"
    gold: bool = True

    def score(self, answer: str) -> float:
        """1 for a number within tolerance, else 0."""
        number = read_number(answer)
        if number is None:
            return 0.0
        return float(math.isclose(number, self.value, rel_tol=self.rel_tol, abs_tol=self.abs_tol))


def numeric(value: float | str, rel_tol: float = 1e-6, abs_tol: float = 0.0) -> Numeric:
    """A verifier of a number.

    Args:
        value: The right number, or text that reads as one.
        rel_tol: Tolerance relative to the larger magnitude, as in `math.isclose`.
        abs_tol: Absolute tolerance; what counts where the right number is 0.

    Raises:
        BadInput: The value is not a finite number, or a tolerance is negative.
    """
    number = read_number(value) if isinstance(value, str) else float(value)
    if number is None or not math.isfinite(number):
        raise BadInput(f"{value!r} is not a finite number: give one, for example numeric:3.14")
    if not (rel_tol >= 0 and abs_tol >= 0):
        raise BadInput("tolerances must be 0 or more")
    return Numeric(number, rel_tol, abs_tol)


def read_number(answer: str) -> float | None:
    """The number an answer is, or None where it is not one."""
    if len(answer) > _LONGEST:
        return None
    match = _READABLE.fullmatch(normalise(answer))
    if match is None:
        return None
    try:
        number = float(match["number"])
        if match["below"]:
            number = float(Fraction(match["number"]) / Fraction(match["below"])) if _moderate(match) else math.nan
        elif match["power"]:
            number *= 10.0 ** int(match["power"])
    except (OverflowError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _moderate(match: re.Match[str]) -> bool:
    """Whether a quotient has no exponents, which as exact fractions could be huge."""
    return "e" not in match["number"] + match["below"]
