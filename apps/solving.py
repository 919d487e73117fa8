"""`reflectree solve` and `reflectree resume`: options in, one run, an exit code.

Only words are handled here; everything heavy is imported once a command really runs, so that `--help` comes at once.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from reflectree.apps.run_options import (
    KEEP,
    SEARCH,
    ApiKeyEnv,
    BaseUrl,
    Calls,
    Checkpoint,
    Concurrency,
    Environment,
    Evaluator,
    Json,
    Judge,
    Memory,
    Model,
    PriceOption,
    Quiet,
    Roles,
    Safety,
    Seconds,
    Tokens,
    Tools,
    TraceFile,
    Usd,
    ValueModel,
    Verifier,
    folder,
)


def solve(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The question; '-' reads it from stdin.")] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            "-t",
            metavar="FILE",
            help="The task from a file, as plain text or as JSON with question, answer or verifier, context, examples.",
        ),
    ] = None,
    blueprint: Annotated[
        str | None,
        typer.Option(
            "--blueprint",
            "-b",
            metavar="NAME|FILE",
            rich_help_panel=SEARCH,
            show_default="mcts, or the one that suits the problem",
            help="The reasoning system: see reflectree blueprints; or a YAML or JSON file.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="PATH=VALUE",
            rich_help_panel=SEARCH,
            help="Change the blueprint, as in scheme.strategy.width=2; may be repeated.",
        ),
    ] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    api_key_env: ApiKeyEnv = None,
    price: PriceOption = None,
    judge: Judge = None,
    roles: Roles = None,
    tools: Tools = None,
    evaluator: Evaluator = None,
    value_model: ValueModel = None,
    verifier: Verifier = None,
    environment: Environment = None,
    problem: Annotated[
        str | None,
        typer.Option(
            "--problem",
            "-p",
            metavar="NAME",
            rich_help_panel=SEARCH,
            help="A problem that measures its solutions, as in tsp/10 or symbolic/kepler: see reflectree problems. "
            "For the blueprints opro, funsearch, llm-sr and hypothesis-search.",
        ),
    ] = None,
    safety: Safety = None,
    max_calls: Calls = None,
    max_tokens: Tokens = None,
    max_usd: Usd = None,
    max_seconds: Seconds = None,
    concurrency: Concurrency = None,
    seed: Annotated[int, typer.Option("--seed", rich_help_panel=SEARCH, help="Seed of all sampling.")] = 0,
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle",
            rich_help_panel=SEARCH,
            help="Let the search see the verifier's gold answer (for experiments; the result says so).",
        ),
    ] = False,
    trace: TraceFile = None,
    memory: Memory = None,
    checkpoint: Checkpoint = None,
    run_id: Annotated[
        str | None,
        typer.Option("--run-id", metavar="ID", rich_help_panel=KEEP, help="Its name; an unfinished run goes on."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Reason about one task until there is an answer.

    The answer goes to stdout, everything else to stderr. The budget is 200 calls and 300 seconds where no cap is given.

    Ctrl-C saves the run and says how to go on with it.

    Try:

        reflectree solve "Make 24 of 3, 5, 7, 8." -v countdown:3,5,7,8=24

        reflectree solve -t task.json -m openai/gpt-5-mini --max-usd 0.05

        reflectree solve -b best-of-n -s scheme.strategy.n=8 -o run.jsonl "..."

        reflectree solve -b expel --memory lessons -t task.json

        reflectree solve -b react-env -E toy/kitchen-2

        reflectree solve -p tsp/10

    Exit codes: 0 answered, 2 bad input, 3 no answer within the budget, 4 model unreachable, 5 waits for a person,
    130 interrupted and saved.
    """  # fmt: skip
    from reflectree.apps import inputs
    from reflectree.apps.asking import RunOptions
    from reflectree.apps.ready import Output
    from reflectree.apps.running import solve_once

    name = _suited(problem) if blueprint is None else blueprint
    options = RunOptions(
        **inputs.read_task(text, task, brought=environment or problem),
        blueprint=inputs.read_blueprint(name, settings or ()).model_dump(mode="json"),
        model=model,
        base_url=base_url,
        api_key_env=api_key_env,
        price=inputs.read_price(price),
        judge=judge,
        roles=inputs.read_roles(roles or ()),
        tools=tuple(tools or ()),
        evaluator=evaluator,
        value_model=value_model,
        verifier=verifier,
        calls=max_calls,
        tokens=max_tokens,
        usd=max_usd,
        seconds=max_seconds,
        concurrency=8 if concurrency is None else concurrency,
        seed=seed,
        oracle=oracle,
        memory=folder(memory),
        environment=environment,
        problem=problem,
        safety=safety,
        directory=os.getcwd(),
    ).with_default_caps()
    raise typer.Exit(solve_once(options, run_id, checkpoint, Output(trace=trace, as_json=as_json, quiet=quiet)))


def resume(
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN_ID", help="The run; without one, those that can be resumed are listed.")
    ] = None,
    checkpoint: Checkpoint = None,
    model: Model = None,
    base_url: BaseUrl = None,
    api_key_env: ApiKeyEnv = None,
    price: PriceOption = None,
    judge: Judge = None,
    roles: Roles = None,
    tools: Tools = None,
    evaluator: Evaluator = None,
    value_model: ValueModel = None,
    verifier: Verifier = None,
    max_calls: Calls = None,
    max_tokens: Tokens = None,
    max_usd: Usd = None,
    max_seconds: Seconds = None,
    concurrency: Concurrency = None,
    memory: Memory = None,
    reply: Annotated[
        str | None,
        typer.Option("--reply", metavar="TEXT", help="What you say to the question that the run waits with."),
    ] = None,
    trace: TraceFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on with an interrupted run, without paying again for what it has.

    Everything is as it was asked for; what is given here replaces it. A run that has finished is printed again. A
    checkpoint names models, addresses and functions of yours: resume only files you trust.

    Try:

        reflectree resume 1f0c5d2ab9e4

        reflectree resume 1f0c5d2ab9e4 --checkpoint runs.sqlite --max-calls 1000
    """
    from reflectree.apps import inputs
    from reflectree.apps.ready import Output
    from reflectree.apps.resuming import list_unfinished, resume_run

    if run_id is None:
        raise typer.Exit(list_unfinished(checkpoint))
    given = {
        "model": model, "base_url": base_url, "api_key_env": api_key_env, "price": inputs.read_price(price),
        "judge": judge, "roles": inputs.read_roles(roles or ()) or None, "tools": tuple(tools or ()) or None,
        "evaluator": evaluator, "value_model": value_model, "verifier": verifier, "calls": max_calls,
        "tokens": max_tokens, "usd": max_usd, "seconds": max_seconds, "concurrency": concurrency,
        "memory": folder(memory),
    }  # fmt: skip
    if evaluator is not None or verifier is not None or value_model is not None:
        given["directory"] = os.getcwd()
    output = Output(trace=trace, as_json=as_json, quiet=quiet)
    raise typer.Exit(resume_run(run_id, checkpoint, given, output, reply))


def _suited(problem: str | None) -> str:
    """The reasoning system where none is named.

    Raises:
        BadInput: There is no such problem.
    """
    if problem is None:
        return "mcts"
    from reflectree.graphs import discovery

    suited: str = getattr(discovery.problem(problem), "blueprint", "opro")
    return suited
