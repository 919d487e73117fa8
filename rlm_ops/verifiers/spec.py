"""Verifiers by name: what `--verifier` and a task file's `verifier` field say."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.verifiers.callback import function
from reflectree.rlm_ops.verifiers.code import code_tests
from reflectree.rlm_ops.verifiers.equivalence import math
from reflectree.rlm_ops.verifiers.gym import reasoning_gym
from reflectree.rlm_ops.verifiers.literal import exact
from reflectree.rlm_ops.verifiers.number import numeric
from reflectree.rlm_ops.verifiers.pattern import regex
from reflectree.rlm_ops.verifiers.puzzle import countdown
from reflectree.rlm_ops.verifiers.schema import json_schema

FORMS = (
    "exact:42",
    "numeric:3.14",
    r"math:\frac12",
    r"regex:^\d+$",
    "json-schema:FILE",
    "countdown:3,5,7,8=24",
    "python:package.module:function",
    "reasoning_gym:NAME:INDEX[:SEED]",
    "code:TESTS.py[:FUNCTION]",
)
"""The forms of a specification, as error messages and help texts show them."""

_COUNTDOWN = re.compile(r"\s*(\d{1,9}(?:\s*,\s*\d{1,9})*)\s*=\s*(-?\d{1,12})\s*")


def parse_spec(text: str) -> Verifier:
    """The verifier that a specification names; see `FORMS`.

    A `python:` specification imports and runs code of the caller's choice: never take one from a model or a task file
    that is not trusted.

    Raises:
        BadInput: No such form, or its parts do not make a verifier.
        MissingExtra: It needs a package that is not installed.
    """
    kind, colon, rest = text.strip().partition(":")
    make = _KINDS.get(kind.strip().lower().replace("_", "-"))
    if make is None or not colon or not rest.strip():
        raise _unreadable(text)
    return make(rest)


def _unreadable(text: str, why: str = "") -> BadInput:
    reason = f" ({why})" if why else ""
    return BadInput(f"cannot read the verifier {text!r}{reason}: use one of {', '.join(FORMS)}")


def _schema_file(path: str) -> Verifier:
    try:
        schema = json.loads(Path(path.strip()).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read the JSON schema {path!r}: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"the JSON schema {path!r} is not JSON: {error}") from error
    return json_schema(schema)


def _countdown(text: str) -> Verifier:
    match = _COUNTDOWN.fullmatch(text)
    if match is None:
        raise _unreadable(f"countdown:{text}", "numbers with commas, an equals sign, the target")
    return countdown([int(number) for number in match[1].split(",")], int(match[2]))


def _python(text: str) -> Verifier:
    module, _, name = text.strip().partition(":")
    if not module or not name:
        raise _unreadable(f"python:{text}", "a module, a colon, a function")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BadInput(f"cannot import the verifier python:{text}: {error}") from error
    return function(found, name=f"python:{module}:{name}")


def _gym(text: str) -> Verifier:
    name, *numbers = text.strip().split(":")
    if len(numbers) not in (1, 2) or not all(number.isdecimal() for number in numbers):
        raise _unreadable(f"reasoning_gym:{text}", "a name, an index, perhaps a seed")
    return reasoning_gym(name, int(numbers[0]), seed=int(numbers[1]) if len(numbers) == 2 else 0)


def _code(text: str) -> Verifier:
    path, colon, function_name = text.strip().rpartition(":")
    if not colon or not function_name.isidentifier():
        path, function_name = text.strip(), ""
    try:
        tests = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"cannot read the tests {path!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"the tests {path!r} are not UTF-8 text: {error}") from error
    return code_tests(tests, entry_point=function_name)


_KINDS: dict[str, Callable[[str], Verifier]] = {
    "exact": exact,
    "numeric": lambda text: numeric(text.strip()),
    "math": math,
    "regex": regex,
    "json-schema": _schema_file,
    "countdown": _countdown,
    "python": _python,
    "reasoning-gym": _gym,
    "code": _code,
}
