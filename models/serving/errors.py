"""What went wrong, in OpenAI's form: `{"error": {"message", "type", "code", "param"}}`, and with which status.

400 not JSON, 401 no or a wrong key, 404 no such path or model, 405, 413 too large, 422 cannot be scored as it is, 429
too much waits already, 499 the client hung up, 500 a defect, 503 out of memory or shutting down.
"""

from __future__ import annotations

import logging

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from reflectree.models.batching import Closed, Overloaded
from reflectree.models.http.errors import ApiError, ClientGone, gone, of_routing, of_validation, refusal, shutting_down
from reflectree.models.scoring.items import ItemRefused
from reflectree.models.serving.engine import ItemFailed, OutOfMemory, ScorerFailed
from reflectree.rlm_ops.errors import BadInput

logger = logging.getLogger(__name__)


def api_error(error: BaseException) -> ApiError:
    """Any error as a refusal; one that nobody expected is logged and told as a defect, without its text."""
    match error:
        case ApiError():
            return error
        case ValidationError():
            return of_validation(error)
        case ItemFailed():
            return ApiError(422, error.code, str(error), param=f"items[{error.index}]")
        case ItemRefused():
            return ApiError(422, error.code, str(error))
        case Overloaded():
            return ApiError(429, "overloaded", str(error), headers={"Retry-After": "1"})
        case Closed():
            return shutting_down()
        case OutOfMemory():
            return ApiError(503, "out_of_memory", str(error), headers={"Retry-After": "1"})
        case BadInput():
            return ApiError(422, "invalid_request", str(error))
        case ClientGone():
            return gone()
        case HTTPException():
            return of_routing(error)
    logger.error("a request failed", exc_info=error)
    said = str(error) if isinstance(error, ScorerFailed) else "the server met an unexpected error: its log says which"
    return ApiError(500, "scorer_failed" if isinstance(error, ScorerFailed) else "internal_error", said)


def error_response(error: BaseException) -> JSONResponse:
    """The reply that tells of an error."""
    return refusal(api_error(error))


__all__ = ["ApiError", "ClientGone", "api_error", "error_response", "shutting_down"]
