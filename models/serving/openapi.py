"""The server's description in OpenAPI 3.1, made from the endpoints and the forms of their bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from reflectree.models.http.errors import ERROR_SCHEMA
from reflectree.models.serving.service import Endpoint, Service

_REPLIES = {
    "200": "The scores.",
    "400": "The body is not JSON.",
    "401": "No key, or a wrong one.",
    "404": "The model is not served here.",
    "413": "The body or its items are too many.",
    "422": "Something in it cannot be scored as it is.",
    "429": "Too much waits already.",
    "503": "Out of memory, or shutting down.",
}
_PLAIN = {
    "/v1/models": "The model that is served.",
    "/health": "Whether the process lives.",
    "/ready": "Whether it takes requests.",
    "/metrics": "What it has counted, for Prometheus.",
    "/openapi.json": "This description.",
}
_REFERENCE = "#/components/schemas/{model}"


def describe(endpoints: Sequence[Endpoint], service: Service) -> dict[str, Any]:
    """The whole description."""
    bodies = {endpoint.body for endpoint in endpoints}
    references, schemas = models_json_schema([(body, "validation") for body in bodies], ref_template=_REFERENCE)
    paths: dict[str, Any] = {
        path: {"post": _operation(endpoint, references[(endpoint.body, "validation")], path, service)}
        for endpoint in endpoints
        for path in endpoint.paths
    }
    for path, summary in _PLAIN.items():
        paths[path] = {
            "get": {
                "operationId": f"get{_word(path)}",
                "summary": summary,
                "responses": _responses("200", "401", "503"),
            }
        }
    components: dict[str, Any] = {"schemas": {**schemas.get("$defs", {}), "Error": ERROR_SCHEMA}}
    if service.api_key is not None:
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Value server: {service.name}", "version": "1"},
        "paths": dict(sorted(paths.items())),
        "components": components,
    }


def _operation(endpoint: Endpoint, schema: dict[str, Any], path: str, service: Service) -> dict[str, Any]:
    return {
        "operationId": f"post{_word(path)}",
        "summary": endpoint.summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": _responses(*_REPLIES),
        **({"security": [{"bearer": []}]} if service.api_key is not None else {}),
    }


def _responses(*statuses: str) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        status: {"description": _REPLIES[status], **({} if status == "200" else {"content": error})}
        for status in statuses
    }


def _word(path: str) -> str:
    return "_" + path.strip("/").replace("/", "_").replace(".", "_")
