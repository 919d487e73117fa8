"""The figures: every arm on the same puzzles, for each training seed, and their paired differences.

Measured with fast code, many puzzles in lock-step; `docs/countdown.md` says which arms the framework's own engine was
asked to confirm. Settings were chosen on validation puzzles, never on these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.game import State
from reflectree.models.neural.countdown.load import policy_network, value_modules
from reflectree.training.countdown.arms import Samples, searched
from reflectree.training.countdown.path_sampling import sampled
from reflectree.training.countdown.player import Player
from reflectree.training.countdown.searches import Outcome, Search, beam, mcts

SURE = 0.9
"""A state of two numbers of this value ends a search that may end early."""
RESAMPLES = 10_000
Make = Callable[[State], Search]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is spent on a puzzle of one size.

    Attributes:
        samples: Whole solutions, at each of the two budgets.
        budgets: Characters of the searches that take a budget, likewise.
        beams: Widths and kept states of the beams, likewise.
        cap: Characters after which an arm with a check, or one that may end early, gives up.
    """

    samples: tuple[int, int]
    budgets: tuple[int, int]
    beams: tuple[tuple[list[int], list[int]], tuple[list[int], list[int]]]
    cap: int


ALL = 99
SETTINGS = {
    4: Setting((9, 18), (146, 294), (([8, 3], [6, ALL]), ([12, 5], [8, ALL])), 300),
    5: Setting((8, 16), (172, 350), (([6, 3, 3], [4, 5, ALL]), ([10, 5, 4], [5, 8, ALL])), 360),
}
MCTS = {4: (6, 4), 5: (6, 4)}


@dataclass(slots=True)
class Arm:
    """An arm's outcomes, one list a training seed, and what the policy computed a puzzle."""

    outcomes: list[list[Outcome]] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)

    def solved(self) -> NDArray[np.float64]:
        """Puzzles x seeds."""
        return np.array([[float(one.solved) for one in row] for row in self.outcomes]).T

    def tokens(self) -> NDArray[np.float64]:
        """Puzzles x seeds."""
        return np.array([[float(one.tokens) for one in row] for row in self.outcomes]).T

    def to_row(self) -> dict[str, Any]:
        """Means over puzzles and seeds."""
        return {
            "solved": round(float(self.solved().mean()), 4),
            "by_seed": [round(float(rate), 4) for rate in self.solved().mean(0)],
            "tokens": round(float(self.tokens().mean()), 1),
            "encodings": round(float(np.mean([[one.encodings for one in row] for row in self.outcomes])), 1),
            "in_structure": round(float(np.mean([[one.seen for one in row] for row in self.outcomes])), 4),
            "computed": round(float(np.mean(self.computed)), 1) if self.computed else None,
        }


