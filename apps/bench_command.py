"""`reflectree bench`: blueprints side by side over a task set at equal tokens, resumable by task.

Options in, a table out; the work is done by `reflectree.graphs.benching`, which is imported once the command runs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reflectree.apps.bench_progress import Show, say_interrupted, say_paused
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
    folder,
)

if TYPE_CHECKING:
    from reflectree.apps.asking import RunOptions
    from reflectree.graphs.benching import Report
    from reflectree.rlm_ops.blueprint import Blueprint

DONE, NO_ANSWER, INTERRUPTED = 0, 3, 130


def bench(
    taskset: Annotated[
        str,
        typer.Argument(
            metavar="TASKSET",
            help="A JSONL file (question, answer or verifier, context, id, examples), "
            "reasoning_gym:NAME?key=value&examples=K, family:NAME, gsm8k or gsm8k:FILE, or mix:SPEC|SPEC.",
        ),
    ],
    budget_tokens: Annotated[
        int,
        typer.Option(
            "--budget-tokens", "-t", metavar="N", help="Most prompt and written tokens a task, for each blueprint."
        ),
    ],
    blueprints: Annotated[
        str,
        typer.Option(
            "--blueprints", "-b", metavar="A,B", help="Names or files, or all; self-consistency and best-of-n join in."
        ),
    ] = "cot,mcts",
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="Most tasks.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of generated tasks and of all sampling.")] = 0,
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", metavar="N", help="Calls in flight at once.")] = 8,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="[NAME:]PATH=VALUE",
            help="Change every blueprint that has the setting, or with NAME: one of them; may be repeated.",
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
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory", metavar="FOLDER", help="Every run recalls from this memory; nothing is written into it."
        ),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", metavar="N", help="Most tokens of the whole benchmark (pauses).")
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option("--max-usd", metavar="X", help="Most dollars of the whole benchmark (pauses).")
    ] = None,
    ray: Annotated[
        str | None, typer.Option("--ray", metavar="ADDRESS|local", help="Spread the runs over a Ray cluster.")
    ] = None,
    ray_workers: Annotated[
        int | None, typer.Option("--ray-workers", metavar="N", min=1, help="Workers there, a run at a time each (2).")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="Keep outcomes here; what it holds is not run again."),
    ] = None,
    traces: Annotated[
        str | None, typer.Option("--traces", metavar="FOLDER", help="Save each run's trace as BLUEPRINT/TASK.jsonl.")
    ] = None,
    plots: Annotated[
        list[Path] | None,
        typer.Option("--plot", metavar="FILE", help="Draw accuracy against tokens: .svg, .png or .html. Repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Compare reasoning systems on the same tasks at the same tokens.

    Every blueprint gets the same cap on tokens for each task; sampling blueprints sample until it is reached. Beside
    each accuracy stand its interval, its tokens, how often a right answer was found, and how often it was selected.

    Ctrl-C keeps what is done; the same command goes on.

    Try:

        reflectree bench tasks.jsonl -t 8000 -m openai/gpt-5-mini -n 50 -o mini.jsonl

        reflectree bench "reasoning_gym:chain_sum?examples=3" -t 2000 -n 20 -s operators.generate.max_tokens=64

        reflectree bench tasks.jsonl -t 8000 -m vllm/my-model --ray auto --ray-workers 16 -o mine.jsonl --plot mine.svg

    Exit codes: 0 done, 2 bad input, 3 no answer to any task, or paused by a cap, 4 model unreachable, 130 interrupted
    and kept.
    """  # fmt: skip
    from reflectree.apps import asking, inputs
    from reflectree.apps import plots as plotting
    from reflectree.apps.terminal import console
    from reflectree.graphs.benching import bench as run_bench
    from reflectree.graphs.benching import report as report_of
    from reflectree.graphs.tasksets import load_taskset
    from reflectree.rlm_ops.budget import Budget

    for plot in plots or ():  # refused before anything is paid
        plotting.check(plot)
    options = asking.RunOptions(
        model=model, base_url=base_url, api_key_env=api_key_env, price=inputs.read_price(price), judge=judge,
        roles=inputs.read_roles(roles or ()), tools=tuple(tools or ()), evaluator=evaluator, value_model=value_model,
        directory=os.getcwd(),
    )  # fmt: skip
    plans = choose(blueprints, settings or ())
    values = options.values()
    scorer = options.evaluator_function() if values is None else values if ray is None else _located(value_model)
    tasks = load_taskset(taskset, limit=limit, seed=seed)
    show = Show(len(tasks), [plan.name for plan in plans], quiet)
    try:
        with show.on_stderr(), at_hand(values):
            found = run_bench(
                tasks,
                plans,
                tokens=budget_tokens,
                policy=_policy(options, show) if ray is None else words_of(options),
                close=True,
                evaluator=scorer,
                evaluator_name=evaluator or value_model or "",
                judge=judge,
                models=options.roles,
                tools=options.tool_functions(),
                memory=folder(memory),
                seed=seed,
                concurrency=concurrency,
                out=out,
                cap=Budget(tokens=max_tokens, usd=max_usd),
                traces=traces,
                ray=ray,
                ray_workers=ray_workers,
                on_begin=show.begin,
                on_outcome=show.outcome,
                on_note=show.note,
            )
    except KeyboardInterrupt:
        if show.file is None:
            raise
        found = report_of(show.file.settings, show.file.done)
        say_interrupted(show.file, out)
        _print(found, as_json, console())
        raise typer.Exit(INTERRUPTED) from None
    _print(found, as_json, console())
    if found.n:
        for plot in plots or ():
            plotting.draw(found, plot)
    elif plots:
        from reflectree.apps.terminal import note

        note("no task is done by every blueprint yet: nothing is drawn")
    if found.paused:
        say_paused(found, out)
    answered = any(outcome.answer is not None for outcome in found.outcomes)
    raise typer.Exit(DONE if answered and not found.paused else NO_ANSWER)


