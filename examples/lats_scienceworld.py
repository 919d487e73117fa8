"""Language agent tree search (LATS) in ScienceWorld, a simulated school laboratory: a run that acts.

    python examples/lats_scienceworld.py                             # offline: a script draws commands by their words
    python examples/lats_scienceworld.py --model openai/gpt-5-mini   # a model thinks, acts, and judges itself
    python examples/lats_scienceworld.py --world toy/kitchen-2 --max-calls 150 --seed 2   # a household: no Java

ScienceWorld needs `pip install 'reflectree[embodied]'` and Java 17; without them the toy household takes its place, and
the example says so. The environment's own score is gold: it reaches no prompt and no value, and is printed at the end.
"""

from __future__ import annotations

import argparse
import random
import re
from typing import Any

import reflectree as rt
from reflectree.graphs.embodied.resolve import make
from reflectree.models.base import Request
from reflectree.testing import ScriptedPolicy

WORLD, TOY = "scienceworld/find-living-thing/0", "toy/kitchen-2"
NOISE = {"the", "put", "your", "task", "first", "then", "and", "that", "with", "from"}


def words(text: str) -> set[str]:
    """The words of a text that mean something."""
    return set(re.findall(r"[a-z]{3,}", text.lower())) - NOISE


def act(request: Request, sample: int) -> str:
    """Stands in for a model: it draws a listed command, those that share words with the task more often."""
    asked = request.messages[-1].content
    goal = words(asked.split("</context>")[1].split("You act in")[0])
    listed = re.findall(r"Commands: (.*;.*)", asked + request.prefill)[-1].split("; ")
    weights = [1 + 8 * len(goal & words(command)) for command in listed]
    dice = random.Random((request.seed or 0) + sample)
    return f"Thought: worth a try.\nAction: {dice.choices(listed, weights)[0]}"


def nearer(path: rt.Path) -> float:
    """A guess at progress without a model: how many of the task's words stand in what was seen last, and was done."""
    goal = words(path.task.question)
    said = [step.text.split("Commands:")[0] for step in path.steps]
    done = words(" ".join(re.findall(r"Action: (.*)", "\n".join(said))))
    seen = words(said[-1]) if said else set()
    return min(0.9, (len(goal & seen) + len(goal & done)) / max(1, 2 * len(goal)))


def usable(world: str) -> str:
    """The world, or the toy one where it cannot be made."""
    try:
        environment = make(world)()
    except rt.errors.BadInput as error:
        print(f"{error}\nso {TOY} takes its place\n")
        return TOY
    environment.close()
    return world


def main() -> None:
    """Search, then show what was done and what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default=WORLD, help=f"scienceworld/TASK/VARIATION, or {TOY} and the like")
    parser.add_argument("--model", default=None, help="a model by name; without one a script acts")
    parser.add_argument("--iterations", type=int, default=100, help="iterations of the search")
    parser.add_argument("--depth", type=int, default=6, help="commands an episode")
    parser.add_argument(
        "--max-calls", type=int, default=40, help="cap on model calls; a command in ScienceWorld takes a second or more"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    world = usable(args.world)
    strategy = {"scheme.strategy.iterations": args.iterations, "scheme.strategy.depth": args.depth}
    policy: Any = args.model or ScriptedPolicy(act)
    result = rt.solve(
        None,  # the task is the environment's own
        blueprint=rt.blueprints.load("lats-env").with_overrides({**strategy, "scheme.strategy.reflections": 0}),
        environment=world,
        policy=policy,
        evaluator=None if args.model else nearer,
        budget=rt.Budget(calls=args.max_calls),
        concurrency=4,
        seed=args.seed,
    )
    began = result.trace.began
    print(f"{world}: {' '.join((began.question if began else '').split())[:160]}")
    structure = rt.fold(result.trace)
    carried_out = [event for event in result.trace if event.op == "enrich"]
    print(f"{len(structure) - 1} steps tried, {len(carried_out)} commands carried out, deepest {max(structure.depth)}")
    for number, command in enumerate((result.answer or "nothing").splitlines(), 1):
        print(f"  {number}. {command}")
    verdict = {True: "the goal is reached", False: "the goal is not reached", None: "not judged"}
    print(f"{verdict[result.selected_correct]} (a replay in a fresh environment) · ended by {result.stop_reason}")
    usage = result.usage
    cost = "unknown" if usage.usd is None else f"${usage.usd:.4f}"
    print(f"{usage.calls} calls · {usage.tokens:,} tokens · {cost} · {result.wall_s:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except (rt.errors.ReflectreeError, KeyboardInterrupt) as error:
        raise SystemExit(str(error) or "interrupted") from None
