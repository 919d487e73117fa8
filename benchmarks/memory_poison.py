"""How fast planted poison loses its influence: the curve of docs/memory.md.

    python -m benchmarks.memory_poison [--seeds 20] [--runs 100]

`tests/memory/learning/poisoning.py` says what is simulated; no model is called.
"""

from __future__ import annotations

import argparse

from tests.memory.learning.poisoning import Curve, simulate

ROWS = (("nearest first", True, False), ("ours", False, False), ("ours, none trusted", False, True))


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


if __name__ == "__main__":
    main()
