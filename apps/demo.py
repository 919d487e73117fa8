"""`make demo`: ten fresh Countdown puzzles on the embedded model, chain of thought beside search at equal tokens.

Read it as the tutorial. Four things make a search of your own: tasks with worked examples (they teach a small model
what one step looks like), a score for unfinished solutions (`score_path`: plain Python, it checks a step against the
rules and never solves the puzzle), a verifier for answers, and a blueprint with a budget.

The model has 135 million parameters and a puzzle's rules can be checked by anybody, so sampling with a check is a hard
baseline to beat. The table says what happened, whatever it is.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reflectree.apps.terminal import clock, complain, console, one_line
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Example, Task
from reflectree.rlm_ops.verifiers import countdown

if TYPE_CHECKING:
    from reflectree.graphs.benching import BenchFile, Outcome, Report
    from reflectree.graphs.result import Result
    from reflectree.graphs.tasksets import TaskSet
    from reflectree.rlm_ops.blueprint import Blueprint

PUZZLES = (
    "reasoning_gym:countdown?min_numbers=2&max_numbers=3&min_value=1&max_value=10&min_target=2&max_target=20"
    "&operators=+,-"
)
EXAMPLES = 4
TOKENS = 1500
"""Prompt and written tokens a puzzle may cost, the same for every blueprint."""
TEMPERATURE = 0.8
WIDTH = 16
"""Samples drawn of one prompt at once: a prompt is read once for all of them."""
SECONDS = 270.0
"""No puzzle is begun that would end later than this."""
SEEDS = 4000


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
    """The four, with the same temperature and room to write."""
    from reflectree.graphs import blueprints

    common = {"operators.generate.temperature": TEMPERATURE}
    whole = {**common, "operators.generate.max_tokens": 48}
    search = {
        **common,
        "operators.generate.max_tokens": 20,
        "scheme.strategy.root_width": 16,
        "scheme.strategy.width": 8,
        "scheme.strategy.depth": 3,
        "scheme.strategy.c": 0.5,
    }
    sampled = [blueprints.load(name).with_overrides(whole) for name in ("cot", "self-consistency", "best-of-n")]
    return [*sampled, blueprints.load("mcts").with_overrides(search)]


# 4. The run.


@dataclass(slots=True)
class Show:
    """What the terminal shows while the demo runs, and what is kept for its end."""

    tasks: TaskSet
    names: list[str]
    started: float
    file: BenchFile | None = None
    marks: dict[str, dict[str, str]] = field(default_factory=dict)
    tree: Result | None = None

    def on_begin(self, file: BenchFile) -> None:
        """The comparison begins."""
        self.file = file

    def on_outcome(self, outcome: Outcome, result: Result) -> None:
        """One blueprint has done one puzzle; a line once all have."""
        marks = self.marks.setdefault(outcome.task, {})
        marks[outcome.blueprint] = "✓" if outcome.correct else "✗"
        if outcome.blueprint == "mcts" and self._is_better(result):
            self.tree = result
        if len(marks) == len(self.names):
            question = next(task.question for task in self.tasks if task.id == outcome.task)
            verdicts = "   ".join(f"{name} {marks[name]}" for name in self.names)
            words = f"{len(self.marks):3}/{len(self.tasks)}  {question:<26} {verdicts}   {clock(self.elapsed)}"
            console().print(words, overflow="ellipsis", no_wrap=True)

    def _is_better(self, result: Result) -> bool:
        """Whether a tree is more worth looking at: a solved puzzle, and of those the largest."""
        kept = self.tree
        return kept is None or (result.selected_correct is True, result.nodes) > (
            kept.selected_correct is True,
            kept.nodes,
        )

    @property
    def elapsed(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self.started


def demo(count: int, tokens: int, seed: int, seconds: float, threads: int = 1) -> int:
    """Run and print. Returns the exit code."""
    from reflectree.graphs.bridge import run_sync

    started, out = time.monotonic(), console()
    tasks, plans = puzzles(count, seed), line_up()
    out.print(f"{count} Countdown puzzles (seed {seed}) · embedded model, 135M parameters · {tokens:,} tokens a puzzle")
    show = Show(tasks, [plan.name for plan in plans], started)
    try:
        found = run_sync(_compare(tasks, plans, show, tokens, seed, seconds - (time.monotonic() - started), threads))
    except KeyboardInterrupt:
        complain(f"interrupted; the same puzzles again: python -m reflectree.apps.demo --seed {seed}")
        if show.file is not None:
            from reflectree.graphs.benching import report

            _print(report(show.file.settings, show.file.done), show)
        return 130
    _print(found, show)
    return 0


async def _compare(
    tasks: TaskSet, plans: Sequence[Blueprint], show: Show, tokens: int, seed: int, seconds: float, threads: int
) -> Report:
    from reflectree.graphs.benching import abench
    from reflectree.models.embedded import EmbeddedPolicy

    policy = EmbeddedPolicy(slots=WIDTH, context=1024, threads=threads, on_progress=_preparing)
    try:
        return await abench(
            tasks,
            plans,
            policy=policy,
            evaluator=score_path,
            tokens=tokens,
            seed=seed,
            concurrency=WIDTH,
            seconds=seconds,
            on_begin=show.on_begin,
            on_outcome=show.on_outcome,
        )
    finally:
        await policy.aclose()


def _preparing(what: str, share: float) -> None:
    if share >= 1.0:
        console(stderr=True).print(f"{one_line(what)}: done")


def _print(found: Report, show: Show) -> None:
    from reflectree.apps import benchview

    out = console()
    out.print()
    out.print(benchview.table(found))
    out.print()
    for line in benchview.lines(found):
        out.print(line, soft_wrap=True)
    if show.tree is not None:
        _draw(show.tree)
    out.print(f"\n{benchview.price(found)} · {clock(show.elapsed)}")


def _draw(result: Result) -> None:
    """One of the search's trees."""
    from reflectree.apps.drawing import LEGEND, Drawing, Limits, failures_by_node
    from reflectree.rlm_ops.structure import ReasoningStructure

    structure = ReasoningStructure()
    for event in result.trace:
        structure.apply(event)
    out = console()
    out.print(f"\nOne of the search's trees · {one_line(structure.task.question)}", style="bold")
    for line in Drawing(structure, failures_by_node(tuple(result.trace)), Limits(nodes=24)).lines():
        out.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    out.print(LEGEND, style="dim", no_wrap=True, overflow="ellipsis")


def run(
    count: Annotated[int, typer.Option("--puzzles", "-n", min=1, max=100, help="How many puzzles.")] = 10,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Most tokens a puzzle, for each blueprint.")] = TOKENS,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Which puzzles; by default fresh ones.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Begin no puzzle that would end later.")] = SECONDS,
) -> None:
    """Solve fresh Countdown puzzles with the embedded model: chain of thought beside search at equal tokens."""
    raise typer.Exit(demo(count, tokens, int(time.time()) % SEEDS if seed is None else seed, seconds))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demo and exit."""
    command: Any = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(run)
    try:
        command(args=None if arguments is None else list(arguments), prog_name="reflectree-demo")
    except ReflectreeError as error:
        complain(str(error))
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
