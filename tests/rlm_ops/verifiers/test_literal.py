from __future__ import annotations

import pytest

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Verifier


def test_exact_compares_normal_forms() -> None:
    verifier = verifiers.exact(" Paris.")
    assert isinstance(verifier, Verifier)
    assert verifier.gold
    assert verifier.score("**paris**") == 1.0
    assert verifier.score("Lyon") == 0.0
    assert verifiers.exact("1,000").score("x = 1000.0") == 1.0


def test_the_right_answer_is_not_shown() -> None:
    for verifier in (verifiers.exact("secret"), verifiers.math("secret"), verifiers.numeric(271828)):
        assert "secret" not in repr(verifier)
        assert "271828" not in repr(verifier)


def test_an_empty_right_answer() -> None:
    with pytest.raises(BadInput, match="exact:42"):
        verifiers.exact("  ")
