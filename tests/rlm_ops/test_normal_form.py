from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.answers import normalise, same_answer

FORMS = {
    "  Paris ": "paris",
    "New   York": "new york",
    "42.": "42",
    "+42": "42",
    "1,234.50": "1234.5",
    "007": "7",
    ".5": "0.5",
    "5.": "5",
    "-0.0": "0",
    "1e3": "1000",
    "1.5E-3": "0.0015",
    "1e400": "1e400",
    "\u22125": "-5",
    "$5": "5",
    "\\$1{,}000": "1000",
    "\u20ac3.50": "3.5",
    "50 \\%": "50%",
    "5.00 km": "5 km",
    "1,200 apples": "1200 apples",
    "x = 5": "5",
    "$x = 5$": "5",
    "total = 1,000": "1000",
    "x = 5, y = 6": "x=5, y=6",
    "a == b": "a==b",
    "\\frac{1}{2}": "1/2",
    "\\dfrac12": "1/2",
    "\\frac{\\frac{1}{2}}{x+1}": "(1/2)/(x+1)",
    "\\text{Yes}": "yes",
    "\\boxed{\\text{Paris}}": "paris",
    "\\left( 3, 4 \\right)": "(3, 4)",
    "(3,4)": "(3, 4)",
    "(1,234)": "(1, 234)",
    "1, 234": "1, 234",
    "x^{10}": "x^10",
    "\\sqrt{2}": "sqrt(2)",
    "\\sqrt2": "sqrt(2)",
    "\\sqrt{\\frac{1}{2}}": "sqrt(1/2)",
    "3 \\times 4": "3*4",
    "3 \u00d7 4": "3*4",
    "(9 + 8) - 3": "(9+8)-3",
    "8 / 2": "8/2",
    "6/8": "6/8",
    "'a'": "a",
    "**b**": "b",
    "$": "$",
    "": "",
}


@pytest.mark.parametrize(("answer", "form"), FORMS.items())
def test_the_normal_form(answer: str, form: str) -> None:
    assert normalise(answer) == form
    assert normalise(form) == form


PIECES = [
    "\\frac", "{", "}", "\\text", "\\boxed", "\\sqrt", "\\left", "\\%", "\\ ", "\\(", "$", "1", "2,", "345", ".", "0",
    "-", "+", "=", "x", "e", " ", "(", ")", "^", "_", "%", "'", '"', "**", ",",
]  # fmt: skip
MATHS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@given(st.text() | MATHS)
def test_normalising_twice_changes_nothing(answer: str) -> None:
    once = normalise(answer)
    assert normalise(once) == once


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e12"), max_value=Decimal("1e12"), places=6)
)
def test_a_number_has_one_form(number: Decimal) -> None:
    form = normalise(f"{number:f}")
    assert Decimal(form) == number
    assert {
        normalise(f"{number:,f}"),
        normalise(f"{number:f}00"),
        normalise(f"${number:f}$"),
        normalise(f"{number:e}"),
    } == {form}


def test_the_same_answer() -> None:
    assert same_answer("x = 1,000.0", "1000")
    assert not same_answer("5 km", "5 m")
    assert not same_answer("", "  ")


@pytest.mark.parametrize("depth", [5, 100, 20_000])
def test_nesting_beyond_reason_is_still_idempotent(depth: int) -> None:
    once = normalise("\\text{" * depth + "A  b" + "}" * depth)
    assert normalise(once) == once


HOSTILE = [
    "\\text{", "\\frac{", "\\frac{1}{2}", "{", "(", "-", "1,", "111,", "1", "$", "**", "x=", '"', "__", "^{", "0.",
    "> ", "\\", "\\left", ", ", "e5", "'",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * (100_000 // len(unit) + 1))[:100_000]
    start = time.process_time()
    normalise(text)
    normalise(text + "}" * 50_000)
    assert time.process_time() - start < 4.0  # quadratic would be minutes
