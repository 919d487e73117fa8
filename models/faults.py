"""How what goes wrong at a provider becomes one of our typed errors, with one line that names the fix.

It reads statuses, headers, error bodies and foreign exceptions by shape and name; it imports no client library, and no
secret leaves it: every text that came from outside is scrubbed first.
"""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from reflectree.rlm_ops.errors import (
    ModelError,
    ModelRejected,
    ModelTimeout,
    ModelUnreachable,
    TransientModelError,
)

Parameter = Literal[
    "temperature", "stop", "n", "logprobs", "seed", "json_schema", "max_tokens", "system", "prefill", "beams"
]
"""What a provider may refuse by name, and a client can do without."""

TRANSIENT_STATUSES = frozenset({408, 409, 425, 429, 529})
_UNPAID = re.compile(r"insufficient_quota|billing|credit balance|exceeded your current quota", re.IGNORECASE)
_SECRET = re.compile(r"(?i)(bearer\s+)\S+|\b(?:sk|pk|gsk|xai|hf|key|tok(?:en)?)[-_][\w\-*.]{6,}")
_REFUSED = re.compile(
    r"unsupported|not supported|n.t support|not support|unrecognized|unknown|unexpected|extra (?:inputs|fields)"
    r"|not permitted|not allowed|not implemented|not available|incompatible|extra_forbidden|must be 1\b"
    r"|only .*supported",
    re.IGNORECASE,
)
_NAMES: dict[Parameter, re.Pattern[str]] = {
    "max_tokens": re.compile(r"\bmax_(?:completion_)?tokens\b", re.IGNORECASE),
    "prefill": re.compile(
        r"continue_final_message|add_generation_prompt|prefill|last message|end with a user message", re.IGNORECASE
    ),
    "json_schema": re.compile(r"\bresponse_format\b|json_schema|structured output|\bgrammar\b", re.IGNORECASE),
    "logprobs": re.compile(r"logprobs", re.IGNORECASE),
    "beams": re.compile(r"use_beam_search|\bbeam", re.IGNORECASE),
    "temperature": re.compile(r"\btemperature\b|\btop_p\b", re.IGNORECASE),
    "stop": re.compile(
        r"['\"`]stop['\"`]|\bstop (?:words|strings|sequences|parameter)|parameter:? stop\b", re.IGNORECASE
    ),
    "seed": re.compile(r"\bseed\b", re.IGNORECASE),
    "system": re.compile(r"system (?:role|message|prompt|instruction)|['\"`]system['\"`]|role:? system", re.IGNORECASE),
    "n": re.compile(
        r"['\"`]n['\"`]|\bn ?(?:>|!=|must|=)|parameter:? n\b|multiple (?:completions|choices)", re.IGNORECASE
    ),
}
_PARAM_FIELDS: dict[str, Parameter] = {
    "temperature": "temperature",
    "top_p": "temperature",
    "stop": "stop",
    "n": "n",
    "logprobs": "logprobs",
    "top_logprobs": "logprobs",
    "seed": "seed",
    "response_format": "json_schema",
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "use_beam_search": "beams",
}


def scrub(text: str, secrets: Iterable[str] = (), limit: int = 300) -> str:
    """`text` on one line, cut to `limit` characters, without `secrets` or anything that looks like a key."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = " ".join(_SECRET.sub(lambda found: (found[1] or "") + "***", text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds the provider asks us to wait: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    wanted = headers.get("retry-after", "")
    seconds = _number(wanted)
    if seconds is not None:
        return seconds
    try:
        moment = email.utils.parsedate_to_datetime(wanted).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))


def error_text(body: bytes) -> tuple[str, str, str]:
    """Message, code and parameter of an error body, in the dialects of OpenAI, vLLM, FastAPI and Ollama."""
    try:
        data = json.loads(body)
    except ValueError:
        return body[:500].decode("utf-8", "replace"), "", ""
    return error_fields(data)


def error_fields(data: Any) -> tuple[str, str, str]:
    """The same for a body that is already parsed."""
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return (error if isinstance(error, str) else json.dumps(error)), "", ""
    message = next((error[key] for key in ("message", "detail", "msg") if error.get(key)), error)
    message = message if isinstance(message, str) else json.dumps(message)
    return message, str(error.get("code") or ""), str(error.get("param") or "")


def refused_parameter(status: int | None, message: str, code: str = "", param: str = "") -> Parameter | None:
    """The parameter that a 400 or 422 says this model does not take; None where it complains of something else."""
    if status not in (400, 422, 500, 501) or not (_REFUSED.search(message) or _REFUSED.search(code)):
        return None
    named: list[Parameter] = [name for name, pattern in _NAMES.items() if pattern.search(message)]
    if status == 500:  # chat templates that cannot do something fail as a 500; anything else there is a real fault
        named = [name for name in named if name in ("prefill", "system")]
    return _PARAM_FIELDS.get(param) or next(iter(named), None)


def from_status(
    status: int, where: str, message: str, *, code: str = "", wait: float | None = None, key_hint: str = ""
) -> ModelError:
    """The error for an HTTP status.

    Args:
        status: The HTTP status.
        where: The endpoint or model, as shown to the user.
        message: What the provider said, scrubbed.
        code: The provider's own error code.
        wait: Seconds the provider asks us to wait.
        key_hint: How to set the key.
    """
    said = f": {message}" if message else ""
    if status == 429 and _UNPAID.search(f"{code} {message}"):
        return ModelRejected(f"{where} says that the account is out of credit{said}", status)
    if status in TRANSIENT_STATUSES or status >= 500:
        return TransientModelError(f"{where} answered {status}{said}", wait)
    if status in (401, 403):
        return ModelRejected(f"{where} refused the key ({status}); {key_hint or 'check the key'}{said}", status)
    if 300 <= status < 400:
        return ModelRejected(f"{where} redirects elsewhere ({status}): give the final address as base_url", status)
    return ModelRejected(f"{where} refused the request ({status}){said}", status)


def from_exception(error: BaseException, where: str, *, key_hint: str = "", secrets: Iterable[str] = ()) -> ModelError:
    """The error for an exception of a foreign client library, judged by its status and its class names."""
    if isinstance(error, ModelError):
        return error
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    message = scrub(str(error), secrets) or type(error).__name__
    status = status_of(error)
    if "Timeout" in names and status in (None, 408):
        return ModelTimeout(f"{where} gave no answer in time: {message}")
    if status is not None and status >= 300 and not ("Connection" in names and status >= 500):
        return from_status(
            status, where, message, code=str(getattr(error, "code", "")), wait=_wait_of(error), key_hint=key_hint
        )
    if isinstance(error, OSError) or re.search(r"Connect(?:ion)?|Network|Transport|Unreachable", names):
        return ModelUnreachable(f"{where} cannot be reached: {message}")
    if re.search(r"Authentication|PermissionDenied|BadRequest|NotFoundError|NotImplemented|ImportError", names):
        return ModelRejected(f"{where} refused the request: {message}")
    return TransientModelError(f"{where} failed ({type(error).__name__}): {message}")


def status_of(error: BaseException) -> int | None:
    """The HTTP status an exception carries, wherever its library keeps it."""
    response = getattr(error, "response", None)
    for holder, key in ((error, "status_code"), (response, "status_code"), (error, "status"), (error, "code")):
        value = getattr(holder, key, None)
        if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600:
            return value
    return None


def _wait_of(error: BaseException) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None)
    return retry_after(headers) if isinstance(headers, Mapping) else None


def _number(text: str | None) -> float | None:
    """A finite number of at least 0, or None."""
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
