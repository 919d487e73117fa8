"""Whatever a run ends with has a status, a code, and a word on whether asking again can help."""

from __future__ import annotations

import logging

import pytest
from starlette.exceptions import HTTPException

from reflectree.apps.endpoint.errors import api_error
from reflectree.apps.endpoint.running import RunStopped
from reflectree.graphs.adapters.wants import Unreadable
from reflectree.models.http.errors import ApiError, ClientGone
from reflectree.rlm_ops.errors import (
    BadInput,
    BudgetRefused,
    ModelRejected,
    ModelTimeout,
    ModelUnreachable,
    NeedsPerson,
    ReflectreeError,
    RunLocked,
    TraceError,
    TransientModelError,
)


@pytest.mark.parametrize(
    ("error", "status", "code", "again"),
    [
        (ApiError(429, "slow_down", "wait"), 429, "slow_down", ""),
        (HTTPException(404), 404, "unknown_path", ""),
        (ClientGone(), 499, "client_closed_request", ""),
        (RunStopped(), 503, "run_cancelled", "1"),
        (RunLocked("taken"), 409, "run_under_way", "1"),
        (TraceError("another task"), 409, "run_conflict", "never"),
        (BadInput("no"), 422, "invalid_request", ""),
        (NeedsPerson("r", {"kind": "approval"}), 422, "needs_person", ""),
        (BudgetRefused("calls"), 422, "budget_too_small", ""),
        (ModelTimeout("slow"), 504, "model_timeout", "never"),
        (ModelUnreachable("nobody"), 503, "model_unavailable", "2"),
        (TransientModelError("busy", 7.4), 503, "model_unavailable", "7"),
        (ModelRejected("key", 401), 502, "model_failed", "never"),
        (Unreadable("no JSON"), 502, "model_failed", "never"),
        (ReflectreeError("odd"), 422, "invalid_request", ""),
    ],
)
def test_every_error_has_its_form(error: Exception, status: int, code: str, again: str) -> None:
    told = api_error(error)
    assert (told.status, told.code) == (status, code)
    assert str(told)
    if again == "never":
        assert told.headers["x-should-retry"] == "false"
    else:
        assert told.headers.get("Retry-After", "") == again


def test_a_defect_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        told = api_error(RuntimeError("a secret"))
    assert (told.status, told.code) == (500, "internal_error")
    assert "secret" not in str(told)
    assert "a secret" in caplog.text
