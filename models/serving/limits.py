"""Who may ask, and how much: the key, the address, the size of a body and the number of its items.

Nothing is ever cut to fit: what is too large is refused with 413.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from reflectree.models.serving.errors import ApiError, ClientGone
from reflectree.rlm_ops.errors import BadInput

_PATIENCE = 4
"""A body that is too large is read to its end, and dropped, up to so many times the limit: many clients listen for an
answer only when they have sent everything."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for.

    Attributes:
        body_bytes: Most bytes of a body.
        items: Most items of a request.
    """

    body_bytes: int = 16 * 2**20
    items: int = 1024


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposure(host: str, api_key: str | None, insecure: bool) -> None:
    """Refuse to serve a network without a key.

    Raises:
        BadInput: Others than this machine could connect, and there is no key.
    """
    if not (is_loopback(host) or api_key or insecure):
        raise BadInput(f"{host} can be reached from the network: give a key with --api-key-env NAME, or say --insecure")


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


async def read_body(request: Request, limits: Limits) -> bytes:
    """The whole body.

    Raises:
        ApiError: It is larger than allowed (413).
        ClientGone: The client hung up before its end.
    """
    most = _PATIENCE * limits.body_bytes
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large(limits)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= limits.body_bytes:
                chunks.append(chunk)
            elif size > most:
                raise _too_large(limits)
    except ClientDisconnect as error:
        raise ClientGone from error
    if size > limits.body_bytes:
        raise _too_large(limits)
    return b"".join(chunks)


def check_items(count: int, limits: Limits, max_queue: int | None) -> None:
    """Refuse more items than one request may have.

    Raises:
        ApiError: There are too many (413).
    """
    most = limits.items if max_queue is None else min(limits.items, max_queue)
    if count > most:
        said = f"{count} items are more than the {most} that one request may have: send them in several"
        raise ApiError(413, "too_many_items", said)


def _too_large(limits: Limits) -> ApiError:
    said = f"the body is larger than {limits.body_bytes:,} bytes: send it in several requests"
    # What is left of the body is not read: the connection cannot be used again.
    return ApiError(413, "body_too_large", said, headers={"Connection": "close"})
