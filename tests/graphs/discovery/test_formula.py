from __future__ import annotations

import numpy as np
import pytest

from reflectree.graphs.discovery.formula import read_formula
from reflectree.graphs.discovery.terms import FormulaError

X = np.linspace(0.5, 2.0, 5)
Y = np.linspace(1.0, 3.0, 5)


def value(body: str, params: tuple[float, ...] = (2.0, 3.0)) -> np.ndarray:
    return read_formula(f"def equation(x, y, params):\n    {body}", 2)((X, Y), params)


def test_arithmetic_is_numpys() -> None:
    np.testing.assert_allclose(value("return params[0] * np.exp(-x) + y ** params[1] / 2"), 2 * np.exp(-X) + Y**3 / 2)
    np.testing.assert_allclose(value("a = x + 1\n    a *= 2\n    return math.sqrt(a) - pi"), np.sqrt(2 * X + 2) - np.pi)
    np.testing.assert_allclose(value("return np.where(x < 1, x, -y)"), np.where(X < 1, X, -Y))
    np.testing.assert_allclose(value("a, b = params\n    return a + b * x"), 2 + 3 * X)
    np.testing.assert_allclose(value("return 7"), np.full(5, 7.0))


def test_what_models_write_around_a_function_is_taken_off() -> None:
    text = (
        "Here it is:\n```python\nimport numpy as np\n\ndef equation_v2(x: np.ndarray, params) -> np.ndarray:\n"
        '    """A \\d line."""\n    return params[0] * x\n```\nIt is linear.'
    )
    formula = read_formula(text, 1)
    assert (formula.inputs, formula.params) == (("x",), 1)


def test_names_of_a_formula_are_its_own() -> None:
    formula = read_formula("def f(params, c):\n    exp = c[0] * params\n    return exp + c[1]", 1)
    np.testing.assert_allclose(formula((X,), (2.0, 3.0)), 2 * X + 3)


def test_constants_are_counted_by_the_largest_index() -> None:
    assert read_formula("def f(x, params):\n    return x + params[3]", 1).params == 4
    assert read_formula("def f(x, params):\n    return x", 1).params == 0


@pytest.mark.parametrize(
    "body",
    [
        "return __import__('os').system('true')",
        "return open('/etc/passwd')",
        "return x.__class__",
        "return (lambda: 1)()",
        "return [v for v in x]",
        "return np.load(x)",
        "return np.linalg.norm(x)",
        "return eval('1')",
        "return x @ y",
        "return f'{x}'",
        "return 'text'",
        "return params[10]",
        "return params[-1]",
        "return params[True]",
        "return params[x]",
        "return x[0]",
        "return z",
        "return np.exp(x, out=x)",
        "return np.exp(*x)",
        "return np.exp()",
        "return x if x > 1 else y",
        "return 1 < x < 2",
        "return 10 ** 400 * 1" + "0" * 400,
        "params = x\n    return params[0]",
        "import os\n    return x",
        "for i in range(9): pass\n    return x",
        "while True: pass",
        "x.y = 1\n    return x",
        "x[0] = 1\n    return x",
        "global x\n    return 1",
        "pass",
        "return",
    ],
)
def test_what_is_not_arithmetic_is_refused(body: str) -> None:
    with pytest.raises(FormulaError):
        value(body)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x + 1",
        "def f(x, params): return x\nf(1, 2)",
        "import os\ndef f(x, params):\n    return x",
        "from os import system as exp\ndef f(x, params):\n    return x",
        "from math import exp as np\ndef f(x, params):\n    return x",
        "@print\ndef f(x, params):\n    return x",
        "def f(x):\n    return x",
        "def f(x, y, params):\n    return x",
        "def f(*x):\n    return x",
        "def f(x, params): return " + "(" * 3000 + "x" + ")" * 3000,
        "def f(x, params): return " + "-" * 280 + "x" + " + x" * 300,
        "def f(x, params): return " + "x + " * 4000 + "x",
        "def f(x, params): return '\0'",
    ],
)
def test_what_is_no_single_function_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        read_formula(text, 1)


def test_huge_powers_are_infinite_and_take_no_time() -> None:
    assert np.all(np.isinf(value("return 9.0 ** 9 ** 9 ** 9 + x")))
    assert np.all(np.isnan(value("return np.log(-x)")))
    assert np.all(np.isinf(value("return x / 0")))


def test_a_refusal_always_says_why() -> None:
    with pytest.raises(FormulaError, match=r": \S|\w$"):
        read_formula("def f(x, params): return " + "-" * 7000 + "x", 1)
