"""`python -m reflectree.training.countdown`: train from nothing, serve the value model, search, measure.

demo      all of it in less than 15 minutes of one processor (`make loop-demo`); four numbers
train     one training; `--recipe full --seed 1` is what made the weights that ship with the package
measure   the figures of docs/countdown.md for trainings in folders
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from reflectree.graphs.bridge import run_sync
from reflectree.rlm_ops.errors import BadInput, ReflectreeError
from reflectree.training.countdown.data import KINDS, unseen_puzzles
from reflectree.training.countdown.figures import Arm, measure, report
from reflectree.training.countdown.recipe import RECIPES
from reflectree.training.countdown.stages import Training

SHOWN = (
    "SFT policy: one sample", "RL policy: one sample", "SFT policy: greedy", "RL policy: greedy", "majority [0]",
    "best-of-N, value [0]", "beam, value [0]", "beam, random values [0]", "path sampling, value [0]",
    "checked: best-of-N", "checked: path sampling, value",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m reflectree.training.countdown", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("demo", "train"):
        one = commands.add_parser(name)
        one.add_argument("--out", type=Path, default=Path("countdown-training"), help="folder of the stages")
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--recipe", choices=sorted(RECIPES), default="demo" if name == "demo" else "full")
        one.add_argument("--quick", action="store_true", help="the smallest training: a test of the loop")
        one.add_argument("--puzzles", type=_count, default=100, help="test puzzles of the demonstration")
    figures = commands.add_parser("measure")
    figures.add_argument("folders", type=Path, nargs="+", help="trainings, one a seed")
    figures.add_argument("--numbers", type=int, choices=sorted(KINDS), default=4)
    figures.add_argument("--puzzles", type=_count, default=300)
    figures.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        if given.command == "measure":
            _measure(given)
        else:
            _train(given)
    except ReflectreeError as error:
        _tell(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        kept = "" if given.command == "measure" else "; stages that are done are kept: the same command goes on"
        _tell(f"interrupted{kept}")
        return 130
    return 0


def _count(text: str) -> int:
    """A number of puzzles."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of puzzles: give 1 or more")
    return int(text)


def _train(given: argparse.Namespace) -> None:
    begun = time.process_time()
    recipe = RECIPES["quick" if given.quick else given.recipe]
    training = Training(given.out, recipe, given.seed, _say)
    training.run()
    _say(f"trained in {time.process_time() - begun:.0f} s of processor time: {training.policy} and {training.value}")
    if given.command == "demo":
        _demonstrate(training, 2 if given.quick else given.puzzles, begun)


def _demonstrate(training: Training, count: int, begun: float) -> None:
    """What the new models do on test puzzles, and a search by the framework's engine with the value model served."""
    from reflectree.models.neural.countdown.load import load_policy, load_scorer
    from reflectree.models.resolve_values import value_model
    from reflectree.models.serving.engine import ScoringEngine
    from reflectree.models.serving.run import serving
    from reflectree.models.serving.service import Service
    from reflectree.training.countdown.engine import blueprint, solved_by_engine

    puzzles = unseen_puzzles(KINDS[training.recipe.numbers[0]], count)
    arms = measure([(training.folder / "sft", training.policy, training.value)], puzzles)
    _say(f"{count} puzzles that no training step generated; one committed answer, no check:")
    _table({name: arms[name] for name in SHOWN})

    async def by_engine(url: str) -> float:
        policy, value = load_policy(training.policy), value_model(url)
        try:
            wanted = blueprint("countdown-beam")
            outcomes = await solved_by_engine(puzzles[:10], wanted, policy, value, seed=training.seed)
        finally:
            await policy.aclose()
            await value.aclose()
        return sum(one.solved for one in outcomes) / len(outcomes)

    with serving(Service(ScoringEngine(load_scorer(training.value)))) as url:
        _say(f"the value model is served at {url}; the framework's engine searches with it")
        rate = run_sync(by_engine(url))
    _say(f"blueprint countdown-beam: {rate:.2f} of the first {min(count, 10)}")
    _say(f"all in {time.process_time() - begun:.0f} s of processor time; to serve it yourself:")
    _say(f"  reflectree value-server --model {training.value}")


def _measure(given: argparse.Namespace) -> None:
    if given.json and (given.json.is_dir() or not given.json.absolute().parent.is_dir()):
        raise BadInput(f"cannot write {given.json}: name a file in a folder that is there")  # now, not an hour later
    for folder in given.folders:
        if not (folder / "value.done").exists():
            raise BadInput(f"{folder} holds no finished training: make one with the command train --out {folder}")
    folders = [(folder / "sft", _last(folder), folder / "value") for folder in given.folders]
    arms = measure(folders, unseen_puzzles(KINDS[given.numbers], given.puzzles), _tell)
    found = report(arms)
    _table(arms)
    for pair in found["pairs"]:
        gap, low, high = pair["solved"]
        _say(f"{pair['a']} minus {pair['b']}: {gap:+.3f} [{low:+.3f}, {high:+.3f}], tokens {pair['tokens'][0]:+.1f}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _last(folder: Path) -> Path:
    """The last policy of a training."""
    rounds = sorted(folder.glob("policy-*/config.json"), key=lambda path: int(path.parent.name.split("-")[1]))
    return rounds[-1].parent if rounds else folder / "sft"


def _table(arms: dict[str, Arm]) -> None:
    for name, arm in arms.items():
        row = arm.to_row()
        _say(f"  {name:<48} {row['solved']:.3f}  {row['tokens']:7.1f} tokens  {row['encodings']:5.1f} encodings")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
