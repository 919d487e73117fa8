"""Every example of the README and the documentation runs, as a reader would run it, without a network.

A file's Python blocks share one namespace and run in order. Of `console` and `bash` blocks each line `$ reflectree ...`
runs and must succeed. A comment above a block changes that: `<!-- skip: reason -->` (Python is compiled, commands are
not run), `<!-- slow -->` (the whole file joins the slow tests), `<!-- exit: 2 -->` (the exit code to expect).
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from reflectree.rlm_ops.sandbox import available

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
OPENING = re.compile(r"^(?P<indent> *)```(?P<language>python|console|bash)\b")
COMMENT = re.compile(r"<!--\s*(?P<word>skip|slow|exit)(?::\s*(?P<value>[^>]*?))?\s*-->")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page; `line` is where its text begins."""

    language: str
    text: str
    line: int
    marks: dict[str, str]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page that hold examples."""
    found: list[Block] = []
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        opening = OPENING.match(lines[number])
        number += 1
        if opening is None:
            continue
        start = number
        while lines[number].strip() != "```":
            number += 1
        text = "\n".join(line.removeprefix(opening["indent"]) for line in lines[start:number])
        found.append(Block(opening["language"], text, start, _marks(lines[: start - 1])))
    return found


def _marks(before: list[str]) -> dict[str, str]:
    """The comments that stand directly above a block; blank lines may lie between."""
    marks: dict[str, str] = {}
    for line in reversed([line for line in before if line.strip()]):
        comments = list(COMMENT.finditer(line))
        if not comments:
            break
        marks |= {comment["word"]: comment["value"] or "" for comment in comments}
    return marks


def commands(block: Block) -> list[list[str]]:
    """The `$ reflectree ...` lines of a shell block, a trailing backslash joining the next line."""
    joined = block.text.replace("\\\n", " ")
    return [shlex.split(line[2:], comments=True) for line in joined.splitlines() if line.startswith("$ reflectree")]


ISOLATED = ("code_tests(", "run_python(")
"""What examples need a sandbox for."""


def _page_cases() -> list[ParameterSet]:
    cases: list[ParameterSet] = []
    for page in PAGES:
        slow = any("slow" in block.marks for block in blocks(page.read_text()))
        name = str(page.relative_to(ROOT))
        cases.append(pytest.param(page, id=name, marks=[pytest.mark.slow] if slow else []))
    return cases


@pytest.mark.parametrize("page", _page_cases())
def test_examples_of(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(word in page.read_text() for word in ISOLATED) and (why := available()):
        pytest.skip(why)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page.read_text()):
        if block.language == "python":
            run_python(block, page, namespace)
        elif "skip" not in block.marks:
            for command in commands(block):
                run_command(command, int(block.marks.get("exit", "0")), tmp_path)


def run_python(block: Block, page: Path, namespace: dict[str, object]) -> None:
    """Run a block in its page's namespace; a failure points at the page's own line."""
    source = "\n" * block.line + block.text
    # `await` at the top level is compiled, as a notebook would, but only in blocks that are not run.
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if "skip" in block.marks else 0
    code = compile(source, str(page), "exec", flags=flags, dont_inherit=True)
    if "skip" not in block.marks:
        exec(code, namespace)


def run_command(command: list[str], exit_code: int, cwd: Path) -> None:
    """Run `reflectree ...` with this environment's program."""
    program = Path(sys.executable).with_name("reflectree")
    env = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run([str(program), *command[1:]], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"


def test_blocks_are_found_with_their_marks() -> None:
    page = inspect.cleandoc(
        """
        <!-- skip: needs a key -->
        ```python
        await nothing
        ```

        ```console
        $ reflectree solve "a b" \\
            --json
        {"answer": 1}
        ```

        <!-- slow --> <!-- exit: 3 -->

        ```bash
        $ reflectree blueprints # all
        $ ls
        ```
        ```json
        {}
        ```
        """
    )
    skipped, plain, marked = blocks(page)
    assert (skipped.text, skipped.line, skipped.marks) == ("await nothing", 2, {"skip": "needs a key"})
    assert (commands(plain), plain.marks) == ([["reflectree", "solve", "a b", "--json"]], {})
    assert (commands(marked), marked.marks) == ([["reflectree", "blueprints"]], {"slow": "", "exit": "3"})


def test_a_failing_example_fails_and_points_at_its_line(tmp_path: Path) -> None:
    [block] = blocks("# Page\n\n```python\nfine = 1\nassert fine == 2\n```\n")
    with pytest.raises(AssertionError) as failure:
        run_python(block, tmp_path / "page.md", {})
    assert failure.tb.tb_next.tb_next.tb_lineno == 5  # type: ignore[union-attr]
    run_python(Block("python", "assert False", 0, {"skip": "later"}), tmp_path / "page.md", {})
    with pytest.raises(SyntaxError):
        run_python(Block("python", "1 +", 0, {"skip": "later"}), tmp_path / "page.md", {})
