"""The options that commands share which run a blueprint: models, budget, search, what is kept, and what is printed.

Only words are here: nothing is imported but what `--help` needs.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

MODEL, BUDGET, SEARCH, KEEP, OUTPUT = "Model", "Budget", "Search", "Keeping", "Output"

Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="MODEL", rich_help_panel=MODEL,
        help="embedded (default), openai/NAME, ollama/NAME, vllm/NAME, litellm/PROVIDER/NAME, local/FOLDER, "
        "http://HOST:PORT/v1#NAME; with --base-url any name.",
    ),
]  # fmt: skip
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", rich_help_panel=MODEL, help="Root of an OpenAI-compatible endpoint."),
]
ApiKeyEnv = Annotated[
    str | None,
    typer.Option(
        "--api-key-env", metavar="NAME", rich_help_panel=MODEL,
        help="Environment variable that holds the key (its name, never the key). Default: the provider's own.",
    ),
]  # fmt: skip
PriceOption = Annotated[
    str | None,
    typer.Option(
        "--price", metavar="IN,OUT", rich_help_panel=MODEL,
        help="Dollars per million prompt and completion tokens, where the price is not known.",
    ),
]  # fmt: skip
Judge = Annotated[
    str | None,
    typer.Option("--judge", metavar="MODEL", rich_help_panel=MODEL, help="Model that judges. Default: the same."),
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role", metavar="ROLE=MODEL", rich_help_panel=MODEL,
        help="A further model for a role the blueprint names, or for a member of its team, as in "
        "critic=openai/gpt-5-mini or agent-2=...; may be repeated.",
    ),
]  # fmt: skip
Tools = Annotated[
    list[str] | None,
    typer.Option(
        "--tool", metavar="NAME|MODULE:FUNCTION", rich_help_panel=SEARCH,
        help="A tool that may be used (react): calculator, python, or a typed function of yours; may be repeated.",
    ),
]  # fmt: skip
Evaluator = Annotated[
    str | None,
    typer.Option(
        "--evaluator", "-e", metavar="MODULE:FUNCTION", rich_help_panel=SEARCH,
        help="Your own score of a path, a float in [0, 1]; also FILE.py:FUNCTION.",
    ),
]  # fmt: skip
ValueModel = Annotated[
    str | None,
    typer.Option(
        "--value-model", metavar="NAME", rich_help_panel=SEARCH,
        help="A trained model that scores steps: http://HOST:PORT[#MODEL] (reflectree value-server), "
        "vllm-pooling/MODEL, vllm-classify/MODEL, tei, decisions/MODEL, countdown-value, or a folder with weights.",
    ),
]  # fmt: skip
Verifier = Annotated[
    str | None,
    typer.Option(
        "--verifier", "-v", metavar="SPEC", rich_help_panel=SEARCH,
        help="What is right: exact:42, numeric:3.14, math:\\frac12, regex:…, json-schema:FILE, countdown:3,5,7,8=24, "
        "python:module:function, reasoning_gym:NAME:INDEX, code:TESTS.py[:FUNCTION]. "
        "One that knows the answer only reports at the end.",
    ),
]  # fmt: skip
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory", metavar="FOLDER", rich_help_panel=KEEP,
        help="What earlier runs learnt is recalled from here, and what this one learns is kept; made where missing.",
    ),
]  # fmt: skip
Environment = Annotated[
    str | None,
    typer.Option(
        "--environment", "-E", metavar="NAME", rich_help_panel=SEARCH,
        help="What commands are carried out in, as in toy/kitchen-2 or textworld/coin-3: see reflectree environments. "
        "It brings its own task.",
    ),
]  # fmt: skip
Safety = Annotated[
    str | None,
    typer.Option(
        "--safety", metavar="hazards", rich_help_panel=SEARCH,
        help="Refuse commands of tools and environments that name what is on this list.",
    ),
]  # fmt: skip
Calls = Annotated[
    int | None,
    typer.Option("--max-calls", "-n", metavar="N", rich_help_panel=BUDGET, help="Most requests to models."),
]
Tokens = Annotated[
    int | None,
    typer.Option("--max-tokens", metavar="N", rich_help_panel=BUDGET, help="Most prompt and completion tokens."),
]
Usd = Annotated[
    float | None,
    typer.Option("--max-usd", metavar="X", rich_help_panel=BUDGET, help="Most dollars; needs a known price."),
]
Seconds = Annotated[
    float | None,
    typer.Option("--max-seconds", metavar="X", rich_help_panel=BUDGET, help="Most seconds, interruptions left out."),
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", "-j", metavar="N", rich_help_panel=SEARCH, help="Calls in flight at once (8)."),
]
TraceFile = Annotated[
    str | None,
    typer.Option("--trace", "-o", metavar="FILE", rich_help_panel=OUTPUT, help="Save everything that happened."),
]
Checkpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint", metavar="FILE", rich_help_panel=KEEP,
        help="SQLite file to keep the run in for good. Default: the state folder, until the run has finished.",
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="One JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel=OUTPUT, help="No progress; only the answer.")]


def folder(given: str | None) -> str | None:
    """The folder of a memory, wherever the run is resumed.

    Raises:
        BadInput: It has no name.
    """
    from reflectree.rlm_ops.errors import BadInput

    if given is None:
        return None
    if not given.strip():
        raise BadInput("--memory names no folder: give its path")
    return os.path.abspath(given)
