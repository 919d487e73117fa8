from __future__ import annotations

from pathlib import Path

import pytest

from reflectree.rlm_ops.errors import MissingExtra, VerifierError
from reflectree.rlm_ops.verifiers.helper_process import HelperProcess

ECHO = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    if "die" in question:
        sys.exit(1)
    if "hang" in question:
        sys.stdin.read()
    print(json.dumps(question), flush=True)
"""


def script(folder: Path, text: str) -> HelperProcess:
    path = folder / "script.py"
    path.write_text(text)
    return HelperProcess(path, "the check")


def test_questions_are_answered_by_one_process(tmp_path: Path) -> None:
    helper = script(tmp_path, ECHO)
    assert helper.ask({"score": 0.5}, 30) == 0.5
    first = helper._process
    assert helper.ask({"score": 1}, 30) == 1.0
    assert helper._process is first
    with pytest.raises(VerifierError, match="the check failed: nonsense"):
        helper.ask({"error": "nonsense"}, 30)
    helper.close()


def test_a_process_that_dies_or_hangs_is_an_error_and_is_replaced(tmp_path: Path) -> None:
    helper = script(tmp_path, ECHO)
    with pytest.raises(VerifierError, match="process ended"):
        helper.ask({"die": 1}, 30)
    with pytest.raises(VerifierError, match=r"longer than 0\.2 s"):
        helper.ask({"hang": 1}, 0.2)
    assert helper.ask({"score": 1}, 30) == 1.0
    helper.close()


def test_a_process_that_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(VerifierError, match="did not start"):
        script(tmp_path, "raise SystemExit(1)").ask({}, 30)
    with pytest.raises(MissingExtra, match=r"needs math_verify.*reflectree\[verify\]"):
        script(tmp_path, 'print(\'{"missing": "math_verify"}\')').ask({}, 30)
