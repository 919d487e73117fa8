"""`reflectree serve`: blueprints over models behind an OpenAI-compatible endpoint.

Only words are handled here; the server and the engine are imported once the command really runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, Any

import typer

_OFFERED, _ADDRESS, _ACCESS, _RUN, _KEEP = "Offered", "Address", "Access and limits", "One run's caps", "Keeping"


def serve(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="[NAME=]MODEL",
            rich_help_panel=_OFFERED,
            help="A model to reason with; may be repeated, the first is the default. embedded (default), openai/NAME, "
            "ollama/NAME, vllm/NAME, litellm/PROVIDER/NAME, local/FOLDER, http://HOST:PORT/v1#NAME. NAME= is what "
            "clients call it.",
        ),
    ] = None,
    blueprint: Annotated[
        list[str] | None,
        typer.Option(
            "--blueprint",
            "-b",
            metavar="NAME|FILE",
            rich_help_panel=_OFFERED,
            help="A reasoning system; may be repeated. Default: all built-in ones that need nothing but a model.",
        ),
    ] = None,
    value_model: Annotated[
        str | None,
        typer.Option(
            "--value-model",
            metavar="NAME",
            rich_help_panel=_OFFERED,
            help="A trained model that scores steps, as reflectree solve takes it.",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="FOLDER",
            rich_help_panel=_OFFERED,
            help="What all runs learn is kept and recalled here. All clients share it.",
        ),
    ] = None,
    model_key_env: Annotated[
        str | None,
        typer.Option(
            "--model-key-env",
            metavar="NAME",
            rich_help_panel=_OFFERED,
            help="Environment variable with the key of the models. Default: each provider's own.",
        ),
    ] = None,
    price: Annotated[
        str | None,
        typer.Option(
            "--price",
            metavar="IN,OUT",
            rich_help_panel=_OFFERED,
            help="Dollars per million prompt and completion tokens, where the models' price is not known.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", rich_help_panel=_ADDRESS, help="Where to listen.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", "-p", metavar="N", min=0, max=65535, rich_help_panel=_ADDRESS, help="0 takes a free one."
        ),
    ] = 8000,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            "--api-key-env",
            metavar="NAME",
            rich_help_panel=_ACCESS,
            help="Environment variable with the key that clients must send (its name, never the key).",
        ),
    ] = None,
    keys: Annotated[
        str | None,
        typer.Option(
            "--keys",
            metavar="FILE",
            rich_help_panel=_ACCESS,
            help="YAML or JSON list of keys: name, sha256 or env, and requests_per_minute, concurrent, usd_per_day, "
            "tokens_per_day.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            rich_help_panel=_ACCESS,
            help="A further name that clients use for a server of this machine without keys; may be repeated. "
            "Others are refused.",
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", rich_help_panel=_ACCESS, help="Listen on a network without a key, knowingly."),
    ] = False,
    max_body_mb: Annotated[
        float, typer.Option("--max-body-mb", metavar="X", min=0.001, rich_help_panel=_ACCESS, help="Most of a body.")
    ] = 4.0,
    max_concurrent: Annotated[
        int,
        typer.Option(
            "--max-concurrent",
            metavar="N",
            min=1,
            rich_help_panel=_ACCESS,
            help="Most runs under way; more are answered with 503.",
        ),
    ] = 1024,
    max_connections: Annotated[
        int | None,
        typer.Option(
            "--max-connections",
            metavar="N",
            min=1,
            rich_help_panel=_ACCESS,
            help="Most connections; where there is no room, the one that is idle longest is closed. Default: half of "
            "the files that the process may open, at most 10,000.",
        ),
    ] = None,
    max_calls: Annotated[
        int,
        typer.Option("--max-calls", "-n", metavar="N", min=1, rich_help_panel=_RUN, help="Most requests to models."),
    ] = 256,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", min=1, rich_help_panel=_RUN, help="Most tokens, prompts included."),
    ] = None,
    max_usd: Annotated[
        float | None,
        typer.Option("--max-usd", metavar="X", min=0, rich_help_panel=_RUN, help="Most dollars; needs known prices."),
    ] = None,
    max_seconds: Annotated[
        float, typer.Option("--max-seconds", metavar="X", min=0.1, rich_help_panel=_RUN, help="Most seconds.")
    ] = 600.0,
    concurrency: Annotated[
        int,
        typer.Option("--concurrency", "-j", metavar="N", min=1, rich_help_panel=_RUN, help="Calls in flight at once."),
    ] = 8,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE|URL",
            rich_help_panel=_KEEP,
            help="Where runs are kept, so that they survive a restart: a SQLite file, or "
            "postgresql://USER:PASSWORD@HOST/DATABASE. A URL may be in the variable REFLECTREE_CHECKPOINT instead.",
        ),
    ] = None,
    keep_days: Annotated[
        float,
        typer.Option("--keep-days", metavar="X", min=0, rich_help_panel=_KEEP, help="Days a run that ended is kept."),
    ] = 30.0,
    drain_seconds: Annotated[
        float,
        typer.Option(
            "--drain-seconds",
            metavar="X",
            min=0,
            rich_help_panel=_KEEP,
            help="Seconds that runs under way have once the server is told to end.",
        ),
    ] = 30.0,
) -> None:
    """Serve reasoning as a model: an OpenAI-compatible endpoint that any client can use.

    The name of a model is a blueprint and a policy, as mcts/openai/gpt-5-mini; a blueprint alone takes the first
    --model. Only this machine can connect, unless --host says otherwise, which wants a key. Ctrl-C or SIGTERM answers
    what is under way and ends; a second one ends at once.

    Try:

        reflectree serve --port 8000

        reflectree serve -m openai/gpt-5-mini -m mini=ollama/qwen3:4b -b cot -b mcts --checkpoint runs.sqlite

        curl localhost:8000/v1/chat/completions -H 'Content-Type: application/json' \
