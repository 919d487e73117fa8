"""Which environments `benchmarks.embodied` measures, one line of what it found, and the table of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchmarks.discovery import t_interval

WORLDS: Mapping[str, tuple[str, ...]] = {
    "toy": tuple(f"toy/{family}-{seed}" for seed in range(4) for family in ("kitchen", "laundry", "office"))[:10],
    "textworld": (
        *(f"textworld/coin-{level}" for level in (1, 2, 3, 4, 5)),
        *(f"textworld/treasure-{level}" for level in (1, 3, 5)),
        *(f"textworld/simple/{seed}" for seed in (0, 1)),
    ),
    "scienceworld": tuple(f"scienceworld/{task}/0" for task in (
        "find-plant", "find-animal", "find-living-thing", "find-non-living-thing", "lifespan-longest-lived",
        "lifespan-shortest-lived", "chemistry-mix", "power-component", "freeze", "boil",
    )),
    "gym": ("gym/FrozenLake-v1/3", "gym/MiniGrid-Empty-5x5-v0", "gym/MiniGrid-DoorKey-5x5-v0/7"),
}  # fmt: skip
CHANCE = "random commands"
SYSTEMS = (CHANCE, "react-env", "reflexion-env", "lats-env")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: what, where, and the figures by name."""

    table: str
    what: str
    where: str
    figures: Mapping[str, float]

    @property
    def key(self) -> tuple[str, str, str]:
        """What is measured once."""
        return self.table, self.what, self.where

    def __str__(self) -> str:
        shown = "  ".join(f"{name} {value:.3g}" for name, value in self.figures.items())
        return f"{self.table:9} {self.where:42} {self.what:26} {shown}"


def summary(lines: Sequence[Line], policy: str) -> Iterator[str]:
    """By world and system: the mean score with its interval over tasks, and what it gains on the floor."""
    yield "| tasks | system | score | won | commands | tokens | difference to the floor |"
    yield "|---|---|---|---|---|---|---|"
    for world in WORLDS:
        found = {line.key[1:]: line.figures for line in lines if line.table == "systems"}
        for ours in SYSTEMS:
            what = ours if ours == CHANCE else f"{ours}, {policy}"
            both = [
                (found[what, where], found[CHANCE, where])
                for where in WORLDS[world]
                if (what, where) in found and (CHANCE, where) in found
            ]
            if len(both) > 1:  # one task has no interval
                mean = {name: fmean(one[name] for one, _ in both) for name in ("won", "commands", "tokens")}
                score = t_interval([one["score"] for one, _ in both])
                gain = t_interval([one["score"] - floor["score"] for one, floor in both])
                word = "no gain" if gain.low <= 0 <= gain.high else "more" if gain.low > 0 else "less"
                shown = f"{score.estimate:.2f} ({score.low:.2f} to {score.high:.2f})"
                gained = f"{gain.estimate:+.2f} ({gain.low:+.2f} to {gain.high:+.2f}), {word}"
                yield (
                    f"| {world}, {len(both)} tasks | {ours} | {shown} | {mean['won']:.0%} "
                    f"| {mean['commands']:.1f} | {mean['tokens']:,.0f} | {'the floor' if ours == CHANCE else gained} |"
                )
