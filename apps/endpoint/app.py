"""The application: chat completions, models, runs, and how the server does, with one form of error.

The service behind it says who may ask and begins runs; nothing of that is known here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from reflectree.apps.endpoint.body import ChatBody
from reflectree.apps.endpoint.errors import api_error
from reflectree.apps.endpoint.headers import RUN_ID
from reflectree.apps.endpoint.metrics import CONTENT_TYPE
from reflectree.apps.endpoint.openapi import describe
from reflectree.apps.endpoint.patience import PATIENCE, Application
from reflectree.apps.endpoint.replies import RUN, completion, headers_of, run_of
from reflectree.apps.endpoint.requests import Chat, chat_of
from reflectree.apps.endpoint.running import Running
from reflectree.apps.endpoint.seam import Service
from reflectree.apps.endpoint.streaming import KEEP_ALIVE, Stream
from reflectree.graphs.adapters.names import UnknownModel, full_name, parse_model
from reflectree.models.http.errors import ApiError, refusal, shutting_down
from reflectree.models.http.hosts import Address
from reflectree.models.http.limits import read_body
from reflectree.models.http.watching import unless_gone

FIRST_SIGN = 2.0
"""Seconds to wait for the first event of a run before a stream begins: what cannot work is told by a status then."""

_CHAT = "/v1/chat/completions"

_Answer = Callable[[Request], Awaitable[Response]]


def build_app(
    service: Service, *, address: Address | None = None, keep_alive: float = KEEP_ALIVE, patience: float = PATIENCE
) -> Application:
    """The application over a service.

    Args:
        service: What begins runs.
        address: The names that it may be asked under; any where absent.
        keep_alive: Seconds of silence after which a stream sends a comment.
        patience: Seconds that a client may take nothing while there is something to send.
    """
    routes: list[Route] = []
    serves = None if address is None else lru_cache(maxsize=64)(address.serves)  # most clients use one name

    def route(path: str, answer: _Answer, method: str = "GET", *, is_open: bool = False) -> None:
        routes.append(Route(path, _Guarded(answer, service, path, serves, is_open=is_open), methods=[method]))

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_card(name, service) for name in service.offered]})

    async def model(request: Request) -> Response:
        try:
            found = parse_model(request.path_params["name"], service.offered)
        except UnknownModel as error:
            raise ApiError(404, "model_not_found", str(error), param="model") from error
        return JSONResponse(_card(full_name(*found), service))

    async def run(request: Request) -> Response:
        run_id = request.path_params["run_id"]
        known = RUN_ID.fullmatch(run_id) is not None
        state = await service.run_state(run_id, request.state.key) if known else None
        if state is None:
            said = f"no run {run_id[:64]!r} of this key is known here"
            raise ApiError(404, "run_not_found", said, param="run_id")
        return JSONResponse(run_of(state))

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        await service.check_ready()
        return JSONResponse({"status": "ready", "in_flight": service.in_flight})

    async def counted(_: Request) -> Response:
        return Response(service.metrics_text(), headers={"Content-Type": CONTENT_TYPE})

    async def described(_: Request) -> Response:
        return JSONResponse(describe())

    route(_CHAT, _chatting(service, keep_alive), "POST")
    route("/v1/models", models)
    route("/v1/models/{name:path}", model)
    route("/v1/runs/{run_id}", run)
    route("/health", health, is_open=True)
    route("/ready", ready, is_open=True)
    route("/metrics", counted)
    route("/openapi.json", described)

    def refused(error: HTTPException) -> Response:
        told = api_error(error)
        service.on_request("other", told.status, 0.0)
        return refusal(told)

    return Application(routes, refused, patience)


class _Guarded:
    """An answer, its host and key checked, its errors told, its time counted; a stream counts itself at its end."""

    def __init__(
        self, answer: _Answer, service: Service, path: str, serves: Callable[[str], bool] | None, *, is_open: bool
    ) -> None:
        self._answer, self._service, self._path = answer, service, path
        self._serves, self._is_open = serves, is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive, send)
        started = request.state.started = time.monotonic()
        try:
            self._check(request)
            response = await self._answer(request)
        except Exception as error:  # the boundary to the client: every error has one form
            response = refusal(api_error(error))
        if not isinstance(response, Stream):
            self._service.on_request(self._path, response.status_code, time.monotonic() - started)
        await response(scope, receive, send)

    def _check(self, request: Request) -> None:
        """Refuse who may not ask.

        Raises:
            ApiError: This server is not asked under that name (421), or the key is missing or wrong (401).
        """
        if self._serves is not None and not all(map(self._serves, request.headers.getlist("host"))):
            raise ApiError(421, "unknown_host", "this server is not asked under that Host: see --allow-host")
        if not self._is_open:
            request.state.key = self._service.key_of(request.headers.get("authorization"))


def _chatting(service: Service, keep_alive: float) -> _Answer:
    """An answer that a run finds: refused while draining, given up where the client hangs up."""

    async def answer(request: Request) -> Response:
        if service.draining:
            raise shutting_down()
        service.in_flight += 1
        streams = False
        try:
            chat = await _read(request, service)
            running = await service.start(chat, request.state.key)
            try:
                response = await (
                    _streamed(request, running, chat, service, keep_alive)
                    if chat.stream
                    else _whole(request, running, chat)
                )
                streams = chat.stream
                return response
            finally:
                if not streams:
                    await running.cancel()
        finally:
            if not streams:
                service.in_flight -= 1

    return answer


async def _read(request: Request, service: Service) -> Chat:
    """What is asked.

    Raises:
        ApiError: The body is too large, of another type, or asks for what cannot be done.
        ValidationError: A field of it is wrong.
    """
    # a page of another site may send any other type, or none, without asking first whether it may
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    raw = await read_body(request, service.limits.body_bytes, seconds=service.limits.body_seconds)
    if kind != "application/json" and not kind.endswith("+json"):
        what = f"a body of type {kind[:60]!r}" if kind else "a body without a type"
        said = f"{what} cannot be read: send JSON with Content-Type: application/json"
        raise ApiError(415, "unsupported_media_type", said)
    return chat_of(ChatBody.model_validate_json(raw), request.headers, service.offered, service.caps)


async def _whole(request: Request, running: Running, chat: Chat) -> Response:
    """The reply at once."""
    try:
        replied = await unless_gone(request, running.reply())
    except Exception as error:
        raise _of_run(error, running) from error
    told = completion(replied, chat, running.run_id, int(time.time()), await running.lines(0.0))
    return JSONResponse(told, headers=headers_of(replied.result, running.run_id))


async def _streamed(request: Request, running: Running, chat: Chat, service: Service, keep_alive: float) -> Response:
    """The reply as it comes; what cannot work from the start is told by a status."""
    try:
        await unless_gone(request, running.stirred(FIRST_SIGN))
        if running.done:
            await running.reply()
    except Exception as error:
        raise _of_run(error, running) from error

    def ended(status: int) -> None:
        service.in_flight -= 1
        service.on_request(_CHAT, status, time.monotonic() - request.state.started)

    return Stream(running, chat, int(time.time()), keep_alive=keep_alive, on_end=ended)


def _of_run(error: Exception, running: Running) -> ApiError:
    """The error that a run ended with, and which run it was."""
    told = api_error(error)
    return ApiError(told.status, told.code, str(told), param=told.param, headers={**told.headers, RUN: running.run_id})


def _card(name: str, service: Service) -> dict[str, Any]:
    """A model, as `/v1/models` lists it."""
    return {"id": name, "object": "model", "created": service.created, "owned_by": "reflectree"}
