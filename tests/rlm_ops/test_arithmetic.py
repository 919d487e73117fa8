from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops.arithmetic import compute
from reflectree.rlm_ops.errors import BadInput


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(3 + 5) * 7 / 2", 28),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("2 ^ 10", 1024),
        ("-3 // 2", -2),
        ("6 \u00d7 7", 42),
        ("1,234 + 1", 1235),
        ("7 % 4", 3),
    ],
)
def test_arithmetic_is_exact(expression: str, value: Fraction | int) -> None:
    assert compute(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "1/0",
        "2**10000",
        "x + 1",
        "",
        "9**64**64",
        "[1]",
        "1" * 2000,
        "(" * 500,
        "1if 2",
        "1e999",
        "2 ** 0.5",
        "0 ** -1",
    ],
)
def test_everything_else_is_refused(expression: str) -> None:
    with pytest.raises(BadInput):
        compute(expression)


@given(st.text(max_size=40))
def test_no_text_escapes_the_two_outcomes(text: str) -> None:
    try:
        compute(text)
    except BadInput:
        pass
