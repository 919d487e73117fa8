"""The resources: a blueprint as YAML, and the trace of a run as JSON lines."""

from __future__ import annotations

import re
from urllib.parse import unquote

from mcp import types

from reflectree.apps.mcp_server.reasoning import Reasoner
from reflectree.apps.mcp_server.surface import ServedTemplate
from reflectree.graphs.blueprints import dump
from reflectree.rlm_ops.errors import BadInput

_BLUEPRINTS, _RUNS = "reflectree://blueprints/", "reflectree://runs/"
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def templates(reasoner: Reasoner) -> list[ServedTemplate]:
    """The resources of a server. Runs are not listed: each is known to the client that asked, by its id."""
    return [_blueprints(reasoner), _runs(reasoner)]


def _blueprints(reasoner: Reasoner) -> ServedTemplate:
    offered = reasoner.offer.blueprints

    async def read(uri: str) -> types.TextResourceContents | None:
        if not uri.startswith(_BLUEPRINTS):
            return None
        blueprint = reasoner.offer.blueprint(unquote(uri.removeprefix(_BLUEPRINTS)) or None)
        return types.TextResourceContents(uri=uri, mime_type="application/yaml", text=dump(blueprint))

    shown = types.ResourceTemplate(
        uri_template=_BLUEPRINTS + "{name}",
        name="blueprint",
        title="A reasoning system",
        description="A reasoning system as YAML: its strategy, operators and constants.",
        mime_type="application/yaml",
    )
    listed = [
        types.Resource(
            uri=_BLUEPRINTS + name,
            name=name,
            description=blueprint.description,
            mime_type="application/yaml",
        )
        for name, blueprint in offered.items()
    ]
    return ServedTemplate(shown, read, listed, {"name": list(offered)})


def _runs(reasoner: Reasoner) -> ServedTemplate:
    async def read(uri: str) -> types.TextResourceContents | None:
        if not uri.startswith(_RUNS):
            return None
        run_id = uri.removeprefix(_RUNS)
        if not _RUN_ID.fullmatch(run_id):
            raise BadInput(f"{run_id!r:.80} names no run: give the run_id that reason returned")
        trace = await reasoner.runs.trace(run_id)
        return types.TextResourceContents(uri=uri, mime_type="application/jsonl", text=trace.dumps())

    shown = types.ResourceTemplate(
        uri_template=_RUNS + "{run_id}",
        name="run",
        title="The trace of a run",
        description="Everything that happened in a run, one event a line.",
        mime_type="application/jsonl",
    )
    return ServedTemplate(shown, read)
