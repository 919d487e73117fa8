"""Run a candidate program in the sandbox and take its decisions as data.

The program shares its process with the code that asks it, so nothing that it says of itself is believed: it returns
decisions (where an item goes, in which order elements are tried), and what they are worth is worked out here. A program
that forks, fills memory, opens a socket, loops or dies is a failed evaluation with the reason in words.
"""

from __future__ import annotations

import json
from typing import Any

from reflectree.agents.evaluators.base import ScoreError
from reflectree.rlm_ops.sandbox import Limits, Outcome, run_python
from reflectree.rlm_ops.verifiers import extract_code

LIMITS = Limits(seconds=10.0, cpu_seconds=4, memory_mb=256, output_bytes=1_000_000)
"""What one evaluation of a program may use, all test instances together."""

_SCRIPT = """\
from __future__ import annotations
import json as _json, random as _random, sys as _sys
_random.seed(0)
_out = _sys.stdout
_sys.stdout = _sys.stderr  # what the program prints is no decision
_given = _json.loads({given!r})
{harness}
_scope = {{"__name__": "program"}}
exec(compile({program!r}, "<program>", "exec", dont_inherit=True), _scope)
if not callable(_scope.get({entry!r})):
    raise NameError("the program defines no function " + {entry!r})
_found = decide(_scope[{entry!r}], _given)
_out.write(_json.dumps(_found, allow_nan=False))
_out.flush()
"""
_MOST_SAID = 300


def decisions(candidate: str, entry: str, harness: str, given: Any, limits: Limits = LIMITS) -> Any:
    """What the harness's `decide(function, given)` returns for the program's function, as JSON data.

    Args:
        candidate: The program, bare or in a code fence.
        entry: The function it has to define.
        harness: Our source that defines `decide`; it runs in the sandbox, too.
        given: JSON data.
        limits: Caps of the run.

    Raises:
        ScoreError: The program is not Python, failed, or reached a limit.
        BadInput: This system cannot isolate it.
    """
    program = extract_code(candidate, entry) or candidate
    script = _SCRIPT.format(given=json.dumps(given), harness=harness, program=program, entry=entry)
    outcome = run_python(script, limits=limits)
    if not outcome.ok:
        raise ScoreError(_what_went_wrong(outcome, limits))
    try:
        return json.loads(outcome.stdout)
    except ValueError as error:
        raise ScoreError("the program ended without deciding anything") from error


def _what_went_wrong(outcome: Outcome, limits: Limits) -> str:
    lines = [line.strip() for line in outcome.stderr.splitlines() if line.strip()]
    said = lines[-1][:_MOST_SAID] if lines else "it ended without a word"
    match outcome.reason:
        case "time":
            return f"the program ran longer than {limits.seconds:g} s"
        case "cpu":
            return f"the program used more than {limits.cpu_seconds} s of processor time"
        case "memory":
            return f"the program used more than {limits.memory_mb} MiB of memory"
        case "output":
            return "the program wrote too much"
        case "killed":
            return "the program was killed: it did what the sandbox does not allow"
        case _:
            return f"the program failed: {said}"
