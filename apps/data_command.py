"""`reflectree data generate|label|stats|annotate`: searches become training data.

Options in, numbers out; the work is done by `reflectree.training.pipelines`, which is imported once a command runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reflectree.apps.annotating import annotate
from reflectree.apps.data_options import (
    Buffer,
    Filters,
    Json,
    Labels,
    MaxCalls,
    MaxSeconds,
    MaxTokens,
    MaxUsd,
    Quiet,
    Rollouts,
    Round,
    SplitKey,
    TestShare,
    ValidShare,
    splits_of,
)
from reflectree.apps.interrupting import INTERRUPTED
from reflectree.apps.label_command import label
from reflectree.apps.run_options import (
    ApiKeyEnv,
    BaseUrl,
    Evaluator,
    Judge,
    Model,
    PriceOption,
    Roles,
    Tools,
    ValueModel,
)

if TYPE_CHECKING:
    pass

DONE, PAUSED = 0, 3
SEARCH = "Search"
DEFAULT_RUN_CALLS = 200
"""Most calls of one run for which no cap was given."""

app = typer.Typer(no_args_is_help=True, help="Make training data of searches: traces, labels, a replay buffer.")
app.command()(annotate)


@app.command()
def generate(
    taskset: Annotated[
        str,
        typer.Argument(metavar="TASKSET", help="Tasks: a JSONL file, reasoning_gym:NAME?key=value, family:NAME, ..."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="The job's folder; what it holds is not paid again.")
    ],
    blueprint: Annotated[
        str,
        typer.Option("--blueprint", "-b", metavar="NAME|FILE", rich_help_panel=SEARCH, help="The reasoning system."),
    ] = "mcts",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="PATH=VALUE", rich_help_panel=SEARCH, help="Change it; may be repeated."),
    ] = None,
    labels: Labels = None,
    filters: Filters = None,
    buffer: Buffer = None,
    rollouts: Rollouts = 8,
    round: Round = 0,
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="Most tasks.")] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Runs a task, each with a seed of its own.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Seed of generated tasks and of all sampling.")] = 0,
    parallel: Annotated[int, typer.Option("--parallel", min=1, help="Runs at once.")] = 4,
    concurrency: Annotated[
        int, typer.Option("--concurrency", "-j", min=1, help="Calls in flight at once in one run.")
    ] = 8,
    ray: Annotated[
        str | None, typer.Option("--ray", metavar="ADDRESS|local", help="Spread the runs over a Ray cluster.")
    ] = None,
    ray_workers: Annotated[
        int | None, typer.Option("--ray-workers", min=1, help="Workers there (as --parallel).")
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
    oracle: Annotated[
        bool, typer.Option("--oracle", rich_help_panel=SEARCH, help="Let search see gold answers; traces say so.")
    ] = False,
    run_calls: Annotated[int | None, typer.Option("--run-calls", help="Most requests of one run (200).")] = None,
    run_tokens: Annotated[int | None, typer.Option("--run-tokens", help="Most tokens of one run.")] = None,
    run_usd: Annotated[float | None, typer.Option("--run-usd", help="Most dollars of one run.")] = None,
    run_seconds: Annotated[float | None, typer.Option("--run-seconds", help="Most seconds of one run.")] = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    max_seconds: MaxSeconds = None,
    test_share: TestShare = None,
    valid_share: ValidShare = None,
    split_key: SplitKey = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Reason about every task of a set, keep the traces, and make training samples of them.

    Tasks of the test split are left out, by a hash of what they ask; published test sets are refused. A cap on the
    whole job pauses it between two runs. Ctrl-C keeps what is done; in all cases the same command goes on.

    Try:

        reflectree data generate tasks.jsonl -o data -m openai/gpt-5-mini -l outcome --run-usd 0.02 --max-usd 5

        reflectree data generate "reasoning_gym:countdown?examples=3" -n 200 -o data -l rest-mcts --split-key numbers

        reflectree data generate tasks.jsonl -o data -m vllm/my-model --ray auto --parallel 16

    Exit codes: 0 done, 2 bad input, 3 paused by a cap, 4 model unreachable, 130 interrupted and kept.
    """  # fmt: skip
    from reflectree.apps import asking, dataview, inputs
    from reflectree.graphs.tasksets import load_taskset
    from reflectree.rlm_ops.budget import Budget
    from reflectree.training.filters import read
    from reflectree.training.pipelines.generation import generate as run_generation
    from reflectree.training.pipelines.generation import refuse_published
    from reflectree.training.pipelines.recipe import ModelWords

    refuse_published(taskset)  # before it is loaded
    options = asking.RunOptions(
        tools=tuple(tools or ()), evaluator=evaluator, value_model=value_model, directory=os.getcwd()
    )
    values = value_model and str(Path(value_model).expanduser().absolute()) if _is_folder(value_model) else value_model
    name = model if model is not None else "" if base_url else "embedded"
    words = ModelWords(name=name, base_url=base_url, api_key_env=api_key_env, price=inputs.read_price(price))
    no_cap = all(cap is None for cap in (run_calls, run_tokens, run_usd, run_seconds))
    show = dataview.Show(quiet)
    try:
        with show.on_stderr():
            report = run_generation(
                load_taskset(taskset, limit=limit, seed=seed),
                out,
                blueprint=inputs.read_blueprint(blueprint, settings or ()),
                policy=words,
                judge=judge,
                models=inputs.read_roles(roles or ()),
                tools=options.tool_functions(),
                evaluator=options.evaluator_function(),
                evaluator_name=evaluator or value_model or "",
                value_model=values,
                budget=Budget(DEFAULT_RUN_CALLS if no_cap else run_calls, run_tokens, run_usd, run_seconds),
                cap=Budget(max_calls, max_tokens, max_usd, max_seconds),
                runs=runs,
                seed=seed,
                parallel=parallel,
                concurrency=concurrency,
                oracle=oracle,
                splits=splits_of(test_share, valid_share, split_key),
                labels=labels or (),
                rollouts=rollouts,
                filters=[read(spec) for spec in filters or ()],
                buffer=(buffer or out / "buffer") if labels else None,
                round=round,
                ray=ray,
                ray_workers=ray_workers,
                on_begin=show.begin,
                on_run=show.run,
                on_note=show.note,
            )
    except KeyboardInterrupt:
        if show.session is None:
            dataview.interrupted(None)
            raise typer.Exit(INTERRUPTED) from None
        report = show.session.stand()
        dataview.interrupted(report)
        dataview.print_generation(report, as_json)
        raise typer.Exit(INTERRUPTED) from None
    dataview.print_generation(report, as_json)
    raise typer.Exit(PAUSED if report.paused else DONE)


app.command()(label)


@app.command()
def stats(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A replay buffer, or the folder of data generate.")],
    as_json: Json = False,
) -> None:
    """What is in a replay buffer, and what was refused; or how a data generation job stands.

    Try:

        reflectree data stats data/buffer --json
    """
    from reflectree.apps import dataview

    dataview.print_stats(folder, as_json)


@app.command()
def labels(as_json: Json = False) -> None:
    """The ways to label, what each makes and what it needs."""
    from reflectree.apps import dataview

    dataview.print_known_labels(as_json)


def _is_folder(name: str | None) -> bool:
    return name is not None and Path(name).expanduser().is_dir()
