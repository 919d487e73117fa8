from __future__ import annotations

import re

import pytest

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput


def test_a_pattern_is_searched_for() -> None:
    verifier = verifiers.regex(r"^\d+$")
    assert not verifier.gold
    assert [verifier.score(answer) for answer in ("42", " 42\n", "42 apples", "")] == [1.0, 1.0, 0.0, 0.0]
    assert verifiers.regex("apple").score("42 apples") == 1.0
    assert verifiers.regex("APPLE", re.IGNORECASE, gold=True).gold


def test_a_bad_pattern() -> None:
    with pytest.raises(BadInput, match="not a regular expression"):
        verifiers.regex("(")
