"""How noisy Monte Carlo labels are where the first wrong step is known: the table of docs/labels.md.

    python -m benchmarks.label_noise [--runs 1000]

The task is to count to 6. Each solution has one error planted at a random step; the policy's steps are right with the
chance `skill` and off by one otherwise, so that a completion may make up for an error by luck.
"""

from __future__ import annotations

import argparse
from random import Random

from tests.training.labels.growing import Counting, Tree, steps_to

from reflectree.training.labels import monte_carlo, omega
from reflectree.training.labels.agreement import Noise, noise
from reflectree.training.labels.source import Source

STEPS = 6


def judge(answer: str) -> float:
    return float(answer == str(STEPS))


def measure(skill: float, completions: int, runs: int) -> tuple[Noise, Noise, float]:
    """The noise of hard and of soft labels, and the share of planted errors that the binary search names."""
    toy, random = Counting(STEPS, skill), Random(completions)
    hard: dict[tuple[int, int], float] = {}
    soft: dict[tuple[int, int], float] = {}
    truth: dict[tuple[int, int], bool] = {}
    found = 0
    for run in range(runs):
        planted = random.randrange(1, STEPS + 1)
        steps = steps_to(planted, STEPS)
        tree = Tree()
        tree.chain(*steps, answer=steps[-1])
        bare = Source.of(tree.trace, judge=judge)
        rollouts = {
            node: [toy.complete(bare.texts(node), random).reward for _ in range(completions)]
            for node, _ in monte_carlo.wanted(bare)
        }
        source = Source.of(tree.trace, judge=judge, rollouts=rollouts)
        (tight,), (loose,) = monte_carlo.math_shepherd_hard(source), monte_carlo.math_shepherd_soft(source)
        for at in range(STEPS - 1):
            hard[run, at], soft[run, at] = tight.labels[at], loose.labels[at]
            truth[run, at] = toy.truth(steps[: at + 1])
        found += list(omega.first_errors(source).values()) == [planted]
    return noise(hard, truth), noise(soft, truth), found / runs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_noise", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="solutions a row")
    runs = parser.parse_args().runs
    print("skill  k  hard: wrong as right, right as wrong  soft: wrong as right, right as wrong  first error")
    for skill in (0.95, 0.8):
        for completions in (1, 4, 8, 16):
            hard, soft, found = measure(skill, completions, runs)
            print(
                f"{skill:5} {completions:2}  {hard.wrong_as_right:20.2f}, {hard.right_as_wrong:14.2f}"
                f"  {soft.wrong_as_right:20.2f}, {soft.right_as_wrong:14.2f}  {found:11.2f}"
            )


if __name__ == "__main__":
    main()
