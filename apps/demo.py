"""`make demo`: ten fresh Countdown puzzles on the embedded model, chain of thought beside search at equal tokens.

Then the same game, harder, on two small models that were trained for it.

Read it as a tutorial. A search of your own takes four things: tasks with worked examples, which teach a small model
what one step looks like; a score for unfinished solutions, which here checks a step against the rules and never solves
the puzzle; blueprints; and a budget. The table at the end says what happened, whatever it is.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from reflectree.apps.terminal import complain, console, many
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Example, Task
from reflectree.rlm_ops.verifiers import countdown

if TYPE_CHECKING:
    from reflectree.apps.demo_view import Show
    from reflectree.graphs.benching import Report
    from reflectree.graphs.tasksets import TaskSet
    from reflectree.rlm_ops.blueprint import Blueprint

PUZZLES = (
    "reasoning_gym:countdown?min_numbers=2&max_numbers=3&min_value=1&max_value=10&min_target=2&max_target=20"
    "&operators=+,-"
)
"""As hard as a model of 135 million parameters can bear; reasoning-gym's own default is four to six numbers."""
EXAMPLES = 4
TOKENS = 1500
"""Prompt and written tokens a puzzle may cost, the same for every blueprint that samples or searches."""
TEMPERATURE = 0.8
SLOTS = 16
"""Samples written at the same time; as many of one prompt are one call, and its prompt counts once."""
SECONDS = 240.0
"""No puzzle is begun that would end later, going by the last few."""
SEEDS = 4000
"""Seeds that reasoning-gym keeps apart."""
SEARCH = "mcts"
INTERRUPTED = 130


# 1. Tasks. The worked examples show one operation a step.


def puzzles(count: int, seed: int) -> TaskSet:
    """Fresh puzzles in few words."""
    from reflectree.graphs.tasksets import TaskSet, load_taskset
    from reflectree.graphs.tasksets.base import Entry

    generated = load_taskset(PUZZLES, limit=count, seed=seed, examples=EXAMPLES)

    def make(index: int) -> Entry:
        task = in_few_words(generated[index])
        return Entry(task, {"id": task.id, "question": task.question})

    return TaskSet("countdown with two or three numbers", count, make)


def in_few_words(task: Task) -> Task:
    """`Use 2, 3 and 7 to make 8.`, and steps that are one equation each."""
    examples = tuple(
        Example(_short(example.question), tuple(step.partition(" (")[0] for step in example.steps), example.answer)
        for example in task.examples
    )
    return replace(task, question=_short(task.question), examples=examples)


def _short(question: str) -> str:
    return question.partition(".")[0] + "."


# 2. A score of a path, in [0, 1]. It knows the rules, not the solution.

OPERATIONS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
EQUATION = re.compile(r"(\d+) ([-+*]) (\d+) = (\d+)")


def score_path(path: Path) -> float:
    """Answers are checked by the rules of the game; steps must calculate rightly with numbers that are left."""
    *numbers, target = (int(number) for number in re.findall(r"\d+", path.task.question))
    if path.answer is not None:
        return countdown(numbers, target).score(path.answer)
    left = Counter(numbers)
    for step in path.steps:
        equation = EQUATION.fullmatch(step.text)
        if equation is None:
            return 0.0
        first, second, result = int(equation[1]), int(equation[3]), int(equation[4])
        left.subtract((first, second))
        if min(left.values()) < 0 or OPERATIONS[equation[2]](first, second) != result:
            return 0.0
        left[result] += 1
    if left.total() > 1:
        return 0.5
    return 0.9 if left[target] else 0.0


# 3. Blueprints: chain of thought, the two baselines every search is measured against, and the search.


def line_up() -> list[Blueprint]:
    """The four, at the same temperature. A short step needs little room, and calls reserve what they may write."""
    from reflectree.graphs import blueprints

    common = {"operators.generate.temperature": TEMPERATURE}
    whole = {**common, "operators.generate.max_tokens": 40}
    search = {
        **common,
        "operators.generate.max_tokens": 20,
        "scheme.strategy.root_width": 16,
        "scheme.strategy.width": 8,
        "scheme.strategy.depth": 3,
        "scheme.strategy.c": 0.5,
    }
    sampled = [blueprints.load(name).with_overrides(whole) for name in ("cot", "self-consistency", "best-of-n")]
    return [*sampled, blueprints.load(SEARCH).with_overrides(search)]


# 4. The run: every blueprint on every puzzle, under the same cap on tokens.


async def compare(
    tasks: TaskSet, plans: Sequence[Blueprint], show: Show, tokens: int, seed: int, seconds: float
) -> Report:
    """What `reflectree bench` does, in a few lines."""
    from reflectree.graphs.benching import abench
    from reflectree.models.embedded import EmbeddedPolicy

    return await abench(
        tasks,
        plans,
        policy=EmbeddedPolicy(slots=SLOTS, context=1024, on_progress=show.preparing),
        close=True,
        evaluator=score_path,
        tokens=tokens,
        seed=seed,
        concurrency=SLOTS,
        seconds=seconds,
        on_begin=show.begin,
        on_outcome=show.outcome,
    )


def demo(count: int, tokens: int, seed: int, seconds: float, trained: int = 0) -> int:
    """Run and print. Returns the exit code."""
    from reflectree.apps.demo_view import Show
    from reflectree.graphs.bridge import run_sync

    show = Show(console(), SEARCH)
    show.out.print(
        f"{many(count, 'Countdown puzzle')}, seed {seed} · SmolLM2-135M on this machine · {tokens:,} tokens a puzzle"
    )
    try:
        with show.out.status("loading reasoning-gym", refresh_per_second=4) as show.status:
            show.tasks, plans = puzzles(count, seed), line_up()
            found = run_sync(compare(show.tasks, plans, show, tokens, seed, seconds - show.elapsed))
    except KeyboardInterrupt:
        complain(f"interrupted; the same puzzles again: python -m reflectree.apps.demo --seed {seed}")
        if show.file is not None:
            from reflectree.graphs.benching import report

            show.figures(report(show.file.settings, show.file.done))
        return INTERRUPTED
    show.figures(found)
    show.words(found)
    return with_trained_models(show, trained, seed) if trained else 0


# 5. The same game on models that were trained for it: what a value model adds, and a search guided by it.


def with_trained_models(show: Show, count: int, seed: int) -> int:
    """Run the second part and print it. Returns the exit code."""
    from reflectree.apps.demo_trained import trained

    try:
        with show.out.status("the same game on trained models", refresh_per_second=4):
            lines = trained(count, seed)
    except KeyboardInterrupt:
        return INTERRUPTED
    show.out.print()
    for line in lines:
        show.out.print(line, soft_wrap=True)
    return 0


def run(
    count: Annotated[int, typer.Option("--puzzles", "-n", min=1, max=100, help="How many puzzles.")] = 10,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Most tokens a puzzle, for each blueprint.")] = TOKENS,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Which puzzles; by default fresh ones.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Begin no puzzle that would end later.")] = SECONDS,
    trained: Annotated[int, typer.Option("--trained", min=0, help="Puzzles for the trained models; 0: none.")] = 30,
) -> None:
    """Solve fresh Countdown puzzles with the embedded model: chain of thought beside search at equal tokens."""
    raise typer.Exit(demo(count, tokens, int(time.time()) % SEEDS if seed is None else seed, seconds, trained))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demo and exit."""
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(run)
    try:
        command(args=None if arguments is None else list(arguments), prog_name="python -m reflectree.apps.demo")
    except ReflectreeError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
