"""The numbers of a training: what the shipped weights were made with, the demonstration's, and a test's."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from reflectree.training.countdown.fitting import Schedule


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training, from nothing to policy and value model.

    Attributes:
        numbers: Sizes of puzzles that are trained on together.
        hidden: Width of the network.
        sft: Supervised fine-tuning on generated solutions.
        labelled: Training puzzles that get nested labels, by size.
        last: Generated solutions whose last states are labelled, too.
        value: Training of the value model.
        share: 0 teaches it the chance that the policy succeeds, 1 that a search does.
        mix: Share of states in a batch of the value model, by how many numbers they have.
        rounds: Rounds of expert iteration.
        fresh: New training puzzles a round.
        power: How hard a round selects: steps weigh probability x worth ** power.
        passes: How often a round takes each state.
        rate: Learning rate of a round.
    """

    numbers: tuple[int, ...] = (4, 5)
    hidden: int = 96
    sft: Schedule = field(default_factory=lambda: Schedule(3600))
    labelled: dict[int, int] = field(default_factory=lambda: {4: 700, 5: 900})
    last: int = 12_000
    value: Schedule = field(default_factory=lambda: Schedule(500, batch=192, rate=2e-3, decay=0.05))
    share: float = 0.5
    mix: dict[int, float] = field(default_factory=lambda: {5: 0.02, 4: 0.1, 3: 0.38, 2: 0.5})
    rounds: int = 2
    fresh: int = 4000
    power: float = 3.0
    passes: float = 1.5
    rate: float = 5e-4

    def to_row(self) -> dict[str, Any]:
        """For a model's card."""
        return asdict(self)


FULL = Recipe()
"""What the shipped weights were made with."""
DEMO = Recipe(
    numbers=(4,),
    sft=Schedule(2200),
    labelled={4: 1400},
    last=6000,
    value=Schedule(450, batch=192, rate=2e-3, decay=0.05),
    mix={4: 0.06, 3: 0.44, 2: 0.5},
    fresh=3000,
)
"""Four numbers only: all stages and the search in less than 15 minutes of one processor."""
QUICK = Recipe(
    numbers=(4,),
    hidden=32,
    sft=Schedule(40, batch=32, warm=5),
    labelled={4: 12},
    last=60,
    value=Schedule(10, batch=32, warm=2),
    mix={3: 0.5, 2: 0.5},
    rounds=1,
    fresh=12,
)
"""All stages in seconds; it learns next to nothing."""
RECIPES = {"full": FULL, "demo": DEMO, "quick": QUICK}
