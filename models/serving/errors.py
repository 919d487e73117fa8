"""What went wrong, in OpenAI's form: `{"error": {"message", "type", "code", "param"}}`, and with which status.

400 not JSON, 401 no or a wrong key, 404 no such path or model, 405, 413 too large, 422 cannot be scored as it is, 429
too much waits already, 499 the client hung up, 500 a defect, 503 out of memory or shutting down.
"""

from __future__ import annotations

import logging
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from reflectree.models.batching import Closed, Overloaded
from reflectree.models.scoring.items import ItemRefused
from reflectree.models.serving.engine import ItemFailed, OutOfMemory, ScorerFailed
from reflectree.rlm_ops.errors import BadInput

logger = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """A refusal with its status.

    Attributes:
        status: The HTTP status.
        code: For programs: `model_not_found`, `body_too_large`, ...
        param: The field it is about, as in `items[3].steps`.
        headers: Headers of the reply.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = headers or {}


class ClientGone(Exception):
    """Whoever asked has hung up: nobody reads the reply."""


def api_error(error: BaseException) -> ApiError:
    """Any error as a refusal; one that nobody expected is logged and told as a defect, without its text."""
    match error:
        case ApiError():
            return error
        case ValidationError():
            return _invalid(error)
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
            return ApiError(499, "client_closed_request", "the client hung up")
        case HTTPException():
            names = {404: "unknown_path", 405: "method_not_allowed"}
            return ApiError(error.status_code, names.get(error.status_code, "http_error"), error.detail)
    logger.error("a request failed", exc_info=error)
    said = str(error) if isinstance(error, ScorerFailed) else "the server met an unexpected error: its log says which"
    return ApiError(500, "scorer_failed" if isinstance(error, ScorerFailed) else "internal_error", said)


def shutting_down() -> ApiError:
    """What is told to those who come after the server was asked to end."""
    return ApiError(503, "shutting_down", "the server is shutting down: ask another", headers={"Retry-After": "5"})


def error_response(error: BaseException) -> JSONResponse:
    """The reply that tells of an error."""
    told = api_error(error)
    kind = _TYPES.get(told.status, "invalid_request_error" if told.status < 500 else "server_error")
    body = {"message": str(told), "type": kind, "code": told.code, "param": told.param}
    return JSONResponse({"error": body}, told.status, told.headers)


def _invalid(error: ValidationError) -> ApiError:
    """The first thing that is wrong with a body, in one line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return ApiError(400, "invalid_json", f"the body is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}")
    param = _place(first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    said = "this field is not known here" if first["type"] == "extra_forbidden" else first["msg"]
    code = "unknown_field" if first["type"] == "extra_forbidden" else "invalid_field"
    return ApiError(422, code, f"{param or 'the body'}: {said}{more}", param=param or None)


def _place(loc: tuple[Any, ...]) -> str:
    """`("items", 3, "steps")` as `items[3].steps`."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return words.removeprefix(".")
