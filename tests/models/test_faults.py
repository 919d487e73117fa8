"""Statuses, headers, error bodies and foreign exceptions as typed errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.models import faults
from reflectree.rlm_ops.errors import (
    ModelError,
    ModelRejected,
    ModelTimeout,
    ModelUnreachable,
    TransientModelError,
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert faults.retry_after(headers, now=60.0) == seconds


@given(st.text())
def test_retry_after_never_raises(text: str) -> None:
    wait = faults.retry_after({"retry-after": text})
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ModelRejected),
        (401, ModelRejected),
        (403, ModelRejected),
        (404, ModelRejected),
        (302, ModelRejected),
        (408, TransientModelError),
        (409, TransientModelError),
        (429, TransientModelError),
        (500, TransientModelError),
        (503, TransientModelError),
        (529, TransientModelError),
    ],
)
def test_status_decides_whether_to_try_again(status: int, kind: type[ModelError]) -> None:
    assert type(faults.from_status(status, "here", "why")) is kind


def test_an_empty_account_is_not_tried_again() -> None:
    error = faults.from_status(429, "here", "You exceeded your current quota", code="insufficient_quota", wait=1.0)
    assert isinstance(error, ModelRejected)
    assert "out of credit" in str(error)


@pytest.mark.parametrize(
    ("status", "message", "param", "refused"),
    [
        (400, "Unsupported parameter: 'temperature' is not supported with this model.", "temperature", "temperature"),
        (400, "Unsupported value: 'temperature' does not support 0.8 with this model.", "temperature", "temperature"),
        (400, "Unsupported parameter: 'stop' is not supported with this model.", "stop", "stop"),
        (
            400,
            "Unsupported parameter: 'max_tokens' is not supported here. Use 'max_completion_tokens' instead.",
            "max_tokens",
            "max_tokens",
        ),
        (400, "You are not allowed to request logprobs from this model: unsupported", "", "logprobs"),
        (422, '[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted"}]', "", "seed"),
        (400, "'response_format' of type 'json_schema' is not supported", "", "json_schema"),
        (400, "System role not supported", "", "system"),
        (500, "System role not supported", "", "system"),
        (400, "Only one completion choice is allowed; multiple choices are not supported", "", "n"),
        (400, "This model does not support assistant message prefill. It must end with a user message.", "", "prefill"),
        (400, "Assistant response prefill is incompatible with enable_thinking.", "", "prefill"),
        (400, "temperature must be between 0 and 2", "temperature", None),
        (400, "This model's maximum context length is 4096 tokens", "messages", None),
        (500, "unsupported operand: temperature", "", None),
        (401, "Unsupported parameter: 'temperature'", "temperature", None),
        (429, "Unsupported parameter: 'temperature'", "temperature", None),
    ],
)
def test_refused_parameters_are_told_from_other_complaints(
    status: int, message: str, param: str, refused: str | None
) -> None:
    assert faults.refused_parameter(status, message, param=param) == refused


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"error":{"message":"m","code":"c","param":"p"}}', ("m", "c", "p")),
        (b'{"error":{"message":"m","code":null}}', ("m", "", "")),
        (b'{"object":"error","message":"m","code":400}', ("m", "400", "")),
        (b'{"error":"m"}', ("m", "", "")),
        (b'{"detail":[{"msg":"x"}]}', ('[{"msg": "x"}]', "", "")),
        (b"<html>Bad Gateway</html>", ("<html>Bad Gateway</html>", "", "")),
        (b'["odd"]', ('["odd"]', "", "")),
        (b"", ("", "", "")),
    ],
)
def test_error_bodies_of_all_dialects(body: bytes, fields: tuple[str, str, str]) -> None:
    assert faults.error_text(body) == fields


@given(st.binary())
def test_any_error_body_is_readable(body: bytes) -> None:
    message, code, param = faults.error_text(body)
    assert isinstance(message + code + param, str)
    assert "\n" not in faults.scrub(message)


def test_scrubbing() -> None:
    text = faults.scrub("key sk-proj-abcdef123456\nand Bearer eyJhbGciOi and hunter2", secrets=["hunter2"])
    assert text == "key *** and Bearer *** and ***"
    assert len(faults.scrub("word " * 200)) == 300


class RateLimitError(Exception):
    status_code = 429


class APITimeoutError(Exception):
    pass


class APIConnectionError(Exception):
    pass


class AuthenticationError(Exception):
    pass


class Hinted(Exception):
    """As `requests` has it: the status and the headers are the response's."""

    class response:
        status_code = 503
        headers = {"retry-after": "3"}  # noqa: RUF012


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RateLimitError("slow down"), TransientModelError),
        (APITimeoutError("late"), ModelTimeout),
        (TimeoutError(), ModelTimeout),
        (APIConnectionError("gone"), ModelUnreachable),
        (ConnectionRefusedError("gone"), ModelUnreachable),
        (AuthenticationError("who?"), ModelRejected),
        (NotImplementedError("no"), ModelRejected),
        (KeyError("choices"), TransientModelError),
        (ValueError("Unterminated string"), TransientModelError),
        (Hinted("busy"), TransientModelError),
    ],
)
def test_foreign_exceptions_by_status_and_name(error: Exception, kind: type[ModelError]) -> None:
    assert type(faults.from_exception(error, "model")) is kind


def test_a_foreign_exception_keeps_its_wish_to_wait_and_our_own_pass_through() -> None:
    error = faults.from_exception(Hinted("busy"), "model")
    assert isinstance(error, TransientModelError)
    assert error.retry_after == 3.0
    assert faults.from_exception(error, "other") is error
