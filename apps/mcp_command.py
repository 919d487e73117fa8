"""`reflectree mcp`: reasoning as a tool of any host that speaks the Model Context Protocol.

Only words are handled here; the server is imported once the command really runs.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from reflectree.apps.run_options import (
    KEEP,
    MODEL,
    SEARCH,
    BaseUrl,
    Calls,
    Concurrency,
    Evaluator,
    Judge,
    Memory,
    Model,
    PriceOption,
    Roles,
    Safety,
    Seconds,
    Tokens,
    Tools,
    Usd,
    ValueModel,
    folder,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from reflectree.apps.mcp_server.opening import Parts

_ADDRESS = "Address"


def mcp(
    blueprints: Annotated[
        list[str] | None,
        typer.Option(
            "--blueprint",
            "-b",
            metavar="NAME|FILE",
            rich_help_panel=SEARCH,
            help="A reasoning system that is offered; may be repeated, the first is the default. "
            "Without one: all that work with what is given.",
        ),
    ] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    model_key_env: Annotated[
        str | None,
        typer.Option(
            "--model-key-env",
            metavar="NAME",
            rich_help_panel=MODEL,
            help="Environment variable that holds the model's key. Default: the provider's own.",
        ),
    ] = None,
    price: PriceOption = None,
    judge: Judge = None,
    roles: Roles = None,
    tools: Tools = None,
    evaluator: Evaluator = None,
    value_model: ValueModel = None,
    safety: Safety = None,
    max_calls: Calls = None,
    max_tokens: Tokens = None,
    max_usd: Usd = None,
    max_seconds: Seconds = None,
    concurrency: Concurrency = None,
    max_runs: Annotated[
        int,
        typer.Option("--max-runs", metavar="N", min=1, rich_help_panel=SEARCH, help="Most questions at once."),
    ] = 16,
    memory: Memory = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            rich_help_panel=KEEP,
            help="SQLite file that keeps every run, so that it can be shown when the server was started anew.",
        ),
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", rich_help_panel=_ADDRESS, help="Serve over HTTP, at /mcp, instead of stdio.")
    ] = False,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", rich_help_panel=_ADDRESS, help="Where to listen, with --http.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="N",
            min=0,
            max=65535,
            rich_help_panel=_ADDRESS,
            help="0 takes a free one.",
        ),
    ] = 8765,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            rich_help_panel=_ADDRESS,
            help="A further name clients use for this server; may be repeated. Others are refused.",
        ),
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            "--api-key-env",
            metavar="NAME",
            rich_help_panel=_ADDRESS,
            help="Environment variable with the key that clients must send (its name, never the key).",
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", rich_help_panel=_ADDRESS, help="Listen on a network without a key, knowingly."),
    ] = False,
) -> None:
    """Serve reasoning as tools of the Model Context Protocol.

    For Claude, Cursor, VS Code, agents: the tools reason, list_blueprints, show_trace and verify_answer. Speaks on
    standard input and output, as hosts start their servers; with --http it listens. Each question is capped at 200
    calls and 300 seconds where no cap is given; clients may ask for less, never for more.

    Try:

        reflectree mcp --model openai/gpt-5-mini --max-usd 0.10

        reflectree mcp --http --port 8765 -b mcts -b cot

        claude mcp add reflectree -- reflectree mcp --model openai/gpt-5-mini

    Exit codes: 0 told to end, 2 bad input (no such model or blueprint, port in use, an extra not installed),
    130 interrupted.
    """  # fmt: skip
    import logging

    from reflectree.apps import inputs
    from reflectree.apps.asking import RunOptions
    from reflectree.rlm_ops.errors import BadInput
    from reflectree.rlm_ops.extras import require

    for module in ("mcp", "starlette", "uvicorn"):
        require(module, "mcp", "the MCP server")
    if not http and (api_key_env or insecure or allow_host):
        raise BadInput("--api-key-env, --allow-host and --insecure are for --http: on stdio only the host can ask")
    key = os.environ.get(api_key_env) if api_key_env else None
    if api_key_env and not key:
        raise BadInput(f"the environment variable {api_key_env} is not set: put the key in it, or leave it out")
    options = RunOptions(
        model=model,
        base_url=base_url,
        api_key_env=model_key_env,
        price=inputs.read_price(price),
        judge=judge,
        roles=inputs.read_roles(roles or ()),
        tools=tuple(tools or ()),
        evaluator=evaluator,
        value_model=value_model,
        calls=max_calls,
        tokens=max_tokens,
        usd=max_usd,
        seconds=max_seconds,
        concurrency=8 if concurrency is None else concurrency,
        memory=folder(memory),
        safety=safety,
        directory=os.getcwd(),
    ).with_default_caps()

    from reflectree.apps.mcp_server.opening import parts

    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")  # on standard error
    named = [inputs.read_blueprint(name) for name in blueprints or ()]
    if not http:
        raise typer.Exit(_on_stdio(parts(options, named, checkpoint=checkpoint, runs=max_runs)))
    from reflectree.models.http.limits import check_exposure
    from reflectree.models.http.running import bind

    check_exposure(host, key is not None, insecure)
    with closing(bind(host, port)) as sock:  # first: that a port is in use is known at once
        made = parts(options, named, checkpoint=checkpoint, runs=max_runs)
        _on_http(made, sock, [name.lower() for name in allow_host or ()], key)


def _on_stdio(made: Parts) -> int:
    """Serve the host that started this process. Returns the exit code."""
    from reflectree.apps.mcp_server.over_stdio import serve_stdio
    from reflectree.apps.mcp_server.server import build_server, surface
    from reflectree.apps.terminal import note
    from reflectree.graphs.bridge import run_sync

    if sys.stdin.isatty():
        note("this speaks the Model Context Protocol with the host that starts it, and waits for one; --http listens")

    async def serve() -> bool:
        async with made.opened():
            return await serve_stdio(build_server(surface(made.reasoner)))

    return 130 if run_sync(serve()) else 0


def _on_http(made: Parts, sock: socket.socket, names: Sequence[str], key: str | None) -> None:
    """Serve whoever connects, until told to end."""
    from reflectree.apps.mcp_server.over_http import serve_http
    from reflectree.apps.mcp_server.server import build_server, surface
    from reflectree.apps.terminal import many

    offer = made.reasoner.offer
    about = f"{many(len(offer.blueprints), 'blueprint')}, {offer.given['policy'].name}"
    serve_http(
        build_server(surface(made.reasoner)),
        sock,
        names=names,
        api_key=key,
        announce=lambda url: typer.echo(f"MCP server ({about}) on {url}"),
        around=made.opened(),
    )
