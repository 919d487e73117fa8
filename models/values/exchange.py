"""Exchanges with one endpoint of scores: one request, tried again after transient faults, errors as typed ones.

The policy of retries is that of policies (`Retries`): jittered back-off, `Retry-After` honoured, an endpoint that never
answered given up after two attempts. It knows no dialect, and does not read what comes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from reflectree.models import faults
from reflectree.models.calling import Retries
from reflectree.models.transport import Answer, Transport
from reflectree.models.values.dialect import ItemsRefused, Tally
from reflectree.models.values.reading import parsed
from reflectree.rlm_ops.errors import ModelError, ModelRejected, ModelUnreachable, TransientModelError

T = TypeVar("T")

CHECK_TIMEOUT_S = 3.0
"""Seconds that asking a server for its models may take."""

_ITEM = re.compile(r"\bitems[\[.](\d+)")
_FINAL = frozenset({"scorer_failed", "not_a_number"})
"""Errors of our server that are 500 in name: asked again, the same model would fail the same."""


class Exchange:
    """One endpoint.

    Args:
        base_url: Its root.
        api_key: Bearer key; it is sent and never shown.
        key_env: The environment variable that holds the key, for the error that asks for one.
        headers: Extra HTTP headers.
        timeout: Seconds a request may take.
        retries: How transient faults are tried again.
        tally: Counts the requests.

    Raises:
        BadInput: `base_url` is no http(s) address.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None,
        key_env: str,
        headers: Mapping[str, str],
        timeout: float,
        retries: Retries,
        tally: Tally,
    ) -> None:
        self._secrets = tuple(value for value in (api_key, *headers.values()) if value)
        self._transport = Transport(
            base_url, {**({"Authorization": f"Bearer {api_key}"} if api_key else {}), **headers}
        )
        self.where = self._transport.where
        self._key_hint = (f"set {key_env} or pass api_key=" if key_env else "pass api_key=") + (
            "" if api_key else "; none was sent"
        )
        self._timeout, self._retries, self._tally = timeout, retries, tally
        self._backoff = wait_random_exponential(retries.first_wait, retries.longest_wait)
        self._reached = False

    async def get(self, path: str) -> Any:
        """What is read at a path: one attempt.

        Raises:
            ModelError: There is no answer in time, or it is no 200.
        """
        answer = await self._transport.exchange("GET", path, CHECK_TIMEOUT_S)
        if answer.status != 200:
            raise self._error(answer, 0)
        return parsed(answer.body, self.where)

    async def post(self, path: str, body: Any, read: Callable[[Any], T], items: int) -> T:
        """What is answered to a body, read; tried again after transient faults.

        Args:
            path: Where it is sent.
            body: Any JSON.
            read: Reads the answer; a body that it cannot read (`Malformed`) is a transient fault.
            items: How many items the body holds.

        Raises:
            ItemsRefused: Some of the items are refused, and the server says which.
            ModelError: It failed.
        """
        content = json.dumps(body).encode()
        return await AsyncRetrying(
            retry=retry_if_exception_type(TransientModelError), stop=self._enough, wait=self._wait, reraise=True
        )(self._attempt, path, content, read, items)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._transport.aclose()

    async def _attempt(self, path: str, content: bytes, read: Callable[[Any], T], items: int) -> T:
        self._tally.requests += 1
        self._tally.failed += 1  # until it is known better, whatever happens
        answer = await self._transport.exchange("POST", path, self._timeout, content)
        self._reached = True  # whatever it says, it is there
        if answer.status != 200:
            raise self._error(answer, items)
        found = read(parsed(answer.body, self.where))
        self._tally.failed -= 1
        return found

    def _enough(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        hopeless = isinstance(error, ModelUnreachable) and not self._reached
        return state.attempt_number >= (2 if hopeless else self._retries.attempts)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        wished = error.retry_after if isinstance(error, TransientModelError) else None
        return float(self._backoff(state)) if wished is None else min(wished, self._retries.longest_wait)

    def _error(self, answer: Answer, items: int) -> ModelError:
        """The error an answer stands for."""
        message, code, param = faults.error_text(answer.body)
        said, status = faults.scrub(message, self._secrets), answer.status
        # What a smaller batch may change, or nothing will, is not waited for.
        if code in _FINAL or (code == "out_of_memory" and items > 1):
            return ModelRejected(f"{self.where} answered {status}: {said}", status)
        wait = faults.retry_after(answer.headers)
        error = faults.from_status(status, self.where, said, code=code, wait=wait, key_hint=self._key_hint)
        named = frozenset(int(found) for found in _ITEM.findall(param or _located(answer.body)))
        if isinstance(error, ModelRejected) and named and max(named) < items:
            return ItemsRefused(str(error), status, named)
        return error


def _located(body: bytes) -> str:
    """Where a validation error of FastAPI's form is: `items.3.steps`."""
    try:
        return " ".join(".".join(map(str, found["loc"])) for found in json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
