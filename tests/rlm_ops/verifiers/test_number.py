from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.verifiers.number import read_number


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("42", 42.0),
        ("-1,234.5", -1234.5),
        ("$3.50", 3.5),
        ("1/4", 0.25),
        (r"-\frac{3}{4}", -0.75),
        ("x = 7", 7.0),
        ("3 \\times 10^{4}", 30000.0),
        ("2e-3", 0.002),
        ("12 apples", 12.0),
        ("50%", 50.0),
        ("90\u00b0", 90.0),
        ("", None),
        ("twelve", None),
        ("1/0", None),
        ("1e999", None),
        ("3 or 4", None),
        ("nan", None),
        ("5" * 1000, None),
    ],
)
def test_reading_numbers(answer: str, number: float | None) -> None:
    assert read_number(answer) == number


def test_tolerances() -> None:
    assert verifiers.numeric(3.14159265).score("3.1415926") == 1.0
    assert verifiers.numeric(3.14159265).score("3.14") == 0.0
    assert verifiers.numeric(3.14159265, rel_tol=1e-2).score("3.14") == 1.0
    assert verifiers.numeric(0).score("0.001") == 0.0
    assert verifiers.numeric(0, abs_tol=0.01).score("0.001") == 1.0
    assert verifiers.numeric(42).gold


@pytest.mark.parametrize("value", ["pi", float("nan"), float("inf"), ""])
def test_values_that_are_no_numbers(value: float | str) -> None:
    with pytest.raises(BadInput, match=r"numeric:3\.14"):
        verifiers.numeric(value)


def test_negative_tolerances() -> None:
    with pytest.raises(BadInput, match="tolerances"):
        verifiers.numeric(1, rel_tol=-1)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_itself(value: float) -> None:
    assert verifiers.numeric(value).score(repr(value)) == 1.0


@given(st.text())
def test_reading_never_raises(answer: str) -> None:
    read_number(answer)
