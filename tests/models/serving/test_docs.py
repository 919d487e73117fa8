"""Every `curl` example of the documentation is sent as it stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from tests.models.serving.conftest import Client

from reflectree.models.serving.app import ENDPOINTS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "value-server.md").read_text(encoding="utf-8")
BLOCKS = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
CURLS = [shlex.split(command) for command in re.findall(r"^curl (?:[^'\n]+(?:'[^']*')?)$", BLOCKS, re.MULTILINE)]


@pytest.mark.parametrize("command", CURLS, ids=lambda command: command[1])
def test_curl_examples_are_answered(command: list[str], client: Client) -> None:
    _, address, *rest = command
    path = address.removeprefix("localhost:8100")
    reply = client.post(path, rest[1]) if rest else client.http.get(path)
    assert reply.status_code == 200, reply.text
    if path.startswith("/v1/value"):
        row = reply.json()["data"][0]
        assert set(row) == set(_shown()["data"][0])


def test_every_endpoint_has_an_example() -> None:
    shown = {command[1].removeprefix("localhost:8100") for command in CURLS}
    for endpoint in ENDPOINTS:
        assert shown & set(endpoint.paths), endpoint.paths
    assert shown >= {"/v1/models", "/health", "/ready", "/metrics", "/openapi.json"}


def _shown() -> dict[str, list[dict[str, object]]]:
    """The reply that the page shows."""
    found: dict[str, list[dict[str, object]]] = json.loads(re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)[0])
    return found
