"""The demo's second part: a policy and a value model of a third of a million parameters each, trained for Countdown.

They ship with the package; `make loop-demo` trains such models anew. A step beam guided by the value model stands
beside best-of-n ranked by the same model: one committed answer each, and no check on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reflectree.training.countdown.searches import Outcome

SEARCH, BASELINE = "countdown-beam", "countdown-best-of-n"


def trained(count: int, seed: int) -> list[str]:
    """Solve puzzles that no training step generated, by both; what came of it, line by line."""
    import torch

    from reflectree.graphs.bridge import run_sync
    from reflectree.models.neural.countdown.load import load_policy, load_value
    from reflectree.training.countdown.data import KINDS, unseen_puzzles
    from reflectree.training.countdown.engine import blueprint, solved_by_engine

    torch.set_num_threads(1)  # models this small are slower on two
    puzzles = unseen_puzzles(KINDS[4], count)

    async def both() -> list[list[Outcome]]:
        policy, value = load_policy(), load_value()
        try:
            return [
                await solved_by_engine(puzzles, blueprint(name), policy, value, seed=seed)
                for name in (SEARCH, BASELINE)
            ]
        finally:
            await policy.aclose()
            await value.aclose()

    search, baseline = run_sync(both())
    return [
        f"{count} puzzles of four numbers that no training step generated, on countdown-policy and countdown-value; "
        "one answer each, no check on the way:",
        _row(SEARCH, search),
        _row(BASELINE, baseline),
        _verdict(search, baseline),
    ]


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    from reflectree.rlm_ops.statistics import wilson_interval

    right = wilson_interval(sum(one.solved for one in outcomes), len(outcomes))
    tokens = sum(one.tokens for one in outcomes) / len(outcomes)
    share = f"{right.estimate:.2f} [{right.low:.2f}, {right.high:.2f}]"
    return f"  {name:<20} {share} at {tokens:,.0f} written tokens a puzzle"


def _verdict(search: Sequence[Outcome], baseline: Sequence[Outcome]) -> str:
    from reflectree.rlm_ops.statistics import paired_bootstrap

    by = paired_bootstrap([float(one.solved) for one in search], [float(one.solved) for one in baseline])
    word = "gain" if by.low > 0 else "loss" if by.high < 0 else "no gain that so few puzzles could show"
    return (
        f"  the search against ranked samples: {word} ({by.estimate:+.2f} [{by.low:+.2f}, {by.high:+.2f}]); "
        "docs/countdown.md has 300 puzzles and three trainings"
    )
