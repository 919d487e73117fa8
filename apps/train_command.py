"""`reflectree train` and `reflectree loop`: from samples or tasks to models, and round after round.

Options in, folders out. The work is done by `reflectree.training`, which is imported once a command runs; what an
interruption leaves is gone on with by the same command.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reflectree.apps.interrupting import interruptible
from reflectree.apps.terminal import duration, many, note, one_line, short

if TYPE_CHECKING:
    from reflectree.training.pipelines.loop import LoopReport
    from reflectree.training.splits import Splits

PAUSED = 3

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="Change a setting; may be repeated (train --json has all)."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Limit = Annotated[int | None, typer.Option("--limit", "-n", metavar="N", help="Most tasks.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of generated tasks and of all sampling.")]
Seconds = Annotated[float | None, typer.Option("--seconds", metavar="S", help="Pause after so long.")]
Tokens = Annotated[int | None, typer.Option("--tokens", metavar="N", help="Pause after so many tokens.")]
Key = Annotated[
    str,
    typer.Option(
        "--split-key", "--key", metavar="text|numbers", help="How tasks are told apart when they are divided."
    ),
]


def train(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="What to train by; left out, lists what there is.")
    ] = None,
    base: Annotated[str | None, typer.Option("--base", "-b", metavar="FOLDER", help="The model to start from.")] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FOLDER", help="The model to be.")] = None,
    buffer: Annotated[
        str | None, typer.Option("--buffer", metavar="FOLDER", help="Samples to learn from (reflectree data).")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option("--tasks", metavar="TASKSET", help="Tasks to learn from, for reinforcement learning.")
    ] = None,
    grader: Annotated[
        str | None, typer.Option("--grader", metavar="FILE", help="A grader (JSON or YAML) in the verifiers' place.")
    ] = None,
    scorer: Annotated[
        str | None, typer.Option("--scorer", metavar="FOLDER", help="A process reward model, for process rewards.")
    ] = None,
    valid: Annotated[int, typer.Option("--valid", metavar="N", help="Held-out tasks to measure on (tasks only).")] = 20,
    settings: Sets = None,
    trl: Annotated[bool, typer.Option("--trl", help="Reinforcement learning on TRL's trainer.")] = False,
    limit: Limit = None,
    seed: Seed = 0,
    seconds: Seconds = None,
    tokens: Tokens = None,
    key: Key = "text",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a policy or a value model, on samples of a buffer or by reinforcement learning on tasks.

    Interrupted or paused by a cap, the same command goes on; a model that is there already is not trained again.

    Try:

        reflectree train

        reflectree train value --buffer data/buffer --base models/policy --out models/value -s epochs=2

        reflectree train grpo --tasks tasks.jsonl --base models/policy --out models/better -s iterations=50

    Exit codes: 0 done, 2 bad input, 3 paused by a cap, 5 the loss is no number, 130 interrupted and kept.
    """  # fmt: skip
    from reflectree.apps.inputs import read_overrides
    from reflectree.rlm_ops.errors import BadInput
    from reflectree.training.trainers import TRAINERS
    from reflectree.training.trainers.rl.presets import PRESETS

    if name is None:
        _list(as_json)
        return
    if name not in TRAINERS and name not in PRESETS:
        raise BadInput(f"there is nothing to train by called {name!r}: it is one of {', '.join([*TRAINERS, *PRESETS])}")
    if base is None or out is None:
        raise BadInput("say what to start from and what is to be: --base FOLDER --out FOLDER")
    by_tasks = name in PRESETS
    if by_tasks and (tasks is None or buffer is not None):
        raise BadInput(f"{name} learns from tasks: give --tasks TASKSET, and no --buffer")
    if not by_tasks and (buffer is None or tasks is not None):
        raise BadInput(f"{name} learns from samples: give --buffer FOLDER, and no --tasks")
    changes = read_overrides(settings or ())
    begun = time.monotonic()
    with interruptible(quiet):
        if by_tasks:
            found = _reinforced(
                name, base, out, tasks or "", changes, grader=grader, scorer=scorer, valid=valid, trl=trl, limit=limit,
                seed=seed, seconds=seconds, tokens=tokens, key=key, quiet=quiet or as_json,
            )  # fmt: skip
        else:
            found = _supervised(name, base, out, buffer or "", changes, quiet or as_json)
    found["wall_s"] = round(time.monotonic() - begun, 3)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        typer.echo(_said(found))
    if found.get("paused"):
        note("paused by a cap; the same command with a higher one goes on")
        raise typer.Exit(PAUSED)


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

    changes = {**_nested(read_overrides(settings or ())), **({"seed": seed} if seed else {})}
    chosen = read_plan(plan, **changes)
    tasks = load_taskset(taskset, limit=limit, seed=seed)
    with interruptible(quiet):
        report = run_loop(
            tasks, out, base=base, plan=chosen, value=value, splits=_splits(key),
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


def _supervised(
    name: str, base: str, out: str, buffer: str, changes: dict[str, Any], quiet: bool
) -> dict[str, Any]:  # fmt: skip
    from dataclasses import asdict

    from reflectree.rlm_ops.errors import BadInput
    from reflectree.training.buffer import ReplayBuffer
    from reflectree.training.trainers import TRAINERS, train

    if not os.path.isdir(buffer):
        raise BadInput(f"there is no buffer {buffer}: make one with reflectree data generate --buffer {buffer}")
    if os.path.exists(os.path.join(buffer, "job.json")):  # the folder of data generate, as data stats takes it
        buffer = os.path.join(buffer, "buffer")
    store, kinds = ReplayBuffer(buffer), TRAINERS[name].kinds
    samples = [sample for kind in kinds for sample in store.read(kind)]
    if not samples:
        raise BadInput(f"{buffer} has no sample of kind {' or '.join(kinds)}, which {name} learns from")
    fit = [sample for sample in samples if sample.origin.split == "train"]
    held = [sample for sample in samples if sample.origin.split == "valid"]
    with _bar(quiet, name) as show:
        report = train(
            name, fit or samples, base, out, _nested(changes), valid=held if fit else (),
            on_progress=lambda at: show(at.step, at.steps, f"loss {at.loss:.4f}"),
            command=shlex.join(["reflectree", *sys.argv[1:]]),
        )  # fmt: skip
    return {**asdict(report), "folder": str(report.folder), "dropped": dict(report.dropped), "trainer": name}


def _reinforced(
    name: str,
    base: str,
    out: str,
    taskset: str,
    changes: dict[str, Any],
    *,
    grader: str | None,
    scorer: str | None,
    valid: int,
    trl: bool,
    limit: int | None,
    seed: int,
    seconds: float | None,
    tokens: int | None,
    key: str,
    quiet: bool,
) -> dict[str, Any]:
    from reflectree.graphs.tasksets import load_taskset
    from reflectree.rlm_ops.errors import BadInput
    from reflectree.rlm_ops.extras import require
    from reflectree.training.trainers.rl.presets import settings as preset

    chosen = preset(name, **{"seed": seed, **changes})
    for module in ("torch", "transformers"):
        require(module, "training", "training a model")
    from reflectree.training.trainers.rl.run import run
    from reflectree.training.trainers.rl.train import Caps

    splits = _splits(key)
    parts: dict[str, list[Any]] = {"train": [], "valid": [], "test": []}
    for task in load_taskset(taskset, limit=limit, seed=seed):
        parts[splits.of_task(task)].append(task)
    if not parts["train"]:
        raise BadInput("no task belongs to the training split: give more tasks")
    grade = None if grader is None else _grading(grader)
    model = None
    if scorer is not None:
        from reflectree.models.neural.load import load_scorer

        model = load_scorer(scorer)
    with _bar(quiet, name) as show:
        report = run(
            name, parts["train"], base, out, {"seed": seed, **changes}, valid=parts["valid"][:valid], scorer=model,
            caps=Caps(tokens, seconds), trl=trl, grade=grade,
            on_iteration=lambda row: show(
                row["iteration"] + 1, chosen.iterations, f"reward {row['reward']:.3f}, right {row['accuracy']:.2f}"
            ),
        )  # fmt: skip
    return {"trainer": name, "folder": report.folder, "history": report.history, "paused": report.paused}


def _grading(file: str) -> Any:
    """A grader's file as a grade of solutions."""
    from reflectree.graphs.bridge import run_sync
    from reflectree.training.graders import grader, sample_of

    by = grader(file)

    def grade(problem: Any, written: Any) -> float:
        text = "\n".join(written.steps[written.given :])
        given = {"question": problem.question, "id": problem.id}
        sample = {**sample_of(text), "answer": written.answer}
        return min(1.0, max(0.0, run_sync(by.grade(given, sample)).value))

    return grade


def _splits(key: str) -> Splits:
    from reflectree.training.splits import Splits

    return Splits(key=key)


def _nested(changes: dict[str, Any]) -> dict[str, Any]:
    """`{"lora.r": 8}` as `{"lora": {"r": 8}}`."""
    made: dict[str, Any] = {}
    for path, value in changes.items():
        place = made
        *above, last = path.split(".")
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    return made


@contextlib.contextmanager
def _bar(quiet: bool, name: str) -> Iterator[Any]:
    """A progress bar on stderr: a function of done, all, and a word on how it goes."""
    if quiet:
        yield lambda done, whole, how: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from reflectree.apps.terminal import console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[how]}"))
    progress = Progress(*columns, TimeRemainingColumn(), console=console(stderr=True))
    bar = progress.add_task(name, total=None, how="")

    def show(done: int, whole: int, how: str) -> None:
        progress.start()  # with the first news: what is refused at once is a line without a bar
        progress.update(bar, completed=done, total=whole, how=how)

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


