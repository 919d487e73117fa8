"""The description is OpenAPI 3.1, names every route there is, and agrees with what is checked."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from starlette.routing import Route
from tests.apps.endpoint.conftest import Start
from tests.apps.endpoint.small_service import scripted

from reflectree.apps.endpoint.app import build_app
from reflectree.apps.endpoint.openapi import describe


def test_it_names_every_route_and_nothing_else() -> None:
    routes = {
        (route.path.replace(":path", ""), method.lower())
        for route in build_app(scripted()).routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(path, method) for path, item in describe()["paths"].items() for method in item}
    assert described == routes


def test_every_reference_leads_somewhere() -> None:
    description = describe()
    names = set(description["components"]["schemas"])
    references = [word for word in json.dumps(description).split('"') if word.startswith("#/")]
    assert references
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= names


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({}, True),
        ({"stream": True, "stream_options": {"include_usage": True}, "unknown": 1}, True),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, True),
        ({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto"}, True),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}, True),
        ({"messages": []}, False),
        ({"n": 2}, False),
        ({"logprobs": True}, False),
        ({"temperature": 5}, False),
        ({"stop": ["x"] * 17}, False),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, False),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, False),
    ],
)
def test_it_agrees_with_what_is_checked(start: Start, fields: dict[str, Any], fits: bool) -> None:
    description = describe()
    content = description["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]
    schema = {**content["application/json"]["schema"], "components": description["components"]}
    body = {"model": "cot", "messages": [{"role": "user", "content": "x"}], **fields}
    assert jsonschema.Draft202012Validator(schema).is_valid(body) == fits
    client = start(scripted('Answer: {"a": 1}'))
    assert (client.ask(**{**body, "stream": False}).status_code == 200) == fits
