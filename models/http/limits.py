"""Who can connect, and how large a body may be.

Nothing is ever cut to fit: what is too large is refused with 413, and what does not arrive in time with 408.
"""

from __future__ import annotations

import asyncio
import ipaddress

from starlette.requests import ClientDisconnect, Request

from reflectree.models.http.errors import ApiError, ClientGone
from reflectree.rlm_ops.errors import BadInput

_PATIENCE = 4
"""A body that is too large is read to its end, and dropped, up to so many times the limit: many clients listen for an
answer only when they have sent everything."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposure(
    host: str, has_key: bool, insecure: bool, fix: str = "give a key with --api-key-env NAME, or say --insecure"
) -> None:
    """Refuse to serve a network without a key.

    Raises:
        BadInput: Others than this machine could connect, and there is no key.
    """
    if not (is_loopback(host) or has_key or insecure):
        raise BadInput(f"{host} can be reached from the network: {fix}")


async def read_body(request: Request, most: int, *, seconds: float | None = None) -> bytes:
    """The whole body.

    Args:
        request: The request.
        most: Most bytes of it.
        seconds: Seconds it may take to arrive.

    Raises:
        ApiError: It is larger than allowed (413), or too slow (408).
        ClientGone: The client hung up before its end.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > _PATIENCE * most:
        raise _too_large(most)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= most:
                    chunks.append(chunk)
                elif size > _PATIENCE * most:
                    raise _too_large(most)
    except ClientDisconnect as error:
        raise ClientGone from error
    except TimeoutError:
        said = f"the body did not arrive within {seconds:g} s: send it at once"
        raise ApiError(408, "body_too_slow", said, headers={"Connection": "close"}) from None
    if size > most:
        raise _too_large(most)
    return b"".join(chunks)


def _too_large(most: int) -> ApiError:
    said = f"the body is larger than {most:,} bytes: send it in several requests"
    # What is left of the body is not read: the connection cannot be used again.
    return ApiError(413, "body_too_large", said, headers={"Connection": "close"})