@contextlib.contextmanager
def at_hand(values: Any) -> Iterator[None]:
    """A value model, if one was named: reached before anything is paid, and let go of at the end.

    Raises:
        ModelError: It cannot be reached.
    """
    if values is None:
        yield
        return
    from reflectree.graphs.bridge import run_sync
    from reflectree.models.resolve_values import reach_values

    try:
        run_sync(reach_values(values))
        yield
    finally:
        run_sync(values.aclose())


def choose(names: str, settings: Sequence[str]) -> list[Blueprint]:
    """The blueprints to compare, with their settings changed.

    Raises:
        BadInput: A name or a setting is unknown.
    """
    from reflectree.apps.inputs import read_overrides
    from reflectree.graphs.benching import line_up
    from reflectree.graphs.blueprints import names as built_in
    from reflectree.rlm_ops.errors import BadInput

    wanted = built_in() if names.strip() == "all" else [name.strip() for name in names.split(",") if name.strip()]
    plans = line_up(wanted)
    for setting in settings:
        (path, value), only = next(iter(read_overrides([setting]).items())), None
        if ":" in path:
            only, _, path = path.partition(":")
            if only not in {plan.name for plan in plans}:
                compared = ", ".join(plan.name for plan in plans)
                raise BadInput(f"--set {setting!r}: {only!r} is not compared; {compared} are")
        takers = [plan.name for plan in plans if (only is None and _has(plan, path)) or plan.name == only]
        if not takers:
            plans[0].with_overrides({path: value})  # names what there is instead
            raise BadInput(f"--set {setting!r}: no blueprint that is compared has {path}")
        plans = [plan.with_overrides({path: value}) if plan.name in takers else plan for plan in plans]
    return plans


def _has(plan: Blueprint, path: str) -> bool:
    place: Any = plan.model_dump()
    for key in path.split("."):
        if not isinstance(place, Mapping) or key not in place:
            return False
        place = place[key]
    return True


def words_of(options: RunOptions) -> Any:
    """The model in words, for workers that build their own."""
    from reflectree.models.words import ModelWords

    return ModelWords(
        name=options.model or ("" if options.base_url else "embedded"),
        base_url=options.base_url,
        api_key_env=options.api_key_env,
        price=options.price,
    )


def _located(value_model: str | None) -> str:
    """A value model's name that means the same wherever a worker's folder is."""
    from reflectree.models.resolve_values import located

    return str(located(value_model or "", os.getcwd()))


def _policy(options: RunOptions, show: Show) -> Any:
    return options.policy(show.preparing)


def _print(found: Report, as_json: bool, out: Any) -> None:
    import json

    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False))
        return
    from rich.text import Text

    from reflectree.apps import benchview

    out.print(Text(benchview.headline(found), style="bold"), soft_wrap=True)
    out.print(benchview.table(found))
    for line in benchview.lines(found):
        out.print(Text(line), soft_wrap=True)
    out.print(Text(benchview.price(found), style="dim"))
