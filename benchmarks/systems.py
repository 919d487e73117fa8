"""Every blueprint on the embedded model at equal tokens: the table of docs/systems.md.

    python -m benchmarks.systems --tasks 100 --tokens 1200

Three task sets, one after the other: Countdown, whose rules anybody can check, so that a checked answer ends a run and
a score by the rules guides a search; and two sets without such a check, where the policy's confidence in its own tokens
guides. What is done is kept in benchmarks/results/, and the same command goes on from there; `--sets` splits it over
processes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reflectree.agents import evaluators
from reflectree.apps.demo import puzzles, score_path
from reflectree.graphs import blueprints
from reflectree.graphs.benching import BASELINES, Report, abench
from reflectree.graphs.tasksets import TaskSet, load_taskset
from reflectree.rlm_ops.blueprint import Blueprint

SETS = {
    "countdown": "two or three numbers from 1 to 10, with + and -, as in the demo",
    "chain_sum": "reasoning_gym:chain_sum?min_terms=2&max_terms=3&min_digits=1&max_digits=2&examples=3",
    "products": "reasoning_gym:products?min_terms=2&max_terms=2&min_digits=1&max_digits=2&examples=3",
}
"""The task sets: where the model is right now and then, and guessing does not help."""
CHECKED = frozenset({"countdown"})
"""Sets whose rules stand in the task, so that search may ask the verifier."""
RESULTS = Path(__file__).parent / "results"
ELSEWHERE = frozenset(
    {"opro", "funsearch", "llm-sr", "hypothesis-search", "debate", "moa", "role-team"}
    | {"react-env", "reflexion-env", "lats-env", "coscientist", "voyager-env"}
)
"""Blueprints that want a problem, a team or an environment."""
STEP_TOKENS, SOLUTION_TOKENS = 24, 64
"""Most tokens a call may write. A call reserves them all, so larger ones would leave the budget unspent."""


def fitted(plan: Blueprint, *, checked: bool) -> Blueprint:
    """The blueprint for short answers and a small budget: what a call may write is cut, nothing else is changed."""
    data = plan.model_dump(mode="json")
    solution = data["scheme"]["granularity"] == "solution"
    for op, settings in data["operators"].items():
        for part in (settings, *settings["variants"].values()):
            whole = solution or part.get("granularity") == "solution" or op in ("refine", "aggregate")
            cap = SOLUTION_TOKENS if whole or op == "evaluate" else STEP_TOKENS
            if part is settings or "max_tokens" in part:
                part["max_tokens"] = min(part.get("max_tokens", cap), cap)
            if "critique_tokens" in part:
                part["critique_tokens"] = STEP_TOKENS
            if part.get("nested"):
                part["nested"]["blueprint"] = fitted(
                    blueprints.load(part["nested"]["blueprint"]), checked=checked
                ).model_dump(mode="json")
    if not checked and not data["operators"]["generate"]["alternatives"]:
        data["operators"]["generate"]["alternatives"] = 5
    return Blueprint.parse(data)


WITHOUT_CRITIC: dict[str, dict[str, Any]] = {
    "ab-mcts": {"scheme.strategy.refine": False},
    "operator-mcts": {"scheme.strategy.actions": ["generate", "aggregate", "restructure", "backtrack", "stop"]},
}
"""Where nothing outside the policy can criticise, these do not refine: they would be refused."""


def plans(names: str, *, checked: bool) -> list[Blueprint]:
    """The blueprints of the table: those that learn, discover, convene or act are measured elsewhere."""
    alone = [name for name in blueprints.names() if name not in ELSEWHERE and blueprints.load(name).memory is None]
    wanted = alone if names == "all" else names.split(",")
    found = [fitted(blueprints.load(name), checked=checked) for name in wanted]
    return found if checked else [plan.with_overrides(WITHOUT_CRITIC.get(plan.name, {})) for plan in found]


def tasks(name: str, count: int, seed: int) -> TaskSet:
    """A set's tasks."""
    return puzzles(count, seed) if name in CHECKED else load_taskset(SETS[name], limit=count, seed=seed)


async def measure(name: str, options: argparse.Namespace) -> Report:
    """One set."""
    checked = name in CHECKED
    RESULTS.mkdir(exist_ok=True)

    def tell(outcome: Any, _: Any) -> None:
        if outcome.blueprint == last:
            sys.stderr.write(f"{name}: {outcome.task} done\n")

    wanted = plans(options.blueprints, checked=checked)
    last = wanted[-1].name
    return await abench(
        tasks(name, options.tasks, options.seed),
        wanted,
        tokens=options.tokens,
        evaluator=score_path if checked else evaluators.confidence(fallback="neutral"),
        tools=["calculator"],
        seed=options.seed,
        concurrency=options.concurrency,
        seconds=options.seconds,
        out=RESULTS / f"{name}-{options.tokens}.jsonl",
        on_outcome=tell,
    )


def markdown(name: str, report: Report) -> Iterator[str]:
    """The table of one set."""
    yield f"### {name}"
    yield ""
    settings = report.settings
    yield f"`{settings.taskset}`: {report.n} tasks, at most {settings.tokens:,} tokens a task, seed {settings.seed}."
    yield ""
    heads = ("blueprint", "accuracy [95 %]", "in structure", "tokens", "written", *(f"against {b}" for b in BASELINES))
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|"
    against: Mapping[tuple[str, str], Any] = {(d.blueprint, d.baseline): d for d in report.differences}
    for row in sorted(report.rows, key=lambda row: -row.accuracy.estimate):
        low, high = row.accuracy.low, row.accuracy.high
        cells = [
            f"`{row.blueprint}`",
            f"{row.accuracy.estimate:.2f} [{low:.2f}, {high:.2f}]",
            f"{row.in_structure:.2f}",
            f"{row.tokens:,.0f}",
            f"{row.completion_tokens:,.0f}",
        ]
        for baseline in BASELINES:
            found = against.get((row.blueprint, baseline))
            by = found.accuracy if found else None
            cells.append(
                ""
                if found is None or by is None
                else f"{by.estimate:+.2f} [{by.low:+.2f}, {by.high:+.2f}] {found.verdict}"
            )
        yield f"| {' | '.join(cells)} |"
    yield ""


def main() -> None:
    """Measure, and print the tables."""
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.systems", description=about)
    parser.add_argument("--sets", default=",".join(SETS), help=f"of {', '.join(SETS)}")
    parser.add_argument("--blueprints", default="all", help="names, or all")
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=1200, help="prompt and written tokens a task, for each blueprint")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument(
        "--seconds", type=float, help="begin no task that would not end in time; the same command goes on"
    )
    options = parser.parse_args()
    reports = {name: asyncio.run(measure(name, options)) for name in options.sets.split(",")}
    for name, report in reports.items():
        print("\n".join(markdown(name, report)))


if __name__ == "__main__":
    main()
