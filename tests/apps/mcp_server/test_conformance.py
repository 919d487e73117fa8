"""The protocol's own conformance suite, an npm package, against the server over HTTP.

    npm install --prefix DIR @modelcontextprotocol/conformance@0.1.16 node@22
    REFLECTREE_MCP_CONFORMANCE=DIR pytest tests/apps/mcp_server/test_conformance.py

Scenarios that ask for nothing but the protocol run against the server as it is; those that call a tool, resource or
prompt of the suite's own run against the same server with these added to its surface.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.apps.mcp_server.everything import with_everything
from tests.apps.mcp_server.rig import over_http, reasoner

pytestmark = pytest.mark.slow

AS_IT_IS = [
    "server-initialize",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection",
    "server-sse-multiple-streams",
]
WITH_FIXTURES = [
    "completion-complete",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "tools-call-with-progress",
    "json-schema-2020-12",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-embedded-resource",
    "prompts-get-with-image",
]
_NO_LOGGING = "logging is deprecated in the protocol; progress tells what happens"
_NO_SAMPLING = "sampling is deprecated in the protocol; the server has models of its own"
_NO_ELICITATION = "no tool asks a person"
_NO_SUBSCRIPTION = "neither a blueprint nor a finished run changes"
NOT_OFFERED = {
    "logging-set-level": _NO_LOGGING,
    "tools-call-with-logging": _NO_LOGGING,
    "tools-call-sampling": _NO_SAMPLING,
    "tools-call-elicitation": _NO_ELICITATION,
    "elicitation-sep1034-defaults": _NO_ELICITATION,
    "elicitation-sep1330-enums": _NO_ELICITATION,
    "resources-subscribe": _NO_SUBSCRIPTION,
    "resources-unsubscribe": _NO_SUBSCRIPTION,
    "server-sse-polling": "no stream is resumed: a client that hangs up ends its run",
}


@pytest.fixture(scope="module")
def suite() -> list[str]:
    """The command line of the suite."""
    folder = os.environ.get("REFLECTREE_MCP_CONFORMANCE")
    if not folder:
        pytest.skip("REFLECTREE_MCP_CONFORMANCE names no folder with @modelcontextprotocol/conformance in it")
    modules = Path(folder) / "node_modules"
    program = modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    own = modules / "node" / "bin" / "node"
    node = str(own) if own.exists() else shutil.which("node")
    if not program.exists() or node is None:
        pytest.skip(f"{folder} has no @modelcontextprotocol/conformance, or there is no node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 22:
        pytest.skip(f"the suite needs node 22, and this is {version.strip()}: install node@22 beside it")
    return [node, str(program)]


def checks(suite: list[str], url: str, scenario: str, folder: Path) -> list[dict[str, str]]:
    """What the suite found."""
    command = [*suite, "server", "--url", url, "--scenario", scenario, "--output-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    [found] = folder.rglob("checks.json")
    told: list[dict[str, str]] = json.loads(found.read_text())
    assert done.returncode == 0, (done.stdout, told)
    return told


@pytest.mark.parametrize("scenario", [*AS_IT_IS, *WITH_FIXTURES])
def test_scenario(suite: list[str], scenario: str, tmp_path: Path) -> None:
    change = {"change": with_everything} if scenario in WITH_FIXTURES else {}
    with over_http(reasoner(), **change) as url:
        told = checks(suite, url, scenario, tmp_path)
    assert told
    assert {check["status"] for check in told} <= {"SUCCESS", "INFO"}, told


def test_every_scenario_is_run_or_said_why_not(suite: list[str]) -> None:
    listed = subprocess.run([*suite, "list", "--server"], capture_output=True, text=True, check=True).stdout
    names = {line.split()[1] for line in listed.splitlines() if line.strip().startswith("- ")}
    assert names == {*AS_IT_IS, *WITH_FIXTURES, *NOT_OFFERED}
