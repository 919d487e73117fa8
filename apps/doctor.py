"""`reflectree doctor`: what is installed, what answers, what to do.

It pays for nothing, and sends a key only to the endpoint that `--model` names.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer


def doctor(
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="Ask this model's endpoint too. Default: embedded."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Root of an OpenAI-compatible endpoint.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option("--api-key-env", metavar="NAME", help="Environment variable that holds the key.")
    ] = None,
    value_model: Annotated[
        str | None, typer.Option("--value-model", metavar="NAME", help="Look whether this value model is there, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check the installation and the models. Nothing is paid.

    Exit code 0 if `reflectree solve` works with this model, 4 if the model cannot be reached, 2 otherwise.

    Try:

        reflectree doctor

        reflectree doctor --model http://localhost:8000/v1#Qwen3-8B
    """
    from reflectree.apps.checkup import check_up, print_findings

    findings = check_up(model, base_url, api_key_env, value_model)
    code = max((finding.exit_code for finding in findings), default=0)
    if as_json:
        typer.echo(json.dumps({"ok": code == 0, "findings": [finding.to_json() for finding in findings]}))
    else:
        print_findings(findings)
    raise typer.Exit(code)
