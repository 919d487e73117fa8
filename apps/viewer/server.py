"""The viewer on the loopback address: pages of traces, a list of a folder's, and the stream of a run that goes on.

The address holds a random token that every request must bring along; the name asked for must be the loopback's, and
no page of another origin is answered. Which files there are is settled when the server starts: a request names a
trace by its number only.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reflectree.apps.viewer.data import Chunk
from reflectree.apps.viewer.html import document, policy
from reflectree.apps.viewer.live import Feed

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown: one trace or two, the traces of a folder, or a run that goes on.

    Attributes:
        files: The traces' files.
        load: Reads a trace for the page.
        folder: The folder they are from, where it is a list that is shown.
        rows: Its rows.
        left_out: How many more there are.
        feed: The run that goes on.
    """

    files: Sequence[Path] = ()
    load: Callable[[Path], Chunk] = field(default=lambda file: {})
    folder: str = ""
    rows: Sequence[dict[str, Any]] = ()
    left_out: int = 0
    feed: Feed | None = None


def build(shown: Shown, token: str) -> Starlette:
    """The pages `/`, `/trace?i=0` and `/compare?a=0&b=1`, and the stream `/events?from=0`."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    async def home(request: Request) -> Response:
        if shown.feed is not None:
            return _page({"mode": "view", "live": True, "traces": [await shown.feed.first()]})
        if shown.folder:
            return _page({"mode": "list", "folder": shown.folder, "rows": list(shown.rows), "left_out": shown.left_out})
        return await traces(range(len(shown.files)))

    async def traces(places: Sequence[int]) -> Response:
        from reflectree.rlm_ops.errors import ReflectreeError

        files = [shown.files[place] for place in places]
        try:
            chunks = [await run_in_threadpool(shown.load, file) for file in files]
        except ReflectreeError as error:
            return PlainTextResponse(f"{error}", 422)
        names = [file.name for file in files]
        return _page({"mode": "view", "traces": chunks, "names": names, "folder": shown.folder})

    async def some(request: Request) -> Response:
        given = [request.query_params.get(name) for name in ("i", "a", "b") if name in request.query_params]
        places = [int(place) for place in given if place is not None and place.isdecimal() and len(place) < 9]
        if len(places) != len(given) or len(places) not in (1, 2) or max(places) >= len(shown.files):
            return PlainTextResponse("There is no such trace.", 404)
        return await traces(places)

    async def events(request: Request) -> Response:
        start = request.query_params.get("from", "0")
        if shown.feed is None or not start.isdecimal() or len(start) > 9 or int(start) > len(shown.feed.events):
            return PlainTextResponse("There is nothing to follow.", 404)
        return StreamingResponse(shown.feed.stream(int(start)), media_type="text/event-stream")

    return Starlette(
        routes=[
            Route(path, _guarded(endpoint, token))
            for path, endpoint in (("/", home), ("/trace", some), ("/compare", some), ("/events", events))
        ]
    )


def _page(data: dict[str, Any]) -> Response:
    from starlette.responses import HTMLResponse

    headers = {
        "Content-Security-Policy": f"{policy(live=bool(data.get('live')))}; frame-ancestors 'none'",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return HTMLResponse(document(data), headers=headers)


def _guarded(endpoint: Callable[[Request], Awaitable[Response]], token: str) -> Any:
    from starlette.responses import PlainTextResponse

    from reflectree.models.http.hosts import Address

    here = Address("127.0.0.1")

    async def guard(request: Request) -> Response:
        origin = request.headers.get("origin")
        if not here.serves(request.headers.get("host", "")):
            response: Response = PlainTextResponse("This page is for this machine only.", 403)
        elif origin is not None and origin != f"http://{request.headers['host']}":
            response = PlainTextResponse("This page is not for other pages.", 403)
        elif not hmac.compare_digest(request.query_params.get("token", "").encode(), token.encode()):
            response = PlainTextResponse("Open the address that reflectree printed: it holds the token.", 403)
        else:
            response = await endpoint(request)
        response.headers.update(
            {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
        )
        return response

    return guard
