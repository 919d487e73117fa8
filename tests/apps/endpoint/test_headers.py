"""Caps and names in headers: what they may be, and that the smaller cap holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.apps.endpoint.headers import asked_budget, asked_idempotency_key, asked_run_id, least, of_run
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.budget import Budget

caps = st.none() | st.integers(1, 50)
budgets = st.builds(Budget, caps, caps, caps, caps)


def test_only_what_says_something_of_a_run_is_kept() -> None:
    sent = {"x-reflectree-run": "r", "x-reflectree-max-usd": "0.25", "authorization": "Bearer x", "idempotency-key": ""}
    assert of_run(sent) == {"x-reflectree-run": "r", "x-reflectree-max-usd": "0.25"}


def test_caps_are_numbers() -> None:
    told = {"x-reflectree-max-calls": "12", "x-reflectree-max-seconds": "0.5", "x-reflectree-max-tokens": "1e3"}
    assert asked_budget(told) == Budget(calls=12, seconds=0.5, tokens=1000)
    assert asked_budget({}) == Budget()


@pytest.mark.parametrize("sent", ["1_0", "\u0663", "inf", "nan", "1e309", "-1", "0", "1.5", "0x10", "9" * 400, "\xb2"])
def test_what_python_alone_calls_a_number_is_none(sent: str) -> None:
    with pytest.raises(ApiError):
        asked_budget({"x-reflectree-max-calls": sent})


@given(st.sampled_from(["calls", "tokens", "usd", "seconds"]), st.text(max_size=8))
def test_any_text_is_a_cap_or_refused_by_its_header(cap: str, given_text: str) -> None:
    header = f"x-reflectree-max-{cap}"
    try:
        value = getattr(asked_budget({header: given_text}), cap)
    except ApiError as error:
        assert (error.status, error.param) == (422, header)  # noqa: PT017 - either is right
    else:
        assert 0 < value < 2**53


@given(budgets, budgets)
def test_the_smaller_cap_of_each_kind_holds(asked: Budget, server: Budget) -> None:
    both = least(asked, server)
    for name in ("calls", "tokens", "usd", "seconds"):
        known = [cap for cap in (getattr(asked, name), getattr(server, name)) if cap is not None]
        assert getattr(both, name) == (min(known) if known else None)


@pytest.mark.parametrize("name", ["a", "Tuesday-3", "0.1_x", "a" * 64])
def test_names_of_runs(name: str) -> None:
    assert asked_run_id({"x-reflectree-run": name}) == name


@pytest.mark.parametrize("name", ["", ".", "-a", "a/b", "a b", "a\n", "ä", "a" * 65, "../a"])
def test_what_cannot_name_a_run(name: str) -> None:
    with pytest.raises(ApiError) as told:
        asked_run_id({"x-reflectree-run": name})
    assert (told.value.status, told.value.param) == (422, "x-reflectree-run")


def test_words_for_the_same_request() -> None:
    assert asked_idempotency_key({}) is None
    assert asked_idempotency_key({"idempotency-key": "a b"}) == "a b"
    with pytest.raises(ApiError):
        asked_idempotency_key({"idempotency-key": "a" * 256})
