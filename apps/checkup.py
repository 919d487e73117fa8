"""The findings of `reflectree doctor`: each one a small check with a verdict and, where there is one, a fix."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reflectree import __version__
from reflectree.apps.asking import RunOptions
from reflectree.apps.store import state_dir, unfinished
from reflectree.apps.terminal import console, many, one_line
from reflectree.graphs.bridge import run_sync
from reflectree.models.base import Message, PolicyModel, Request
from reflectree.models.embedded import weights
from reflectree.models.servers import SERVERS
from reflectree.rlm_ops.errors import ModelError, ReflectreeError

Verdict = Literal["ok", "missing", "broken"]
_SYMBOLS = {"ok": ("✓", "green"), "missing": ("·", "dim"), "broken": ("✗", "bold red")}
_PACKAGES = ("langgraph", "langgraph-checkpoint", "langgraph-checkpoint-sqlite", "langchain-core", "pydantic", "numpy")
_EXTRAS = {
    "embedded": ("xllamacpp", "gguf"),
    "litellm": ("litellm",),
    "langchain": ("langchain", "langchain_openai"),
    "verify": ("jsonschema", "math_verify"),
    "tasks": ("reasoning_gym",),
    "datasets": ("datasets",),
    "serve": ("starlette", "uvicorn", "prometheus_client"),
    "mcp": ("mcp", "starlette", "uvicorn"),
    "postgres": ("langgraph.checkpoint.postgres", "psycopg", "psycopg_pool"),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "plots": ("matplotlib", "plotly"),
    "serving": ("torch", "transformers", "safetensors", "starlette", "uvicorn"),
    "training": ("trl", "peft", "datasets"),
    "ray": ("ray",),
    "memory": ("chromadb", "wordllama"),
    "discovery": ("scipy", "skopt"),
    "embodied": ("gymnasium", "minigrid", "scienceworld"),
    "textworld": ("textworld",),
    "gepa": ("gepa",),
}
_PROBE_TIMEOUT_S = 2.0
_TRIAL_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        what: What was looked at.
        verdict: `missing` is an option that is not there; `broken` keeps the default path from working.
        words: What was found, and the fix.
        exit_code: What the command ends with because of it.
    """

    what: str
    verdict: Verdict
    words: str
    exit_code: int = 0

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return asdict(self)


def check_up(
    model: str | None, base_url: str | None, api_key_env: str | None, value_model: str | None = None
) -> list[Finding]:
    """Look at everything; the models last, since they may take seconds."""
    return [
        Finding("reflectree", "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}"),
        _packages(),
        *_extras(),
        _sandbox(),
        _state(),
        *_keys(),
        *run_sync(_servers()),
        _weights(),
        run_sync(_model(RunOptions(model=model, base_url=base_url, api_key_env=api_key_env))),
        *([] if value_model is None else [run_sync(_values(value_model))]),
    ]