def difference(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean of a - b with its bootstrap interval of 95 %: puzzles are drawn, with all their seeds."""
    gaps = (a - b).mean(axis=1)
    chosen = np.random.default_rng(0).integers(0, len(gaps), (RESAMPLES, len(gaps)))
    low, high = np.quantile(gaps[chosen].mean(axis=1), [0.025, 0.975])
    return round(float(gaps.mean()), 4), round(float(low), 4), round(float(high), 4)


def measure(
    folders: Sequence[tuple[Path, Path, Path]],
    puzzles: Sequence[State],
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Arm]:
    """All arms for each training: folders of the SFT policy, of the last policy and of the value model.

    `say` is told before each training is measured.
    """
    arms: dict[str, Arm] = {}
    for number, (first, last, value) in enumerate(folders):
        say(f"{last} on {len(puzzles)} puzzles ({number + 1}/{len(folders)})")
        trunk, head = value_modules(value)
        network, valued = policy_network(last), (Network(trunk), head)
        players = _Players(network, valued, 1000 * (number + 1))
        _plain(arms, "SFT policy", Player(policy_network(first), seed=players.seed), puzzles)
        _plain(arms, "RL policy", Player(network, seed=players.seed), puzzles)
        _voted(arms, players.trained(1), puzzles)
        _searched(arms, players, puzzles)
        _checked(arms, players, puzzles)
    return arms


@dataclass(frozen=True, slots=True)
class _Players:
    policy: Network
    value: tuple[Network, Any]
    seed: int

    def trained(self, draw: int) -> Player:
        return Player(self.policy, self.value, seed=self.seed + draw)

    def blind(self, draw: int) -> Player:
        return Player(self.policy, "random", seed=self.seed + draw)


def _add(arms: dict[str, Arm], name: str, outcomes: list[Outcome], computed: float | None = None) -> None:
    arm = arms.setdefault(name, Arm())
    arm.outcomes.append(outcomes)
    if computed is not None:
        arm.computed.append(computed)


def _plain(arms: dict[str, Arm], name: str, player: Player, puzzles: Sequence[State]) -> None:
    """Pass@1 (16 samples a puzzle stand behind each rate) and greedy."""
    samples = Samples.drawn(player, puzzles, 16)
    rates = [Outcome(False, round(sum(s.tokens for s in row) / len(row))) for row in samples.rows]
    for outcome, row in zip(rates, samples.rows, strict=True):
        outcome.solved = sum(s.solved for s in row) / len(row)  # type: ignore[assignment]  # a rate
    _add(arms, f"{name}: one sample", rates)
    greedy = Samples.drawn(player, puzzles, 1, temperature=0.0)
    _add(arms, f"{name}: greedy", [Outcome(row[0].solved, row[0].tokens) for row in greedy.rows])
    _add(arms, f"{name}: any of 16", [Outcome(any(s.solved for s in row), 0) for row in samples.rows])


def _voted(arms: dict[str, Arm], player: Player, puzzles: Sequence[State]) -> None:
    """Whole solutions, and one committed answer."""
    setting = SETTINGS[len(puzzles[0].numbers)]
    many = Samples.drawn(player, puzzles, setting.samples[1])
    for budget, n in enumerate(setting.samples):
        some, computed = many.first(n), many.computed * n / setting.samples[1]
        _add(arms, f"majority [{budget}]", some.vote(), computed)
        _add(arms, f"value-weighted vote [{budget}]", some.vote(some.last, 1), computed)
        _add(arms, f"best-of-N, value [{budget}]", some.best(some.last), computed)
        _add(arms, f"best-of-N, product of the last two values [{budget}]", some.best(some.way, 2), computed)
        apart = Samples.drawn(player, puzzles, n, distinct=True)
        _add(arms, f"best-of-N without replacement, value [{budget}]", apart.best(apart.last), apart.computed)
    _add(arms, "best-of-N, value, ends early", _early(many))


def _early(samples: Samples) -> list[Outcome]:
    """Best-of-N one after the other, that ends at the first solution whose value is sure."""
    found = []
    for row in samples.rows:
        stop = next((place for place, s in enumerate(row) if samples.last(s) >= SURE), len(row) - 1)
        seen = row[: stop + 1]
        chosen = max(seen, key=samples.last)
        states = {s.choice for s in seen if s.choice is not None}
        tokens = sum(s.tokens for s in seen)
        found.append(Outcome(chosen.solved, tokens, len(states), any(s.solved for s in seen)))
    return found


def _searched(arms: dict[str, Arm], players: _Players, puzzles: Sequence[State]) -> None:
    """Searches, and one committed answer."""
    size = len(puzzles[0].numbers)
    setting = SETTINGS[size]
    root, width = MCTS[size]
    for budget in (0, 1):
        widths, keeps = setting.beams[budget]
        most = setting.budgets[budget]
        makes: dict[str, Make] = {
            "beam": partial(beam, widths=widths, keeps=keeps),
            "MCTS": partial(mcts, budget=most - 2 * width, root=root, width=width),  # it grows several at once
            "path sampling": partial(sampled, budget=most, power=2.0),
        }
        for name, make in makes.items():
            for said, player in (("value", players.trained(2)), ("random values", players.blind(2))):
                row = searched(player, puzzles, make)
                _add(arms, f"{name}, {said} [{budget}]", row.outcomes, row.computed)
    row = searched(players.trained(3), puzzles, partial(sampled, budget=setting.cap, power=2.0, sure=SURE))
    _add(arms, "path sampling, value, ends early", row.outcomes, row.computed)


def _checked(arms: dict[str, Arm], players: _Players, puzzles: Sequence[State]) -> None:
    """One answer after the other until one is right."""
    cap = SETTINGS[len(puzzles[0].numbers)].cap
    samples = Samples.drawn(Player(players.policy, seed=players.seed + 4), puzzles, 26)
    _add(arms, "checked: best-of-N", [_capped(one, cap) for one in samples.checked()])
    for power, least, said in ((2.0, 0.05, "value"), (0.0, -1.0, "no value")):
        make = partial(sampled, budget=cap, power=power, least=least, check=True)
        row = searched(players.trained(5), puzzles, make)
        _add(arms, f"checked: path sampling, {said}", [_capped(one, cap) for one in row.outcomes], row.computed)


def _capped(outcome: Outcome, cap: int) -> Outcome:
    """What comes after the cap does not count, on either side."""
    solved = outcome.solved and outcome.tokens <= cap
    return Outcome(solved, min(outcome.tokens, cap), outcome.encodings, solved)


PAIRS = [
    ("RL policy: one sample", "SFT policy: one sample"),
    ("RL policy: greedy", "SFT policy: greedy"),
    *(
        (f"{one} [{budget}]", f"best-of-N, value [{budget}]")
        for budget in (0, 1)
        for one in ("path sampling, value", "beam, value", "MCTS, value", "best-of-N without replacement, value")
    ),
    *((f"best-of-N, value [{budget}]", f"majority [{budget}]") for budget in (0, 1)),
    *((f"path sampling, value [{budget}]", f"path sampling, random values [{budget}]") for budget in (0, 1)),
    *((f"beam, value [{budget}]", f"beam, random values [{budget}]") for budget in (0, 1)),
    ("path sampling, value, ends early", "best-of-N, value, ends early"),
    ("checked: path sampling, value", "checked: best-of-N"),
    ("checked: path sampling, no value", "checked: best-of-N"),
]


def report(arms: dict[str, Arm]) -> dict[str, Any]:
    """Rates and paired differences, ready for JSON."""
    pairs = [
        {
            "a": a,
            "b": b,
            "solved": difference(arms[a].solved(), arms[b].solved()),
            "tokens": difference(arms[a].tokens(), arms[b].tokens()),
        }
        for a, b in PAIRS
    ]
    return {"arms": {name: arm.to_row() for name, arm in arms.items()}, "pairs": pairs}
