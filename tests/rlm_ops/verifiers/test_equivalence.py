from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.verifiers.helper_process import MATH


@pytest.fixture(scope="module", autouse=True)
def _end_the_helper() -> Iterator[None]:
    yield
    MATH.close()


def test_text_and_numbers_need_no_library() -> None:
    MATH.close()
    verifier = verifiers.math(r"\frac{1}{2}")
    assert verifier.gold
    assert [verifier.score(answer) for answer in ("1/2", "0.5", r"\dfrac12", "0.51", "")] == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert MATH._process is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "answer", "score"),
    [
        (r"x^2 + 2x + 1", "(x+1)^2", 1.0),
        (r"x^2 + 2x + 1", "(x+2)^2", 0.0),
        (r"\sqrt{2}", "2^{1/2}", 1.0),
        (r"\{1, 2\}", r"\{2, 1\}", 1.0),
        (r"\frac{\pi}{4}", "pi/4", 1.0),
        ("x+1", "no idea", 0.0),
    ],
)
def test_equivalence(right: str, answer: str, score: float) -> None:
    assert verifiers.math(right).score(answer) == score


@pytest.mark.slow
def test_outside_the_main_thread() -> None:
    scores: list[float] = []
    thread = threading.Thread(target=lambda: scores.append(verifiers.math("2x+2").score("2(x+1)")))
    thread.start()
    thread.join()
    assert scores == [1.0]


@pytest.mark.slow
def test_a_comparison_without_end_is_stopped_and_the_next_one_works() -> None:
    verifiers.math("x+1").score("x+2")  # the process has started
    start = time.monotonic()
    with pytest.raises(VerifierError, match="longer than 1 s"):
        verifiers.math("x+1", timeout=1.0).score("9^{9^{9^9}}")
    assert time.monotonic() - start < 5.0
    assert verifiers.math("x+1").score("1+x") == 1.0


@pytest.mark.slow
def test_a_process_that_was_killed_is_started_again() -> None:
    assert verifiers.math("x+1").score("1+x") == 1.0
    assert MATH._process is not None
    MATH._process.kill()
    MATH._process.wait()
    assert verifiers.math("x+1").score("1+x") == 1.0


def test_bad_arguments() -> None:
    with pytest.raises(BadInput, match="math:"):
        verifiers.math(" ")
    with pytest.raises(BadInput, match="time-out"):
        verifiers.math("1", timeout=0)