def print_findings(findings: Sequence[Finding]) -> None:
    """The report for a person."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        symbol, style = _SYMBOLS[finding.verdict]
        words = Text(one_line(finding.words), style="dim" if finding.verdict == "missing" else "")
        table.add_row(Text(symbol, style=style), Text(finding.what), words)
    out = console()
    out.print(table)
    broken = [finding.what for finding in findings if finding.exit_code]
    out.print()
    if broken:
        out.print(Text(f"Not ready: {', '.join(broken)}. The lines above say what to do.", style="bold red"))
    else:
        out.print(Text("Ready: reflectree solve 'What is 17 times 23?'", style="bold green"))


def _packages() -> Finding:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "broken", f"missing {', '.join(missing)}: pip install reflectree", 2)
    return Finding("packages", "ok", ", ".join(found))


def _extras() -> list[Finding]:
    findings = []
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if not _there(name)]
        words = f"not installed ({', '.join(missing)}): pip install 'reflectree[{extra}]'" if missing else "installed"
        findings.append(Finding(f"extra {extra}", "missing" if missing else "ok", words))
    return findings


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it
        return False


def _sandbox() -> Finding:
    from reflectree.rlm_ops.sandbox import available

    why = available()
    words = f"programs a model wrote cannot be run here: {why}" if why else "programs run isolated"
    return Finding("sandbox", "missing" if why else "ok", words)


def _state() -> Finding:
    folder = state_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fix = "set XDG_STATE_HOME to a folder that can be written"
        return Finding("state folder", "broken", f"{folder}: {error.strerror}; {fix}", 2)
    kept = unfinished()
    words = f"{many(len(kept), 'interrupted run')} (reflectree resume lists them)" if kept else "no interrupted run"
    return Finding("state folder", "ok", f"{folder}: {words}")


def _keys() -> list[Finding]:
    """Which keys are set; they are neither shown nor tried."""
    names = [server.key_env for server in SERVERS.values() if os.environ.get(server.key_env)]
    return [Finding("keys", "ok" if names else "missing", ", ".join(names) or "none set (OPENAI_API_KEY, ...)")]


async def _servers() -> list[Finding]:
    """Which servers answer on this machine."""
    local = [kind for kind, server in SERVERS.items() if server.local and not os.environ.get(server.url_env)]
    answers = await asyncio.gather(*(_probe(kind) for kind in local))
    found = [answer for answer in answers if answer is not None]
    return found or [Finding("local servers", "missing", f"none of {', '.join(local)} answers on its usual port")]


async def _probe(kind: str) -> Finding | None:
    from reflectree.models.resolve import policy

    model = policy(f"{kind}/*")
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            names = await _names(model)
    except (ModelError, TimeoutError):
        return None
    finally:
        await model.aclose()
    return Finding(kind, "ok", f"answers; --model {kind}/NAME with {', '.join(names[:5]) or 'no model yet'}")


async def _names(model: PolicyModel) -> list[str]:
    from reflectree.models.openai_compatible import OpenAICompatiblePolicy

    return await model.models() if isinstance(model, OpenAICompatiblePolicy) else []


def _weights() -> Finding:
    try:
        source = weights.find_source()
    except ReflectreeError as error:
        return Finding("embedded weights", "missing", str(error))
    file = weights.cache_dir() / "embedded" / weights.CACHED_NAME
    if weights.is_sound(file, source):
        return Finding("embedded weights", "ok", f"ready in {file.parent}")
    return Finding("embedded weights", "ok", f"installed; prepared at first use (7 s, 145 MB in {file.parent})")


async def _model(options: RunOptions) -> Finding:
    """Whether the model answers: the embedded one is tried, an endpoint is asked for its list, which costs nothing."""
    from reflectree.models.embedded import EmbeddedPolicy

    try:
        model = options.policy(lambda _what, _share: None)
        try:
            words = await (_trial(model) if isinstance(model, EmbeddedPolicy) else _listing(model))
        finally:
            await model.aclose()
    except (ReflectreeError, TimeoutError) as error:
        code = error.exit_code if isinstance(error, ReflectreeError) else 4
        return Finding("model", "broken", str(error) or "no answer in time", code)
    return Finding("model", "ok", words)


async def _values(name: str) -> Finding:
    """Whether the value model is there; weights in this process are loaded."""
    from reflectree.models.resolve_values import reach_values, value_model

    try:
        model = value_model(name)
        try:
            words = await reach_values(model)
        finally:
            await model.aclose()
    except ReflectreeError as error:
        return Finding("value model", "broken", str(error), error.exit_code)
    return Finding("value model", "ok", words)


async def _trial(model: PolicyModel) -> str:
    started = time.perf_counter()
    async with asyncio.timeout(_TRIAL_TIMEOUT_S):
        await model.complete(Request((Message("user", "Say yes."),), max_tokens=1))
        ready = time.perf_counter()
        reply = await model.complete(Request((Message("user", "Count from one to twenty."),), max_tokens=32))
    speed = reply.usage.completion_tokens / (time.perf_counter() - ready)
    return f"{model.name}: answers, {speed:.0f} tokens/s a sample; ready in {ready - started:.1f} s"


async def _listing(model: PolicyModel) -> str:
    """What `check` says, where it is good.

    Raises:
        ModelError: The endpoint does not answer, or has no such model.
    """
    from reflectree.models.openai_compatible import OpenAICompatiblePolicy
    from reflectree.models.resolve import check

    if not isinstance(model, OpenAICompatiblePolicy):
        return await check(model)
    names = await model.models()
    if model.model and model.model not in names:
        raise ModelError(await check(model))
    return await check(model)
