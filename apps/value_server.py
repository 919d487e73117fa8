"""`reflectree value-server`: a value model behind HTTP, in the shapes that clients of reward models already speak.

Only words are handled here; torch and the server are imported once the command really runs.
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from reflectree.models.scoring.items import Scorer

_MODEL, _ADDRESS, _LIMITS = "Model", "Address", "Limits"


def value_server(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="PATH|NAME",
            rich_help_panel=_MODEL,
            help="A folder with weights (safetensors), a name in the Hugging Face cache, or countdown-value.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            rich_help_panel=_MODEL,
            help="What clients call the model. Default: what the model calls itself.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", rich_help_panel=_MODEL, help="auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            metavar="NAME",
            rich_help_panel=_MODEL,
            help="float32, bfloat16, float16; auto is bfloat16 on a GPU and float32 elsewhere.",
        ),
    ] = "auto",
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            rich_help_panel=_MODEL,
            help="How scores are read, where neither the model's card nor its configuration says: value-head, "
            "token-classifier, sequence-classifier, preference, implicit-prm.",
        ),
    ] = None,
    step_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            rich_help_panel=_MODEL,
            help="How steps become tokens, where the card does not say: plain, qwen-prm, math-shepherd, rlhflow, "
            "skywork, openr-qwen, pair, whole.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="PATH|NAME",
            rich_help_panel=_MODEL,
            help="Reference model of an implicit-prm, where its card names none.",
        ),
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", rich_help_panel=_MODEL, help="Fetch the model from Hugging Face if need be.")
    ] = False,
    prefix_cache_tokens: Annotated[
        int | None,
        typer.Option(
            "--prefix-cache-tokens",
            metavar="N",
            min=0,
            rich_help_panel=_MODEL,
            help="Most tokens whose computation is kept for siblings; 0 keeps none.",
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
    ] = 8100,
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
    max_batch_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-batch-tokens",
            metavar="N",
            min=1,
            rich_help_panel=_LIMITS,
            help="Most tokens that go through the model at once (16,384).",
        ),
    ] = None,
    max_queue: Annotated[
        int | None,
        typer.Option(
            "--max-queue",
            metavar="N",
            min=1,
            rich_help_panel=_LIMITS,
            help="Most items that wait; more are answered with 429 (8,192).",
        ),
    ] = None,
    max_items: Annotated[
        int | None,
        typer.Option(
            "--max-items",
            metavar="N",
            min=1,
            rich_help_panel=_LIMITS,
            help="Most items of a request; more are answered with 413 (1,024).",
        ),
    ] = None,
    step_tag: Annotated[
        str | None,
        typer.Option(
            "--step-tag",
            metavar="TEXT",
            rich_help_panel=_MODEL,
            help="What ends a step in conversations sent to /pooling. Default: <extra_0>.",
        ),
    ] = None,
) -> None:
    """Serve a value model: scores for steps of reasoning.

    Answers on /v1/value, and in the shapes of vLLM (/pooling, /classify, /score), rerankers (/v1/rerank), TEI
    (/predict) and OpenAI's decisions (/v1/decisions). The address is printed once it answers. Ctrl-C or SIGTERM answers
    what is under way and ends.

    Try:

        reflectree value-server --model runs/value --port 8100

        reflectree value-server --model Qwen/Qwen2.5-Math-PRM-7B --download --device cuda

        curl localhost:8100/v1/value -d '{"items": [{"question": "6 * 7?", "steps": ["6 * 7 = 42"]}]}'

    Exit codes: 0 told to end, 2 bad input (no such model, port in use, an extra not installed).
    """  # fmt: skip
    from reflectree.rlm_ops.errors import BadInput
    from reflectree.rlm_ops.extras import require

    for module in ("torch", "transformers", "starlette", "uvicorn", "prometheus_client"):
        require(module, "serving", "the value server")
    key = os.environ.get(api_key_env) if api_key_env else None
    if api_key_env and not key:
        raise BadInput(f"the environment variable {api_key_env} is not set: put the key in it, or leave it out")

    from reflectree.models.http.limits import check_exposure
    from reflectree.models.http.running import bind
    from reflectree.models.serving.engine import MAX_BATCH_TOKENS, MAX_QUEUE, ScoringEngine
    from reflectree.models.serving.limits import Limits
    from reflectree.models.serving.run import serve
    from reflectree.models.serving.service import STEP_TAG, Service

    check_exposure(host, bool(key), insecure)
    with closing(bind(host, port)) as sock:  # before the model is loaded: that a port is in use is known at once
        given = {
            "kind": kind,
            "format": step_format,
            "reference": reference,
            "prefix_cache_tokens": prefix_cache_tokens,
        }
        scorer = _load(
            model, device, dtype, download, {key: value for key, value in given.items() if value is not None}
        )
        engine = ScoringEngine(
            scorer, max_batch_tokens=max_batch_tokens or MAX_BATCH_TOKENS, max_queue=max_queue or MAX_QUEUE
        )
        limits = Limits() if max_items is None else Limits(items=max_items)
        service = Service(engine, name or "", limits, STEP_TAG if step_tag is None else step_tag, key)
        about = f"{service.name} ({scorer.info.kind}, {scorer.info.device}, {scorer.info.dtype})"
        serve(service, sock, announce=lambda url: typer.echo(f"{about} on {url}"))


def _load(model: str, device: str, dtype: str, download: bool, given: dict[str, Any]) -> Scorer:
    """The scorer that a name or a folder stands for; Countdown's models have a reader of their own."""
    from reflectree.models.neural.countdown.load import VALUE
    from reflectree.models.neural.countdown.load import load_scorer as load_countdown
    from reflectree.models.neural.load import load_scorer
    from reflectree.models.scoring.card import read_card
    from reflectree.rlm_ops.errors import BadInput

    card = None if model == VALUE else read_card(model)
    if model == VALUE or (card is not None and card.format == "countdown"):
        if given or device not in ("auto", "cpu") or dtype not in ("auto", "float32"):
            raise BadInput(f"{model} is read in one way, on the CPU: leave the options of the model out")
        return load_countdown(None if model == VALUE else model)
    return load_scorer(model, device=device, dtype=cast("Any", dtype), local_files_only=not download, **given)
