from __future__ import annotations

import pytest

from reflectree.rlm_ops.verifiers.guards import is_plain_formula, is_plain_python


@pytest.mark.parametrize(
    "answer", ["BABCACE", "0 1\n1 0", "[[0, 1], [1, 0]]", "['A', 'B']", "_ Q _\nQ _ _", "", "[1, 2"]
)
def test_literals_and_plain_text_may_be_evaluated(answer: str) -> None:
    assert is_plain_python(answer) == (answer != "[1, 2")


@pytest.mark.parametrize(
    "answer",
    ["__import__('os').system('true')", "9**9**9", "open('x')", "[x for x in y]", "a.b", "(lambda: 1)()", "1," * 9000],
)
def test_code_may_not_be_evaluated(answer: str) -> None:
    assert not is_plain_python(answer)


@pytest.mark.parametrize(
    "answer", ["x**2/2 + C", "-2*x**3*cos(x) + 6", "8*(8 - 2 - 3)", "x^2", "exp(-x)*sqrt(2)", "log(x)**2 + (x**2)**3"]
)
def test_formulas_may_be_read(answer: str) -> None:
    assert is_plain_formula(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "__import__('os').system('true')",
        "x.__class__",
        "eval(x)",
        "9**9999999",
        "9**(9*9999)",
        "9**9**9**9",
        "((9**99)**99)**99",
        "sin",
        "f(x)",
        "x if x else y",
        "x; y",
        "",
        "(" * 500 + ")" * 500,
        "x" * 5000,
    ],
)
def test_what_is_no_harmless_formula(answer: str) -> None:
    assert is_plain_formula(answer) == (answer == "sin")
