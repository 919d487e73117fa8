from __future__ import annotations

from typing import Any

import pytest

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput, VerifierError


def is_short(answer: str) -> bool:
    return len(answer) < 3


def test_a_function_judges() -> None:
    verifier = verifiers.function(is_short)
    assert (verifier.name, verifier.gold) == ("function:is_short", False)
    assert verifier.score("ab") == 1.0
    assert verifier.score("abc") == 0.0
    assert verifiers.function(lambda answer: 0.25, gold=True, name="quarter").score("") == 0.25


def test_its_own_trouble_is_not_a_wrong_answer() -> None:
    def broken(answer: str) -> float:
        raise KeyError(answer)

    with pytest.raises(VerifierError, match="function:broken raised KeyError") as caught:
        verifiers.function(broken).score("x")
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("verdict", [None, "high", 1.5, -0.1, float("nan")])
def test_a_verdict_is_a_number_from_0_to_1(verdict: Any) -> None:
    with pytest.raises(VerifierError, match="must return"):
        verifiers.function(lambda answer: verdict).score("x")


async def asynchronous(answer: str) -> float:
    return 1.0


@pytest.mark.parametrize("fn", [asynchronous, "not callable", None])
def test_what_is_no_function(fn: Any) -> None:
    with pytest.raises(BadInput, match="not async"):
        verifiers.function(fn)
