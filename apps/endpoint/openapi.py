"""The endpoint's description in OpenAPI 3.1, made from the forms that bodies are checked with."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from reflectree.apps.endpoint.body import ChatBody
from reflectree.apps.endpoint.headers import CAP_HEADERS, KEY_HEADER, RUN_HEADER, RUN_ID
from reflectree.models.http.errors import ERROR_SCHEMA

_REFERENCE = "#/components/schemas/{model}"

_ERRORS = {
    "400": "The body is not JSON.",
    "401": "No key, or a wrong one.",
    "404": "No such model or run here.",
    "405": "Another method.",
    "408": "The body did not arrive in time.",
    "409": "The run's name is taken.",
    "413": "The body is too large.",
    "415": "The body is no JSON by its type.",
    "421": "Asked under a name that is not this server's.",
    "422": "Something in it cannot be done.",
    "429": "This key has used up what it may.",
    "500": "A defect.",
    "502": "The policy refused.",
    "503": "The policy cannot be reached, or the server is shutting down.",
    "504": "The policy did not answer in time.",
}

_GETS: dict[str, tuple[str, str]] = {
    "/v1/models": ("The models: every blueprint with every policy.", "application/json"),
    "/v1/models/{name}": ("One model.", "application/json"),
    "/v1/runs/{run_id}": ("A run: its state, and its reply once there is one.", "application/json"),
    "/health": ("Whether the process lives.", "application/json"),
    "/ready": ("Whether it takes requests.", "application/json"),
    "/metrics": ("What it has counted, for Prometheus.", "text/plain"),
    "/openapi.json": ("This description.", "application/json"),
}
_OPEN = ("/health", "/ready")
_ASKED = {"/v1/models/{name}": "name", "/v1/runs/{run_id}": "run_id"}


def describe() -> dict[str, Any]:
    """The whole description."""
    references, schemas = models_json_schema([(ChatBody, "validation")], ref_template=_REFERENCE)
    paths: dict[str, Any] = {"/v1/chat/completions": {"post": _chat(references[(ChatBody, "validation")])}}
    for path, (summary, kind) in _GETS.items():
        paths[path] = {"get": _get(path, summary, kind)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "reflectree", "version": "1", "description": "Search for an answer, as a chat model."},
        "paths": paths,
        "components": {
            "schemas": {**schemas.get("$defs", {}), "Error": ERROR_SCHEMA},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _chat(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": "chat",
        "summary": "Reason about a conversation's last turn, and answer.",
        "parameters": [
            _header(RUN_HEADER, {"type": "string", "pattern": f"^{RUN_ID.pattern}$"}, "The run's name."),
            _header(KEY_HEADER, {"type": "string", "minLength": 1, "maxLength": 255}, "The same request again has it."),
            *(
                _header(name, _number(cap), f"Most {cap} of the run, where the server's cap is not smaller.")
                for name, cap in CAP_HEADERS.items()
            ),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {
                "description": "The reply, or with `stream` its parts as server-sent events.",
                "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}},
            },
            **_errors(*_ERRORS),
        },
        "security": [{"bearer": []}, {}],
    }


def _get(path: str, summary: str, kind: str) -> dict[str, Any]:
    asked = _ASKED.get(path)
    found: dict[str, Any] = {} if kind != "application/json" else {"schema": {"type": "object"}}
    errors = [*(() if path in _OPEN else ("401",)), *(("404",) if asked else ()), "503"]
    place = {"name": asked, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return {
        "operationId": "get_" + "".join(sign if sign.isalnum() else "_" for sign in path.strip("/")),
        "summary": summary,
        **({"parameters": [place]} if asked else {}),
        "responses": {"200": {"description": summary, "content": {kind: found}}, **_errors(*errors)},
        "security": [] if path in _OPEN else [{"bearer": []}, {}],
    }


def _number(cap: str) -> dict[str, Any]:
    if cap in ("calls", "tokens"):
        return {"type": "integer", "minimum": 1, "maximum": 2**52}
    return {"type": "number", "exclusiveMinimum": 0, "maximum": 2**52}


def _header(name: str, schema: dict[str, Any], said: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": said}


def _errors(*statuses: str) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": _ERRORS[status], "content": error} for status in statuses}
