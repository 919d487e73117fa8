"""What went wrong, in OpenAI's form: `{"error": {"message", "type", "code", "param"}}`, and with which status.

Which errors a server knows, and what it makes of them, is its own affair.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


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


def shutting_down() -> ApiError:
    """What is told to those who come after the server was asked to end."""
    return ApiError(503, "shutting_down", "the server is shutting down: ask another", headers={"Retry-After": "5"})


def error_body(told: ApiError) -> dict[str, Any]:
    """The JSON object that tells of an error."""
    kind = _TYPES.get(told.status, "invalid_request_error" if told.status < 500 else "server_error")
    return {"error": {"message": str(told), "type": kind, "code": told.code, "param": told.param}}


def refusal(told: ApiError) -> JSONResponse:
    """The reply that tells of an error."""
    return JSONResponse(error_body(told), told.status, told.headers)


def gone() -> ApiError:
    """What is counted where the client has hung up; nobody reads it."""
    return ApiError(499, "client_closed_request", "the client hung up")


def of_routing(error: HTTPException) -> ApiError:
    """No such path, or no such method there."""
    names = {404: "unknown_path", 405: "method_not_allowed"}
    headers = dict(error.headers or {})
    return ApiError(error.status_code, names.get(error.status_code, "http_error"), error.detail, headers=headers)


def of_validation(error: ValidationError) -> ApiError:
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


ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code", "param"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "code": {"type": ["string", "null"]},
                "param": {"type": ["string", "null"]},
            },
        }
    },
}
"""The form of every error, as the servers' descriptions tell it."""
