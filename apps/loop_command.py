"""`reflectree loop`: policy and value model, made better round after round.

Options in, a folder out. The work is done by `reflectree.training.pipelines`, which is imported once the command runs;
what an interruption leaves is gone on with by the same command.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reflectree.apps.interrupting import interruptible
from reflectree.apps.terminal import many, note, one_line, short
from reflectree.apps.train_options import (
    PAUSED,
    Json,
    Key,
    Limit,
    Quiet,
    Seconds,
    Seed,
    Sets,
    Tokens,
    nested,
    splits_by,
)

if TYPE_CHECKING:
    from reflectree.training.pipelines.loop import LoopReport


def loop(
    taskset: Annotated[str, typer.Argument(metavar="TASKSET", help="Tasks with verifiers: a file or a generated set.")],
    base: Annotated[str, typer.Option("--base", "-b", metavar="FOLDER", help="The policy to start from.")],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FOLDER", help="The loop's folder; it goes on from there.")
    ],
    plan: Annotated[str | None, typer.Option("--plan", metavar="FILE", help="The plan (YAML).")] = None,
    value: Annotated[
        str | None, typer.Option("--value-model", metavar="NAME", help="A value model to start with.")
    ] = None,
    settings: Sets = None,
    limit: Limit = None,
    seed: Seed = 0,
    seconds: Seconds = None,
    calls: Annotated[int | None, typer.Option("--calls", metavar="N", help="Pause after so many calls.")] = None,
    tokens: Tokens = None,
    key: Key = "text",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Improve a policy and a value model: search makes data, data trains both, and what is not worse is kept.

    First rounds of supervised fine-tuning, then of reinforcement learning. Held-out tasks measure each round, beside
    self-consistency and best-of-n at the same tokens. Ctrl-C keeps what is done; the same command goes on.

    Try:

        reflectree loop "reasoning_gym:chain_sum" -n 200 --base models/base --out loop -s rounds=3 -s tokens=2000

        reflectree loop tasks.jsonl --base models/base --out loop --plan plan.yaml --calls 10000

    Exit codes: 0 done, 2 bad input, 3 paused by a cap, 4 model unreachable, 5 the loss is no number,
    130 interrupted and kept.
    """
    from reflectree.apps.inputs import read_overrides
    from reflectree.graphs.tasksets import load_taskset
    from reflectree.rlm_ops.budget import Budget
    from reflectree.training.pipelines.loop import loop as run_loop
    from reflectree.training.pipelines.plan import read_plan

    changes = {**nested(read_overrides(settings or ())), **({"seed": seed} if seed else {})}
    chosen = read_plan(plan, **changes)
    tasks = load_taskset(taskset, limit=limit, seed=seed)
    with interruptible(quiet):
        report = run_loop(
            tasks, out, base=base, plan=chosen, value=value, splits=splits_by(key),
            cap=Budget(calls=calls, tokens=tokens, seconds=seconds),
            on_stage=None if quiet or as_json else lambda number, stage, came: note(_stage(number, stage, came)),
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(report.to_json()))
    else:
        for line in _rounds(report):
            typer.echo(line)
    if report.paused:
        note(f"paused: the cap on {report.paused} is reached; the same command with a higher one goes on")
        raise typer.Exit(PAUSED)


def _stage(number: int, stage: str, came: dict[str, Any]) -> str:
    match stage:
        case "generate":
            said = (
                f"{many(came['finished'], 'run')}, {came['correct']:,} right, {sum(came['stored'].values()):,} samples"
            )
        case "measure":
            within = f"[{came['low']:.3f}, {came['high']:.3f}]"
            said = f"accuracy {came['accuracy']:.3f} {within} at {short(came['tokens'])} tokens"
        case "keep":
            by = came["difference"]
            said = f"{_verdict(came)} ({by['value']:+.3f} [{by['low']:+.3f}, {by['high']:+.3f}])"
        case _:
            said = came.get("why") or f"by {came['by']}"
    return one_line(f"round {number} {stage.replace('_', ' ')}: {said}")


def _verdict(row: dict[str, Any]) -> str:
    """Whether the new models of a round are kept; rounds of older folders do not say whether there are any."""
    if not row.get("trained", True):
        return "nothing was trained"
    return "kept" if row["kept"] else "not kept"


def _rounds(report: LoopReport) -> Iterator[str]:
    for row in report.rounds:
        if row.get("kept") is None:
            continue
        measured, by = row["measured"], row["difference"]
        baselines = ", ".join(
            f"{name} {cells['accuracy']:.3f} at {short(cells['tokens'])}" for name, cells in measured["table"].items()
        )
        yield one_line(
            f"round {row['round']} ({row['phase']}): {row['before']['accuracy']:.3f} -> {measured['accuracy']:.3f} "
            f"({by['value']:+.3f} [{by['low']:+.3f}, {by['high']:+.3f}], n={measured['n']}) "
            f"{_verdict(row)}; {baselines} tokens"
        )
    yield f"policy: {report.policy}"
    if report.value:
        yield f"value model: {report.value}"
