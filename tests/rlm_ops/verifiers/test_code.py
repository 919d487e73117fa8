from __future__ import annotations

from pathlib import Path

import pytest

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.sandbox import Limits, available
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.verifiers import code_tests, extract_code, parse_spec

needs_isolation = pytest.mark.skipif(bool(available()), reason=f"no isolation on this system: {available()}")

# in the form of HumanEval's rows: prompt, entry_point, test
PROMPT = '''from typing import List

def shifted(x: int) -> int:
    return x + 1

def largest(numbers: List[int]) -> int:
    """Return the largest number.
    >>> largest([1, 5, 3])
    5
    """
'''
CHECK = """
METADATA = {'author': 'us'}

def check(candidate):
    assert candidate([1, 5, 3]) == 5
    assert candidate([-2, -7]) == -2
    assert shifted(1) == 2
"""
HUMAN_EVAL = code_tests(CHECK, entry_point="largest", prompt=PROMPT)

# in the form of MBPP's rows: test_list, test_setup_code
ASSERTS = ["assert add(1, 2) == 3", "assert add(-1, 1) == 0", "assert math.isclose(add(0.1, 0.2), 0.3)"]
MBPP = code_tests(ASSERTS, setup="import math", limits=Limits(seconds=20, cpu_seconds=1))


@needs_isolation
@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("def add(a, b): return a + b", 1.0),
        ("Sure:\n```python\ndef add(a, b):\n    return a + b\n```\nThat is it.", 1.0),
        ("def add(a, b): return abs(a + b)\n\nif __name__ == '__main__':\n    print(add(int(input()), 1))", 1.0),
        ("def add(a, b): return 3", 1 / 3),
        ("def add(a, b):\n    while b < 2: pass\n    return a + b", 1 / 3),
        ("import sys\ndef add(a, b): sys.exit(0)", 0.0),
        ("import os; os._exit(0)", 0.0),
        ("print('3 passed')", 0.0),
        ("I do not know.", 0.0),
        ("def add(a, b:", 0.0),
        ("", 0.0),
        ("#" * 200_000, 0.0),
    ],
)
def test_a_list_of_asserts(answer: str, score: float) -> None:
    assert MBPP.score(answer) == score


@needs_isolation
@pytest.mark.parametrize(
    "answer",
    [
        "    return max(numbers)",
        "    best = numbers[0]\n    for n in numbers:\n        if n > best:\n            best = n\n    return best\n",
        "best = numbers[0]\n    for n in numbers:\n        best = n if n > best else best\n    return best",
        "```python\nbest = numbers[0]\nfor n in numbers:\n    best = n if n > best else best\nreturn best\n```",
        "```python\n    return max(numbers)\n```",
        "def largest(numbers: List[int]) -> int:\n    return max(numbers)",
        f"```python\n{PROMPT}    return max(numbers)\n```",
        "```py\ndef largest(n):\n  return sorted(n)[-1]\n```\nFor example:\n```python\nprint(largest([1]))\n```",
        "```python\nlargest = max\n```",
        "    def key(n):\n        return n\n    return max(numbers, key=key)\n\ndef other():\n    return 1",
    ],
)
def test_completions_and_whole_functions(answer: str) -> None:
    assert HUMAN_EVAL.score(answer) == 1.0


@needs_isolation
@pytest.mark.parametrize(
    "answer", ["    return numbers[0]", "    pass", "def largest(n): return 5", "```\n```", "return"]
)
def test_wrong_completions(answer: str) -> None:
    assert HUMAN_EVAL.score(answer) == 0.0


@needs_isolation
def test_one_text_of_tests() -> None:
    right = "def add(a, b): return a + b"
    split = code_tests("assert add(1, 2) == 3\nassert add(\n    1, 1\n) == 3\n")
    assert (len(split.tests), split.score(right)) == (2, 0.5)
    whole = code_tests("x = add(1, 2)\nassert x == 3\nassert x == 4")
    assert (len(whole.tests), whole.score(right)) == (1, 0.0)
    assert code_tests(CHECK.replace("shifted(1) == 2", "True") + "\ncheck(largest)").score("largest = max") == 1.0


@needs_isolation
def test_a_specification_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tests.py"
    path.write_text("assert add(1, 2) == 3\nassert add(2, 2) == 5\n")
    verifier = parse_spec(f"code:{path}")
    assert (verifier.name, verifier.gold, verifier.score("def add(a, b): return a + b")) == ("code", True, 0.5)
    path.write_text("def check(candidate):\n    assert candidate([2, 1]) == 2\n")
    assert parse_spec(f"code:{path}:largest").score("largest = max") == 1.0
    with pytest.raises(BadInput, match="name the function under test"):
        parse_spec(f"code:{path}")
    with pytest.raises(BadInput, match="No such file"):
        parse_spec(f"code:{path}.other")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no code", None),
        ("```python\na\n```\nand\n```python\nb\n```", "b\n"),
        ("```python\na\n```\nprints\n```text\nb\n```", "a\n"),
        ("```\na\n```\n```\nb\n```", "b\n"),
        ("```python\na\n```\n```\nb\n```", "a\n"),
        ("```Python title=x\r\na\r\nb\r\n```", "a\nb\n"),
        ("~~~py\na\n~~~", "a\n"),
        ("- so:\n  ```python\n  a\n    b\n  ```", "a\n  b\n"),
        ("````python\n```\na\n````", "```\na\n"),
        ("```python\ncut off", "cut off"),
        ("```json\n{}\n```", None),
        ("inline ```a``` only", None),
    ],
)
def test_where_the_code_is(text: str, code: str | None) -> None:
    assert extract_code(text) == code


def test_the_block_that_defines_the_function_goes_first() -> None:
    text = "```python\ndef f(): 1\n```\n```python\ndef f2(): 2\n```"
    assert extract_code(text, "f") == "def f(): 1\n"
    assert extract_code(text, "g") == "def f2(): 2\n"


def test_who_may_see_it() -> None:
    hidden, shown = code_tests(ASSERTS), verifiers.visible(ASSERTS)
    assert isinstance(hidden, Verifier)
    assert (hidden.name, hidden.gold, shown.gold) == ("code", True, False)
    assert "add(1, 2)" not in repr(hidden)


@pytest.mark.parametrize("tests", ["", [], ["assert f()", ""], "# nothing", ["# nothing"], "assert f(", ["assert f("]])
def test_tests_that_cannot_judge(tests: str | list[str]) -> None:
    with pytest.raises(BadInput, match=r"at least one test|is not Python"):
        code_tests(tests)


def test_other_bad_parts() -> None:
    with pytest.raises(BadInput, match="set-up code is not Python"):
        code_tests(ASSERTS, setup="import")
    with pytest.raises(BadInput, match="name of a function"):
        code_tests(ASSERTS, entry_point="f(x)")


@needs_isolation
def test_own_trouble_is_no_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VerifierError, match="set-up code of the tests failed"):
        code_tests(ASSERTS, setup="import no_such_module_at_all").score("x = 1")
    monkeypatch.setattr("reflectree.rlm_ops.sandbox.job._filter", lambda: None)
    with pytest.raises(VerifierError, match="cannot isolate code here"):
        MBPP.score("def add(a, b): return a + b")
