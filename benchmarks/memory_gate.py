"""What a gate that replays the failed task is worth: the table of docs/memory.md.

    python -m benchmarks.memory_gate [--seeds 5]

A scripted model proposes lessons of which some are wrong (`tests/support/trap_runs.py`); 40 tasks a seed.
"""

from __future__ import annotations

import argparse
import asyncio

from tests.support.trap_runs import learnt


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_gate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="families of tasks")
    seeds = range(1, parser.parse_args().seeds + 1)
    print("wrong lessons  replays  solved of 40, by seed       right and wrong lessons kept  tokens")
    for wrong in (0.5, 0.0):
        for replay in (0, 1, 2):
            rows = [asyncio.run(learnt(seed, replay=replay, wrong=wrong)) for seed in seeds]
            right, bad = (sum(getattr(row, side) for row in rows) / len(rows) for side in ("right", "wrong"))
            tokens = sum(row.tokens for row in rows) / len(rows)
            won = ", ".join(str(row.won) for row in rows)
            print(f"{wrong:13}  {replay:7}  {won:26}  {right:.1f} and {bad:.1f}  {tokens:22,.0f}")


if __name__ == "__main__":
    main()
