"""Who may ask, and how much: the key, the size of a body and the number of its items.

Nothing is ever cut to fit: what is too large is refused with 413.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from starlette.requests import Request

from reflectree.models.http.errors import ApiError


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for.

    Attributes:
        body_bytes: Most bytes of a body.
        items: Most items of a request.
    """

    body_bytes: int = 16 * 2**20
    items: int = 1024


def check_key(request: Request, api_key: str | None) -> None:
    """Compare the bearer key, in a time that tells nothing of it.

    Raises:
        ApiError: There is none, or it is wrong (401).
    """
    if api_key is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # Headers are told as latin-1, whatever their bytes mean.
    sent = given.strip(" ").encode("latin-1")
    if scheme.lower() != "bearer" or not hmac.compare_digest(sent, api_key.encode()):
        said = "this server asks for a key: send the header 'Authorization: Bearer KEY' with the right one"
        raise ApiError(401, "invalid_api_key", said, headers={"WWW-Authenticate": "Bearer"})


def check_items(count: int, limits: Limits, max_queue: int | None) -> None:
    """Refuse more items than one request may have.

    Raises:
        ApiError: There are too many (413).
    """
    most = limits.items if max_queue is None else min(limits.items, max_queue)
    if count > most:
        said = f"{count} items are more than the {most} that one request may have: send them in several"
        raise ApiError(413, "too_many_items", said)
