"""The simulated reaction: best yield after so many experiments, by chance, Bayesian optimisation and OPRO.

    python -m benchmarks.reaction [--surfaces 5] [--seeds 5] [--experiments 20] [--json FILE]

OPRO's proposer is no model: it knows no chemistry and varies the best conditions that its prompt shows, so its line
says what the loop gains by blind variation. All three run the same number of experiments with the same noise. Intervals
are Student's t over surfaces (the mean of the seeds of each): seeds of one surface are no independent reactions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.discovery import t_interval
from benchmarks.report import load
from reflectree.graphs.discovery import adiscover, random_search, scripted_proposer
from reflectree.graphs.embodied.reaction import reaction_problem

METHODS = ("random", "bayesian", "opro")


def of_surface(at: int, seeds: int, experiments: int) -> dict[str, list[list[float]]]:
    """By method, for each seed the best yield after each experiment."""
    problem = reaction_problem(at)
    curves: dict[str, list[list[float]]] = {method: [] for method in METHODS}
    for seed in range(seeds):
        curves["random"].append(random_search(problem, experiments, seed))
        curves["bayesian"].append(problem.classical(experiments, seed))
        found = asyncio.run(
            adiscover(
                problem,
                policy=scripted_proposer(problem),
                seed=seed,
                evaluations=experiments,
                classical=False,
                concurrency=1,
            )
        )
        last = found.curve[-1]  # a search that proposes what was tried already ends earlier
        curves["opro"].append([*found.curve, *([last] * experiments)][:experiments])
    return curves


def lines(found: Sequence[Mapping[str, list[list[float]]]], at: int) -> list[str]:
    """The table after so many experiments: surfaces, their mean, and what each method gains on chance."""
    means = {method: [fmean(curve[at - 1] for curve in surface[method]) for surface in found] for method in METHODS}
    shown = [f"| surface, after {at} | {' | '.join(METHODS)} |", "|---|" + "---|" * len(METHODS)]
    for number in range(len(found)):
        shown.append(
            f"| `reaction/{number}` | " + " | ".join(f"{means[method][number]:.1f}" for method in METHODS) + " |"
        )
    shown.append("| mean | " + " | ".join(f"{fmean(means[method]):.1f}" for method in METHODS) + " |")
    for one, other in (("bayesian", "random"), ("opro", "random"), ("opro", "bayesian")):
        gain = t_interval([ours - theirs for ours, theirs in zip(means[one], means[other], strict=True)])
        word = "no gain" if gain.low <= 0 <= gain.high else "more" if gain.low > 0 else "less"
        shown.append(f"{one} - {other}: {gain.estimate:+.1f} ({gain.low:+.1f} to {gain.high:+.1f}): {word}")
    return shown


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reaction", description=__doc__)
    parser.add_argument("--surfaces", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--experiments", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = load()
    found = []
    for at in range(options.surfaces):
        found.append(of_surface(at, options.seeds, options.experiments))
        print(f"reaction/{at}: " + ", ".join(f"{name} {fmean(c[-1] for c in found[-1][name]):.1f}" for name in METHODS),
              flush=True)  # fmt: skip
    for experiments in sorted({max(1, options.experiments // 2), options.experiments}):
        print("\n".join(["", *lines(found, experiments)]))
    print(f"\n{before} before, {load()} after")
    if options.json:
        options.json.write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
