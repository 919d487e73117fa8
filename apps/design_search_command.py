"""`reflectree design-search`: search for a better prompt, better modules or a better team, resumable by folder.

Options in, a table out; the work is done by `reflectree.graphs.design_search`, which is imported once the command runs.
"""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from reflectree.apps.interrupting import interruptible
from reflectree.apps.run_options import ApiKeyEnv, BaseUrl, Model, PriceOption, Roles, Tools, folder

DONE, NOT_TESTED = 0, 3


def design_search(
    taskset: Annotated[
        str,
        typer.Option(
            "--taskset", "-T", metavar="TASKSET", help="As `reflectree bench` takes it; every task needs an answer."
        ),
    ],
    seed_blueprint: Annotated[
        str, typer.Option("--seed-blueprint", "-b", metavar="B", help="The design to begin with: a name or a file.")
    ] = "cot",
    level: Annotated[
        str, typer.Option("--level", "-l", metavar="LEVEL", help="What may change: prompt, module or agent.")
    ] = "prompt",
    method: Annotated[
        str | None, typer.Option("--method", metavar="M", help="How to search; by default gepa, aflow or evolve.")
    ] = None,
    proposer: Annotated[
        str,
        typer.Option("--proposer", metavar="MODEL", help="The model that proposes designs; none varies by chance."),
    ] = "policy",
    budget_tokens: Annotated[
        int | None, typer.Option("--budget-tokens", "-t", metavar="N", help="Most tokens of search and test together.")
    ] = None,
    budget_calls: Annotated[int | None, typer.Option("--budget-calls", metavar="N", help="Most calls.")] = None,
    budget_usd: Annotated[float | None, typer.Option("--budget-usd", metavar="USD", help="Most dollars.")] = None,
    budget_seconds: Annotated[float | None, typer.Option("--budget-seconds", metavar="S", help="Most seconds.")] = None,
    example_calls: Annotated[
        int, typer.Option("--example-calls", metavar="N", help="Most calls a design may make for one task.")
    ] = 64,
    example_tokens: Annotated[
        int | None, typer.Option("--example-tokens", metavar="N", help="Most tokens a design may spend on one task.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option("--ray", metavar="ADDRESS|local", help="Run the designs on a Ray cluster.")
    ] = None,
    ray_workers: Annotated[int, typer.Option("--ray-workers", metavar="N", help="Workers there.")] = 2,
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="Most tasks.")] = None,
    minibatch: Annotated[int, typer.Option("--minibatch", metavar="N", help="Tasks a minibatch.")] = 8,
    about: Annotated[str, typer.Option("--about", metavar="TEXT", help="What the tasks are, for the proposer.")] = "",
    seed: Annotated[int, typer.Option("--seed", help="Seed of generated tasks and of all sampling.")] = 0,
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", metavar="N", help="Calls in flight at once.")] = 8,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="Change a parameter of the method, as iterations=10."),
    ] = None,
    model: Model = None,
    base_url: BaseUrl = None,
    api_key_env: ApiKeyEnv = None,
    price: PriceOption = None,
    roles: Roles = None,
    tools: Tools = None,
    memory: Annotated[
        str | None, typer.Option("--memory", metavar="FOLDER", help="What designs may recall from; never written.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="DIR", help="Keep everything here; the same command goes on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Search for a better design of a reasoning system, and measure it on tasks the search never saw.

    A design is a blueprint. It is changed at a level: its prompts, its modules (operators, strategy, models, memory),
    or its team. Tasks are split by content into train, validation and test; the test part is opened once, at the end,
    for the seed design, the best one, and the seed at the best one's cost. A gain is one whose
    interval leaves zero out.

    Ctrl-C keeps what is done; with --out the same command goes on, and pays for no example twice.

    Try:

        reflectree design-search -T tasks.jsonl -m openai/gpt-5-mini -t 500000 -o found

        reflectree design-search -T "reasoning_gym:chain_sum" -n 90 --level module --method mcts -s iterations=10

    Exit codes: 0 done, 2 bad input, 3 the budget did not pay for the test, 4 model unreachable,
    130 interrupted and kept.
    """  # fmt: skip
    from reflectree.apps import asking, designview, inputs
    from reflectree.apps.designprogress import DesignProgress
    from reflectree.apps.progress import shown
    from reflectree.apps.terminal import console
    from reflectree.graphs.design_search.run import design_search as search
    from reflectree.graphs.tasksets import load_taskset
    from reflectree.rlm_ops.budget import Budget

    options = asking.RunOptions(
        model=model, base_url=base_url, api_key_env=api_key_env, price=inputs.read_price(price),
        roles=inputs.read_roles(roles or ()), tools=tuple(tools or ()), directory=os.getcwd(),
    )  # fmt: skip
    show = DesignProgress(quiet)
    with interruptible(quiet), shown(show, quiet=quiet):
        policy = options.policy(show.preparing) if ray is None else _words(options)
        report = search(
            seed_blueprint,
            load_taskset(taskset, limit=limit, seed=seed),
            level=_level(level),
            method=method,
            policy=policy,
            proposer=None if proposer == "none" else proposer,
            models=options.roles,
            tools=options.tool_functions() or (),
            memory=_existing(memory),
            budget=Budget(budget_calls, budget_tokens, budget_usd, budget_seconds),
            example_budget=Budget(calls=example_calls, tokens=example_tokens),
            ray=ray,
            ray_workers=ray_workers,
            folder=out,
            seed=seed,
            concurrency=concurrency,
            settings=inputs.read_overrides(settings or ()),
            minibatch=minibatch,
            about=about,
            on_event=show.on_event,
            on_begin=show.search_begins,
            on_example=show.on_example,
            on_lost=show.on_lost,
        )
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        designview.show(report, console())
        if out is not None:
            designview.where(out, console())
    raise typer.Exit(NOT_TESTED if report.untested else DONE)


def _existing(memory: str | None) -> str | None:
    from reflectree.rlm_ops.errors import BadInput

    place = folder(memory)
    if place is not None and not os.path.isdir(place):
        raise BadInput(f"--memory {memory}: there is no such folder, and designs only read it")
    return place


def _words(options: Any) -> Any:
    """The model in words, for workers that build their own."""
    from reflectree.training.pipelines.recipe import ModelWords

    return ModelWords(
        name=options.model or ("" if options.base_url else "embedded"),
        base_url=options.base_url,
        api_key_env=options.api_key_env,
        price=options.price,
    )


def _level(name: str) -> Any:
    from reflectree.graphs.design_search.parameters import LEVELS
    from reflectree.rlm_ops.errors import BadInput
    from reflectree.rlm_ops.strategies.parse import nearest

    if name not in LEVELS:
        raise BadInput(f"--level {name!r}: {nearest(name, list(LEVELS))}")
    return name
