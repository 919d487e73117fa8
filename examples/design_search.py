"""Design search: a better blueprint, found on training tasks and measured on tasks that the search never saw.

    python examples/design_search.py                                      # offline: a scripted family of riddles
    python examples/design_search.py --method aflow --level module        # over settings, strategies and their sizes
    python examples/design_search.py --taskset mine.jsonl --model openai/gpt-5-mini --max-tokens 300000

The scripted model's chance of a right answer follows from what a design gives it, so that there is something to find.
The last table is the point: the seed at the winner's own cost. Where that is as good, no search was needed.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import reflectree as rt
from reflectree.graphs.design_search.families import model, tasks
from reflectree.graphs.tasksets import load_taskset


def main() -> None:
    """Search, then test once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--level", choices=("prompt", "module", "agent"), default="prompt", help="what may change")
    parser.add_argument("--method", default="gepa", help="gepa, opro, mipro; aflow, adas, mcts; evolve, evomac")
    parser.add_argument("--seed-blueprint", default="cot", help="the design to begin with")
    parser.add_argument("--taskset", default=None, help="tasks with verifiers; without them riddles for the script")
    parser.add_argument("--tasks", type=int, default=90, help="how many: a third each to train, validate and test")
    parser.add_argument("--model", default=None, help="a model by name; without one a script answers and proposes")
    parser.add_argument("--max-tokens", type=int, default=2_000_000, help="cap on the tokens of search and test")
    parser.add_argument(
        "--out", default=None, help="a folder: the same command goes on there, winner.yaml appears there"
    )
    args = parser.parse_args()
    if (args.model is None) != (args.taskset is None):
        parser.error("the script plays its own riddles only: give --model and --taskset together")

    policy: Any = args.model or model(args.level)
    asked = load_taskset(args.taskset, limit=args.tasks) if args.taskset else tasks(args.tasks)
    with tempfile.TemporaryDirectory() as folder:
        report = rt.design_search(
            args.seed_blueprint,
            list(asked),
            level=args.level,
            method=args.method,
            policy=policy,
            settings={"rounds": 3} if args.method == "aflow" else None,
            budget=rt.Budget(tokens=args.max_tokens),
            folder=args.out or folder,
        )
    print(f"{args.method} at the level of {args.level}s: {report.verdict}")
    print(f"{'on the test part':34} {'right':>6} {'tokens a task':>14}")
    for one in report.tested:
        print(f"{one.name:34} {one.accuracy.estimate:6.2f} {one.tokens:14,.0f}")
    gain = report.difference
    if gain is not None:
        print(f"winner less seed: {gain.estimate:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] at 95 %")
    equal = report.at_equal_cost
    if equal is not None:
        print(f"winner less seed at equal cost: {equal.estimate:+.2f} [{equal.low:+.2f}, {equal.high:+.2f}]")
    paid = report.search + report.final
    print(f"{len(report.designs)} designs; search and test cost {paid.calls:,} calls and {paid.tokens:,} tokens")
    if report.untested:
        print(f"not tested: {report.untested}")


if __name__ == "__main__":
    try:
        main()
    except (rt.errors.ReflectreeError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from None