-d '{"model": "cot", "messages": [{"role": "user", "content": "What is 17 times 23?"}]}'

    Exit codes: 0 told to end, 2 bad input (a port in use, an unknown model, no key for a network, an extra missing).
    """  # fmt: skip
    from reflectree.rlm_ops.extras import require

    for module in ("starlette", "uvicorn", "prometheus_client"):
        require(module, "serve", "the endpoint")
    from reflectree.apps.endpoint.keys import read_keys
    from reflectree.apps.endpoint.limits import Limits
    from reflectree.apps.endpoint.run import serve as run
    from reflectree.apps.endpoint.service import Service
    from reflectree.models.http.limits import check_exposure
    from reflectree.models.http.room import open_more, room
    from reflectree.models.http.running import bind
    from reflectree.rlm_ops.budget import Budget

    allowed = read_keys(api_key_env, keys)
    check_exposure(host, bool(allowed), insecure, "give keys with --api-key-env NAME or --keys FILE, or say --insecure")
    open_more()
    connections = room(max_connections)
    with closing(bind(host, port)) as sock:  # before a model is loaded: that a port is in use is known at once
        offering = _offering(
            models or ["embedded"], blueprint or (), value_model, memory, model_key_env, price, concurrency
        )
        service = Service(
            offering,
            keys=allowed,
            caps=Budget(max_calls, max_tokens, max_usd, max_seconds),
            limits=Limits(int(max_body_mb * 2**20), concurrent=max_concurrent),
            checkpoint=checkpoint or os.environ.get("REFLECTREE_CHECKPOINT") or None,
            keep_days=keep_days,
        )
        names = [name.lower() for name in allow_host or ()]
        run(
            service,
            sock,
            grace=drain_seconds,
            names=names,
            connections=connections,
            announce=lambda url: _announce(service, url),
        )


def _offering(
    models: Sequence[str],
    sources: Sequence[str],
    value_model: str | None,
    memory: str | None,
    key_env: str | None,
    price: str | None,
    concurrency: int,
) -> Any:
    """What is offered.

    Raises:
        BadInput: A model, a blueprint or a key is none.
    """
    from reflectree.apps.endpoint.offering import offer
    from reflectree.apps.inputs import read_price
    from reflectree.models.base import Price
    from reflectree.models.resolve_values import located
    from reflectree.models.resolve_values import value_model as resolve_values
    from reflectree.rlm_ops.errors import BadInput

    options: dict[str, Any] = {}
    if key_env is not None:
        options["api_key"] = os.environ.get(key_env, "")
        if not options["api_key"]:
            raise BadInput(f"the environment variable {key_env} is not set: put the models' key in it")
    prices = read_price(price)
    if prices is not None:
        options["price"] = Price(*prices)
    evaluator = None if value_model is None else resolve_values(located(value_model, os.getcwd()))
    return offer(models, sources, evaluator=evaluator, memory=memory, concurrency=concurrency, options=options)


def _announce(service: Any, url: str) -> None:
    """Where it answers, what it offers, and one request to begin with."""
    names = list(service.offered)
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    key = " -H 'Authorization: Bearer YOUR_KEY'" if service.keys else ""
    body = f'{{"model": "{names[0]}", "messages": [{{"role": "user", "content": "What is 17 times 23?"}}]}}'
    typer.echo(f"Answering on {url}/v1: {shown}")
    typer.echo(f"Try: curl {url}/v1/chat/completions{key} -H 'Content-Type: application/json' -d '{body}'")
