"""Compares answers with math-verify, one JSON line in and one out: what the `math` verifier's helper process runs.

The library's own alarms are off: whoever asked kills this process where it takes too long. Memory is capped. It imports
nothing of this project.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

_MEMORY_BYTES = 4 << 30


def main() -> None:
    """Answer questions until the input ends."""
    replies = sys.stdout
    sys.stdout = sys.stderr  # a library that prints must not speak on this channel
    _cap_memory()
    try:
        library = importlib.import_module("math_verify")
    except ModuleNotFoundError as error:
        _reply(replies, {"missing": error.name})
        return
    _reply(replies, {"ready": True})
    for line in sys.stdin:
        question = json.loads(line)
        _reply(replies, judge(library, question["gold"], question["answer"]))


def judge(library: Any, gold: str, answer: str) -> dict[str, Any]:
    """Whether `answer` equals `gold`: a score, or the error that kept it from being judged."""
    try:
        expected = _read(library, gold)
        given = _read(library, answer)
        if not expected:
            return {"error": "the right answer does not read as mathematics"}
        equal = bool(given) and library.verify(expected, given, timeout_seconds=None, raise_on_error=True)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"score": float(equal)}


def _read(library: Any, text: str) -> Any:
    """What math-verify makes of an answer: as LaTeX where it reads as such, else as an expression."""
    wrapped = text if "$" in text or "\\boxed" in text else f"${text}$"
    return library.parse(wrapped, parsing_timeout=None)


def _reply(stream: Any, message: dict[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def _cap_memory() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # not a POSIX system
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


if __name__ == "__main__":
    main()
