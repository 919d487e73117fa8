"""How fast planted poison loses its influence: the curves of docs/memory.md.

    python -m benchmarks.memory_poison [--seeds 20] [--runs 100]

`tests/memory/learning/poisoning.py` says what is simulated without a model, `tests/support/trap_runs.py` what is run
with a scripted one.
"""

from __future__ import annotations

import argparse
import asyncio

from tests.memory.learning.poisoning import Curve, simulate
from tests.support.trap_runs import Attack, attacked

ROWS = (("nearest first", True, False), ("ours", False, False), ("ours, none trusted", False, True))
ATTACKS = (("planted by one run", False), ("by a run each", True))


def main() -> None:
    """Print the curves."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_poison", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="memories a row is the mean of")
    parser.add_argument("--runs", type=int, default=100, help="runs of each memory")
    arguments = parser.parse_args()
    print("runs with poison shown, and runs that succeed, in per cent, by tens of runs")
    steps = range(0, arguments.runs, 10)
    print(f"{'':34}" + "".join(f"{start + 10:>5}" for start in steps))
    for name, naive, cold in ROWS:
        curves = [simulate(seed, arguments.runs, naive=naive, cold=cold) for seed in range(arguments.seeds)]
        for what, share in (("poison shown", Curve.share), ("succeed", Curve.success)):
            row = [sum(share(curve, start, start + 10) for curve in curves) / len(curves) for start in steps]
            print(f"{name:20}{what:>14}" + "".join(f"{100 * value:5.0f}" for value in row))
        gone = [
            sum(getattr(curve, side) for curve in curves) / len(curves) for side in ("quarantined", "good_quarantined")
        ]
        print(f"{'':20}in quarantine at the end: {gone[0]:.1f} of 50 poisoned, {gone[1]:.1f} of 30 good")
    print("\nwhole runs on the trap family")
    for name, alone in ATTACKS:
        attacks = [
            asyncio.run(attacked(seed, runs=arguments.runs, alone=alone)) for seed in range(1, arguments.seeds + 1)
        ]
        _print_attacks(name, attacks, steps)


def _print_attacks(name: str, attacks: list[Attack], steps: range) -> None:
    """The shares over some memories, and their last twenty runs."""
    many = len(attacks)
    for what in ("poisoned", "won"):
        row = [100 * sum(sum(getattr(one, what)[at : at + 10]) for one in attacks) / (10 * many) for at in steps]
        print(f"{name:20}{what:>14}" + "".join(f"{value:5.0f}" for value in row))
    late = 100 * sum(sum(one.poisoned[-20:]) for one in attacks) / (20 * many)
    wins = sum(sum(one.won) for one in attacks) / many
    gone = sum(one.quarantined for one in attacks) / many
    print(f"{'':20}poison in {late:.1f} % of the last 20 runs; {wins:.1f} wins; {gone:.1f} of 50 in quarantine")


if __name__ == "__main__":
    main()
