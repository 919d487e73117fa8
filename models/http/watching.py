"""Work that is given up where nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from starlette.requests import Request

from reflectree.models.http.errors import ClientGone


async def unless_gone(request: Request, work: Awaitable[Any]) -> Any:
    """The result of `work`; it is cancelled where the client hangs up meanwhile.

    Raises:
        ClientGone: The client has hung up.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(hung_up(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        watching.cancel()
        if working.cancel():
            await asyncio.gather(working, return_exceptions=True)


async def hung_up(request: Request) -> None:
    """Wait until the client hangs up; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
