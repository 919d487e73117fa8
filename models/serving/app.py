"""The application: every protocol's endpoints over one service, with keys, limits, metrics and one form of error."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reflectree.models.http.limits import read_body
from reflectree.models.http.watching import unless_gone
from reflectree.models.serving import decisions, native, rerank, vllm
from reflectree.models.serving.errors import error_response, shutting_down
from reflectree.models.serving.limits import check_key
from reflectree.models.serving.metrics import CONTENT_TYPE, Metrics
from reflectree.models.serving.openapi import describe
from reflectree.models.serving.service import Endpoint, Service

ENDPOINTS: tuple[Endpoint, ...] = (*native.ENDPOINTS, *vllm.ENDPOINTS, *rerank.ENDPOINTS, *decisions.ENDPOINTS)

_Answer = Callable[[Request], Awaitable[Response]]


def build_app(service: Service) -> Starlette:
    """The application that serves a scorer; it counts what the service's engine does."""
    metrics = Metrics(lambda: service.engine.depth, lambda: service.in_flight)
    service.engine.listen(metrics.on_batch)
    description = describe(ENDPOINTS, service)
    routes: list[Route] = []

    def route(path: str, answer: _Answer, name: str, method: str = "GET", *, is_open: bool = False) -> None:
        handler = _guarded(answer, service, metrics, name, is_open=is_open)
        routes.append(Route(path, handler, methods=[method]))

    for endpoint in ENDPOINTS:
        for path in endpoint.paths:
            route(path, _scoring(endpoint, service), endpoint.paths[0], "POST")

    async def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_card(service)]})

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        if service.draining:
            raise shutting_down()
        return JSONResponse({"status": "ready", "model": service.name, "waiting": service.engine.depth})

    async def counted(_: Request) -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    async def described(_: Request) -> Response:
        return JSONResponse(description)

    route("/v1/models", models, "/v1/models")
    route("/health", health, "/health", is_open=True)
    route("/ready", ready, "/ready", is_open=True)
    route("/metrics", counted, "/metrics")
    route("/openapi.json", described, "/openapi.json")

    async def refused(_: Request, error: Exception) -> Response:
        metrics.on_request("other", getattr(error, "status_code", 500), 0.0)
        return error_response(error)

    return Starlette(routes=routes, exception_handlers={HTTPException: refused})


def _guarded(
    answer: _Answer, service: Service, metrics: Metrics, name: str, *, is_open: bool
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """An answer with its key checked, its errors told and its time counted."""

    async def handle(request: Request) -> Response:
        started = time.monotonic()
        try:
            if not is_open:
                check_key(request, service.api_key)
            response = await answer(request)
        except Exception as error:  # the boundary to the client: every error has one form
            response = error_response(error)
        metrics.on_request(name, response.status_code, time.monotonic() - started)
        return response

    return handle


def _scoring(endpoint: Endpoint, service: Service) -> _Answer:
    """An answer that needs the model: refused while draining, withdrawn where the client hangs up."""

    async def answer(request: Request) -> Response:
        if service.draining:
            raise shutting_down()
        service.in_flight += 1
        try:
            body = endpoint.body.model_validate_json(await read_body(request, service.limits.body_bytes))
            service.check_model(body.model)
            return JSONResponse(await unless_gone(request, endpoint.answer(body, service)))
        finally:
            service.in_flight -= 1

    return answer


def _card(service: Service) -> dict[str, Any]:
    """The model, as `/v1/models` lists it."""
    info = service.info
    return {
        "id": service.name,
        "object": "model",
        "created": service.started,
        "owned_by": "reflectree",
        "max_model_len": info.context_tokens,
        "kind": info.kind,
        "per_step": info.per_step,
        "causal": info.causal,
        "device": info.device,
        "dtype": info.dtype,
        "parameters": info.parameters,
    }