def _list(as_json: bool) -> None:
    from reflectree.training.trainers import TRAINERS
    from reflectree.training.trainers.rl.presets import PRESETS
    from reflectree.training.trainers.rl.presets import settings as preset

    if as_json:
        rows = {
            name: {
                "reads": spec.kinds, "makes": spec.makes, "summary": spec.summary,
                "settings": spec.settings().model_dump(mode="json"),
            }
            for name, spec in TRAINERS.items()
        }  # fmt: skip
        presets = {
            name: {"reads": ["tasks"], "makes": "policy", "settings": preset(name).model_dump(mode="json")}
            for name in PRESETS
        }
        typer.echo(json.dumps({**rows, **presets}))
        return
    from rich.table import Table

    from reflectree.apps.terminal import console

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("name", "learns from", "makes", "what it is"):
        table.add_column(heading)
    for name, spec in TRAINERS.items():
        table.add_row(name, ", ".join(spec.kinds), spec.makes, spec.summary)
    for name, given in PRESETS.items():
        table.add_row(name, "tasks", "policy", f"reinforcement learning, credit by {given.get('credit', 'outcome')}")
    console().print(table)


def _said(found: dict[str, Any]) -> str:
    if "history" in found:
        rows = found["history"]
        if not rows:
            return f"{found['folder']}: nothing done yet"
        first, last = rows[0], rows[-1]
        return (
            f"{found['folder']}: {many(len(rows), 'iteration')}, reward {first['reward']:.3f} -> {last['reward']:.3f}, "
            f"{short(sum(row.get('tokens', 0) for row in rows))} tokens in {duration(found['wall_s'])}"
        )
    valid = "" if found["valid_last"] is None else f", valid {found['valid_first']:.4f} -> {found['valid_last']:.4f}"
    return (
        f"{found['folder']}: loss {found['loss_first']:.4f} -> {found['loss_last']:.4f}{valid}, "
        f"{many(found['steps'], 'update')}, {many(found['samples'], 'sample')}, {short(found['tokens'])} tokens "
        f"in {duration(found['seconds'])}"
    )


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
            said = (
                f"{'kept' if came['kept'] else 'not kept'} ({by['value']:+.3f} [{by['low']:+.3f}, {by['high']:+.3f}])"
            )
        case _:
            said = came.get("why") or f"by {came['by']}"
    return one_line(f"round {number} {stage.replace('_', ' ')}: {said}")


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
            f"{'kept' if row['kept'] else 'not kept'}; {baselines} tokens"
        )
    yield f"policy: {report.policy}"
    if report.value:
        yield f"value model: {report.value}"
