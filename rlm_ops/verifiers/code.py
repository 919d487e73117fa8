"""`code`: a program is right as far as it passes tests, run in the sandbox.

Takes the forms of HumanEval (a prompt to complete, one `check(candidate)`) and of MBPP (a list of asserts). Tests that
the task shows anyway are `visible` and may guide a search; hidden ones are gold. What a dishonest program could still
claim stands in `rlm_ops.sandbox`.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.sandbox import Limits, run_tests

_FENCED = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[^\n]*\n(?P<code>.*?)"
    r"(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PYTHON = frozenset({"python", "python3", "py", "py3"})
_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class CodeTests:
    """The share of tests that the program in an answer passes; 1 where it passes all."""

    tests: tuple[str, ...] = field(repr=False)
    setup: str = field(default="", repr=False)
    prompt: str = field(default="", repr=False)
    entry_point: str = ""
    limits: Limits = field(default_factory=Limits, repr=False)
    gold: bool = True
    name: str = "code"

    def score(self, answer: str) -> float:
        """Passed tests over all tests. A test that ends the process or uses up the time fails, as do those after it.

        Raises:
            VerifierError: The sandbox cannot be had, or the set-up code fails.
        """
        if not answer.strip() or len(answer) > _LONGEST:
            return 0.0
        try:
            outcome = run_tests(self._readings(answer), self.tests, setup=self.setup, limits=self.limits)
        except (BadInput, OSError) as error:
            raise VerifierError(f"the verifier {self.name} cannot run the tests: {error}") from error
        return sum(outcome.passed) / len(self.tests)

    def _readings(self, answer: str) -> list[str]:
        """What the answer may mean, the likeliest first; the first that compiles is run."""
        code = extract_code(answer, self.entry_point)
        program = answer.replace("\r\n", "\n") if code is None else code
        if not self.prompt:
            return [program]
        body = textwrap.indent(textwrap.dedent(program), "    ")
        lost = "    " + program.lstrip()  # whoever stripped the text took the first line's indentation
        completed = [f"{self.prompt.rstrip()}\n{text}" for text in (program, lost, body)]
        if not _defines(program, self.entry_point or r"\w+"):
            return [*completed, program]
        # a whole function: the prompt's imports and helpers stand before it
        return [f"{self.prompt.rstrip()}\n    pass\n\n{program}", f"{self.prompt}\n\n{program}", program]


def extract_code(text: str, entry_point: str = "") -> str | None:
    """The program in a model's answer: its last fenced block of Python; None where it has none.

    A block that names no language counts where none names Python; one that was cut off counts as far as it goes.

    Args:
        text: The answer.
        entry_point: A function; blocks that define it go before those that do not, such as an example of its use.
    """
    found = [
        (match["language"].lower(), textwrap.dedent(match["code"]))
        for match in _FENCED.finditer(text.replace("\r\n", "\n"))
    ]
    blocks = [code for language, code in found if language in _PYTHON]
    blocks = blocks or [code for language, code in found if not language]
    defining = [code for code in blocks if entry_point and _defines(code, entry_point)]
    return (defining or blocks)[-1] if blocks else None


def code_tests(
    tests: str | Sequence[str],
    *,
    entry_point: str = "",
    setup: str = "",
    prompt: str = "",
    gold: bool = True,
    limits: Limits | None = None,
) -> CodeTests:
    """A verifier that runs an answer's program against tests.

    Args:
        tests: MBPP's list of asserts, each judged by itself; or one text. A text of asserts only is read as such a
            list; one that defines `check(candidate)`, as HumanEval's do, is called with the entry point.
        entry_point: The function under test, where the tests or the prompt need its name.
        setup: Trusted code run before the program, such as imports.
        prompt: The beginning of a program that the answer completes; an answer that repeats the function is fine too.
        gold: Whether the tests are hidden from the solver; search then does not get to run them.
        limits: What a run of all tests may use.

    Raises:
        BadInput: There are no tests, they are not Python, or `check` lacks an entry point.
    """
    if entry_point and not entry_point.isidentifier():
        raise BadInput(f"the entry point of code tests is the name of a function, not {entry_point!r}")
    _parsed(setup, "set-up code")
    if isinstance(tests, str):
        statements = _split(tests, entry_point)
    else:
        statements = tuple(tests)
    if not statements or not all(_parsed(statement, "test").body for statement in statements):
        raise BadInput("code tests need at least one test, for example 'assert add(1, 2) == 3'")
    return CodeTests(statements, setup, prompt, entry_point, limits or Limits(), gold)


def visible(
    tests: str | Sequence[str],
    *,
    entry_point: str = "",
    setup: str = "",
    prompt: str = "",
    limits: Limits | None = None,
) -> CodeTests:
    """As `code_tests`, for tests that stand in the task: they may guide a search."""
    return code_tests(tests, entry_point=entry_point, setup=setup, prompt=prompt, gold=False, limits=limits)


def _defines(code: str, name: str) -> bool:
    return re.search(rf"^(?:(?:async )?def|class) {name}\b|^{name} *=", code, re.MULTILINE) is not None


def _split(tests: str, entry_point: str) -> tuple[str, ...]:
    """One test, or as many as there are asserts and nothing else."""
    tree = _parsed(tests, "test")
    if any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body):
        called = any("check(" in ast.unparse(node) for node in tree.body if isinstance(node, ast.Expr))
        if not called and not entry_point:
            raise BadInput("these tests define check(candidate): name the function under test with entry_point")
        return (tests if called else f"{tests}\n\ncheck({entry_point})\n",)
    if all(isinstance(node, ast.Assert) for node in tree.body):
        return tuple(ast.get_source_segment(tests, node) or ast.unparse(node) for node in tree.body)
    return (tests,) if tree.body else ()


def _parsed(code: str, what: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # published tests are full of unescaped backslashes
            return ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise BadInput(f"a {what} is not Python: {error}") from error
