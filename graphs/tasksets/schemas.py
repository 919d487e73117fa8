"""What a row of each published data set means: its question, its context, and the verifier of its answer.

The field names are those of the sets as they were published; worked solutions, supporting facts and reference programs
are never read into a question. Nothing here knows where rows come from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from reflectree.graphs.tasksets.rows import Row
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.verifiers import math, numeric
from reflectree.rlm_ops.verifiers.number import read_number
from reflectree.rlm_ops.verifiers.qa import choice, qa, yes_no

_AIME_ANSWER = re.compile(r"\s*\$?\s*(\d{1,3})\s*(?:\^\s*\{?\\circ\}?|\u00b0)?\s*\$?\s*")
_DEFINITION = re.compile(r"^(?:async )?def\s+(\w+)\s*\(", re.MULTILINE)
_CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")


class Posed(NamedTuple):
    """A row as a task: `answer` only ever goes into the set's digest, `key` is the row's own id or empty."""

    question: str
    verifier: Verifier
    answer: Any
    key: str = ""
    context: str = ""


def gsm8k(row: Row) -> Posed:
    """`question`, and `answer` as a worked solution that ends in `#### number`."""
    _, marker, stated = row.text("answer").rpartition("####")
    if not marker or read_number(stated) is None:
        raise BadInput("field 'answer' must end in #### and a number")
    return Posed(row.text("question"), numeric(stated), stated.strip())


def math500(row: Row) -> Posed:
    """`problem`, `answer` (LaTeX), `subject`, `level`, `unique_id`; `solution` is not read."""
    answer = row.text("answer")
    return Posed(row.text("problem"), math(answer), answer, row.optional("unique_id"))


def aime(row: Row) -> Posed:
    """`problem` and `answer`, a whole number from 0 to 999; copies write `Problem`, `Question`, `Answer`, `ID`."""
    answer = row.text("answer", "Answer")
    whole = _AIME_ANSWER.fullmatch(answer)
    if whole is None:
        raise BadInput(f"field 'answer' must be a whole number from 0 to 999, got {answer!r}")
    question = row.text("problem", "Problem", "question", "Question")
    return Posed(question, numeric(int(whole[1])), int(whole[1]), row.optional("id", "ID", "problem_idx"))


def gpqa(row: Row) -> Posed:
    """`Question`, `Correct Answer` and `Incorrect Answer 1` to `3`.

    The options' order is that of a hash of question and option: the same for a row wherever it stands, and the right
    letter is each of the four equally often.
    """
    question, right = row.text("Question").strip(), row.text("Correct Answer").strip()
    options = [right, *(row.text(f"Incorrect Answer {number}").strip() for number in (1, 2, 3))]
    order = sorted(range(4), key=lambda place: hashlib.sha256(f"{question}\0{options[place]}".encode()).digest())
    shuffled = [options[place] for place in order]
    letter = "ABCD"[order.index(0)]
    listed = "\n".join(f"{name}) {option}" for name, option in zip("ABCD", shuffled, strict=True))
    posed = f"{question}\n\n{listed}\n\nThe answer is one letter: A, B, C or D."
    return Posed(posed, choice(letter, shuffled), right, row.optional("Record ID"))


def humaneval(row: Row) -> Posed:
    """`prompt`, `test`, `entry_point`, `task_id`; `canonical_solution` is not shown."""
    from reflectree.rlm_ops.verifiers.code import code_tests

    prompt, test, name = row.text("prompt"), row.text("test"), row.text("entry_point")
    question = (
        "Complete this Python program. The answer is the whole program in one code block: "
        f"imports, helpers and the function {name}.\n\n```python\n{prompt.rstrip()}\n```"
    )
    try:
        verifier = code_tests(test, entry_point=name, prompt=prompt)
    except BadInput as error:
        raise BadInput(f"fields 'test' and 'entry_point': {error}") from error
    return Posed(question, verifier, [row.optional("canonical_solution"), test], row.text("task_id"))


def mbpp(row: Row) -> Posed:
    """`text` (sanitized: `prompt`), `code`, `test_list`, `test_setup_code` (sanitized: `test_imports`), `task_id`.

    The question tells the function's name and parameters, without which the tests could not be met. The tests would
    show right results, so they are not in it, unlike in the paper's prompt: scores are lower than with that one.
    """
    from reflectree.rlm_ops.verifiers.code import code_tests

    tests, code = row.texts("test_list"), row.text("code")
    if not tests:
        raise BadInput("field 'test_list' must hold at least one test")
    setup = "\n".join(row.texts("test_imports")) or row.optional("test_setup_code")
    name, signature = _signature(code, tests)
    question = (
        f"{row.text('text', 'prompt').strip()}\n\nWrite it in Python as a function {signature}. "
        "The answer is the whole program in one code block."
    )
    try:
        verifier = code_tests(tests, entry_point=name, setup=setup)
    except BadInput as error:
        raise BadInput(f"fields 'test_list' and 'test_setup_code': {error}") from error
    return Posed(question, verifier, [code, tests], row.text("task_id"))


def hotpotqa(row: Row) -> Posed:
    """`question`, `answer`, `context` (titles with sentences), `id`; `supporting_facts` is not read.

    The context may be in the hub's form (lists of `title` and of `sentences`), in the original one (a list of pairs),
    or a list of objects.
    """
    answer = row.text("answer")
    return Posed(row.text("question"), qa(answer), answer, row.optional("id", "_id"), _paragraphs(row))


def strategyqa(row: Row) -> Posed:
    """`question`, `answer` (a truth value), `qid`; `facts` and `decomposition` give it away and are not read."""
    right = row.truth("answer")
    return Posed(f"{row.text('question').strip()} Yes or no?", yes_no(right), right, row.optional("qid"))


Read = Callable[[Row], Posed]
"""Makes a task of a row."""


def _paragraphs(row: Row) -> str:
    found: Any = row.structure("context")
    if isinstance(found, dict):
        titles, sentences = found.get("title"), found.get("sentences")
        if isinstance(titles, list) and isinstance(sentences, list) and len(titles) == len(sentences):
            found = list(zip(titles, sentences, strict=True))
    if not isinstance(found, list):
        raise BadInput("field 'context' must hold titles with lists of sentences")
    return "\n\n".join(map(_paragraph, found))


def _paragraph(item: Any) -> str:
    pair: Any = (item.get("title"), item.get("sentences")) if isinstance(item, dict) else item
    if isinstance(pair, list | tuple) and len(pair) == 2:
        title, sentences = pair
        if isinstance(title, str) and isinstance(sentences, list) and all(isinstance(one, str) for one in sentences):
            return f"{title}: {''.join(sentences).strip()}"
    raise BadInput("field 'context' must hold titles with lists of sentences")


def _signature(code: str, tests: list[str]) -> tuple[str, str]:
    """The name, and the name with the parameters, of the last function in `code` that the tests call."""
    called = {name for test in tests for name in _CALL.findall(test)}
    defined = [found for found in _DEFINITION.finditer(code) if found[1] in called]
    if not defined:
        raise BadInput("field 'code' defines no function that 'test_list' calls")
    inside = code[defined[-1].end() :]
    return defined[-1][1], f"{defined[-1][1]}({' '.join(inside[: _closing(inside)].split())})"


def _closing(text: str) -> int:
    """Where the parenthesis closes that was opened before `text`."""
    depth = 1
    for place, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0:
            return place
    return len(text)
