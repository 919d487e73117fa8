"""`reflectree train`: from samples or tasks to a model.

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
from typing import Annotated, Any

import typer

from reflectree.apps.interrupting import interruptible
from reflectree.apps.terminal import note
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
from reflectree.apps.trainview import list_trainers, outcome, progress_bar


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
        list_trainers(as_json)
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
    with interruptible(quiet or trl):  # TRL's says itself what is lost
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
        typer.echo(outcome(found))
    if found.get("paused"):
        note("paused by a cap; the same command with a higher one goes on")
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
    with progress_bar(quiet, name) as show:
        report = train(
            name, fit or samples, base, out, nested(changes), valid=held if fit else (),
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

    if trl and (tokens is not None or seconds is not None):
        raise BadInput("TRL's trainer cannot be paused: leave --tokens and --seconds out, or --trl")
    splits = splits_by(key)
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
    with progress_bar(quiet, name) as show, _all_or_nothing(trl and not quiet):
        report = run(
            name, parts["train"], base, out, {"seed": seed, **changes}, valid=parts["valid"][:valid], scorer=model,
            caps=Caps(tokens, seconds), trl=trl, grade=grade,
            on_iteration=lambda row: show(
                row["iteration"] + 1, chosen.iterations, f"reward {row['reward']:.3f}, right {row['accuracy']:.2f}"
            ),
        )  # fmt: skip
    return {"trainer": name, "folder": report.folder, "history": report.history, "paused": report.paused}


@contextlib.contextmanager
def _all_or_nothing(tell: bool) -> Iterator[None]:
    """Say after Ctrl-C that nothing is kept, where that is so."""
    try:
        yield
    except KeyboardInterrupt:
        if tell:
            note("interrupted: on TRL's trainer nothing is kept before the end, the same command begins anew")
        raise


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
