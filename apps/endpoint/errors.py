"""What a run can end with in place of a reply, as an HTTP error in OpenAI's form.

Clients of OpenAI's API ask again by themselves after 408, 409, 429 and 5xx; where that cannot help, and would be paid
again, `x-should-retry: false` tells them not to.
"""

from __future__ import annotations

import logging

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from reflectree.apps.endpoint.hiding import hidden
from reflectree.apps.endpoint.running import RunStopped
from reflectree.graphs.postgres import NoDatabase
from reflectree.models.http.errors import ApiError, ClientGone, gone, of_routing, of_validation
from reflectree.rlm_ops.errors import (
    BadInput,
    BudgetRefused,
    ModelError,
    ModelTimeout,
    NeedsPerson,
    ReflectreeError,
    RunLocked,
    TraceError,
    TransientModelError,
)

logger = logging.getLogger(__name__)

_FINAL = {"x-should-retry": "false"}
_STORES = ("sqlite3", "psycopg", "psycopg_pool")
"""What a checkpoint's errors come from."""


def api_error(error: BaseException) -> ApiError:
    """Any error as a refusal; one that nobody expected is logged and told as a defect, without its text."""
    match error:
        case ApiError():
            return error
        case ValidationError():
            return of_validation(error)
        case HTTPException():
            return of_routing(error)
        case ClientGone():
            return gone()
        case RunStopped():
            return ApiError(503, "run_cancelled", "the run was stopped: ask again", headers={"Retry-After": "1"})
        case NoDatabase():
            return _of_storage(error)
        case ReflectreeError():
            return _of_run(error)
    if type(error).__module__.partition(".")[0] in _STORES:
        return _of_storage(error)
    logger.error("a request failed", exc_info=error)
    said = "the server met an unexpected error: its log says which"
    return ApiError(500, "internal_error", said, headers=_FINAL)


def _of_storage(error: BaseException) -> ApiError:
    """The file or the database of the checkpoint is full, locked or away: the log alone says what it is."""
    logger.error("runs cannot be saved: %s: %s", type(error).__name__, str(error).strip().partition("\n")[0])
    return ApiError(503, "checkpoint_failed", "the server cannot save runs now: its log says why", headers=_FINAL)


def _of_run(error: ReflectreeError) -> ApiError:
    """What a run raises on purpose; where the models are is not the clients' to know."""
    said = hidden(str(error))
    match error:
        case RunLocked():
            return ApiError(409, "run_under_way", said, headers={"Retry-After": "1"})
        case TraceError():
            return ApiError(409, "run_conflict", said, headers=_FINAL)
        case BadInput():
            return ApiError(422, "invalid_request", said)
        case NeedsPerson():
            return ApiError(422, "needs_person", f"run {error.run_id} asks a person, which no client can answer here")
        case BudgetRefused():
            return ApiError(422, "budget_too_small", f"{said}: allow more")
        case ModelTimeout():
            return ApiError(504, "model_timeout", f"the policy did not answer in time: {said}", headers=_FINAL)
        case TransientModelError():
            wait = "2" if error.retry_after is None else str(max(1, round(error.retry_after)))
            return ApiError(503, "model_unavailable", said, headers={"Retry-After": wait})
        case ModelError():
            return ApiError(502, "model_failed", said, headers=_FINAL)
    return ApiError(422, "invalid_request", said)
