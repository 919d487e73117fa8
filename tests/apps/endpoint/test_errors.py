"""Whatever a run ends with has a status, a code, and a word on whether asking again can help."""

from __future__ import annotations

import logging
import sqlite3

import pytest
from starlette.exceptions import HTTPException

from reflectree.apps.endpoint.errors import api_error
from reflectree.apps.endpoint.running import RunStopped
from reflectree.graphs.adapters.wants import Unreadable
from reflectree.graphs.postgres import NoDatabase
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


def test_where_the_models_are_is_not_told() -> None:
    told = api_error(ModelRejected("http://me:pw@10.0.0.7:8000/v1 refused the key (401): see HTTPS://10.0.0.7/x", 401))
    assert str(told) == "the model's server refused the key (401): see the model's server"


@pytest.mark.parametrize(
    "error",
    [sqlite3.OperationalError("database or disk is full"), NoDatabase("cannot connect to postgresql://db/runs")],
)
def test_a_full_disk_and_a_database_that_is_away_are_the_servers_to_tell(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    told = api_error(error)
    assert (told.status, told.code) == (503, "checkpoint_failed")
    assert str(error) not in str(told)
    assert str(error) in caplog.text
    assert "Traceback" not in caplog.text


def test_a_defect_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        told = api_error(RuntimeError("a secret"))
    assert (told.status, told.code) == (500, "internal_error")
    assert "secret" not in str(told)
    assert "a secret" in caplog.text
