"""A simulated coupling reaction: how much it yields under which conditions. Seeded, smooth, with several summits.

The yield is a mixture of a few summits, each a product of how well the catalyst, base and solvent suit it and of bells
over temperature, the logarithm of the time, and the equivalents. What an experiment measures has noise that belongs to
its conditions, so that repeating it gives the same again. The chemistry is made up: the names stand for themselves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHOICES: Mapping[str, tuple[str, ...]] = {
    "catalyst": ("Pd(PPh3)4", "Pd(dppf)Cl2", "Pd(OAc)2", "PdCl2(PPh3)2", "NiCl2(dppe)"),
    "base": ("K2CO3", "Cs2CO3", "K3PO4", "Et3N", "NaOtBu"),
    "solvent": ("dioxane", "toluene", "DMF", "ethanol", "water", "THF"),
}
RANGES: Mapping[str, tuple[float, float, float]] = {
    "temperature": (20.0, 140.0, 1.0),
    "time": (0.5, 24.0, 0.1),
    "equivalents": (1.0, 3.0, 0.05),
}
"""Least, most, and the step to which the apparatus can be set: degrees Celsius, hours, equivalents of the base."""
GRID = (12, 10, 8)
"""Cells over the ranges, whose middles stand for all conditions."""
SUMMITS = 4
NOISE = 1.5
"""Standard deviation of a measurement, in points of yield."""
EXAMPLE = (
    '{"catalyst": "Pd(OAc)2", "base": "K2CO3", "solvent": "DMF", "temperature": 80, "time": 6, "equivalents": 1.5}'
)


class ConditionsError(ValueError):
    """What was given are no conditions that the apparatus can be set to."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What one experiment is run under, as the apparatus sets it."""

    catalyst: str
    base: str
    solvent: str
    temperature: float
    time: float
    equivalents: float

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Conditions:
        """The nearest conditions that the apparatus can be set to.

        Raises:
            ConditionsError: Something is missing, unknown or out of range.
        """
        wanted = (*CHOICES, *RANGES)
        if set(data) != set(wanted):
            raise ConditionsError(f"give exactly {', '.join(wanted)}, for example {EXAMPLE}")
        for name, known in CHOICES.items():
            if data[name] not in known:
                raise ConditionsError(f"{name} {data[name]!r} is not in stock: there are {', '.join(known)}")
        temperature, time, equivalents = (_set_to(name, data[name]) for name in RANGES)
        return cls(data["catalyst"], data["base"], data["solvent"], temperature, time, equivalents)

    @classmethod
    def read(cls, text: str) -> Conditions:
        """Conditions written as a JSON object.

        Raises:
            ConditionsError: They are none.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConditionsError(f"give the conditions as a JSON object, for example {EXAMPLE}") from error
        if not isinstance(data, dict):
            raise ConditionsError(f"give the conditions as a JSON object, for example {EXAMPLE}")
        return cls.of(data)

    @classmethod
    def drawn(cls, rng: Random) -> Conditions:
        """Random conditions: the time log-uniform, the rest uniform."""
        data: dict[str, Any] = {name: rng.choice(known) for name, known in CHOICES.items()}
        for name, (least, most, _) in RANGES.items():
            data[name] = rng.uniform(least, most)
        data["time"] = math.exp(rng.uniform(math.log(RANGES["time"][0]), math.log(RANGES["time"][1])))
        return cls.of(data)

    def __str__(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Surface:
    """The yields of one made-up reaction; the seed decides which."""

    seed: int = 0

    def measured(self, at: Conditions) -> float:
        """What an experiment gives: the yield in percent, with the noise of these conditions, to a tenth."""
        noise = Random(f"reaction:{self.seed}:{at}").gauss(0.0, NOISE)
        return round(min(100.0, max(0.0, self.true(at) + noise)), 1)

    def true(self, at: Conditions) -> float:
        """The yield without noise, in percent. Gold."""
        places = [np.array([known.index(getattr(at, name))]) for name, known in CHOICES.items()]
        values = [np.array([getattr(at, name)]) for name in RANGES]
        return float(self._yields(places, values)[0])

    @cached_property
    def best(self) -> Conditions:
        """The best conditions that the apparatus can be set to. Gold: for the report only."""
        grid, yields = self._grid
        starts = np.argsort(yields, kind="stable")[-20:]
        found = [self._climbed([column[at] for column in grid]) for at in starts]
        return max(found, key=lambda conditions: (self.true(conditions), str(conditions)))

    @property
    def highest(self) -> float:
        """The yield at the best conditions. Gold."""
        return self.true(self.best)

    @cached_property
    def mean(self) -> float:
        """The mean yield over random conditions. Gold."""
        return float(self._grid[1].mean())

    def advantage(self, at: Conditions) -> float:
        """The normalised advantage of conditions, without noise. Gold."""
        return normalised_advantage(self.true(at), self.mean, self.highest)

    @cached_property
    def _summits(self) -> list[tuple[float, list[NDArray[np.float64]], list[tuple[float, float]]]]:
        """Of each summit: height, how well each choice suits it, centre and width over the scaled ranges."""
        rng = np.random.default_rng([20231220, self.seed])
        summits = []
        for at in range(SUMMITS):
            height = 0.96 if at == 0 else float(rng.uniform(0.45, 0.8))
            suits = []
            for known in CHOICES.values():
                suit = rng.uniform(0.1, 0.75, len(known))
                suit[rng.integers(len(known))] = 1.0
                suits.append(suit)
            bells = [(float(rng.uniform(0.15, 0.85)), float(rng.uniform(0.18, 0.4))) for _ in RANGES]
            summits.append((height, suits, bells))
        return summits

    def _yields(self, places: list[NDArray[np.int64]], values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Yields of many conditions at once, in percent: `1 - prod(1 - summit)` over the summits."""
        scaled = [_scaled(name, column) for name, column in zip(RANGES, values, strict=True)]
        missed = np.ones(len(values[0]))
        for height, suits, bells in self._summits:
            share = np.full(len(values[0]), height)
            for suit, place in zip(suits, places, strict=True):
                share = share * suit[place]
            for (centre, width), column in zip(bells, scaled, strict=True):
                share = share * np.exp(-0.5 * ((column - centre) / width) ** 2)
            missed = missed * (1.0 - share)
        return 100.0 * (1.0 - missed)

    @cached_property
    def _grid(self) -> tuple[list[NDArray[Any]], NDArray[np.float64]]:
        """Conditions spread evenly over everything, and their yields."""
        axes: list[NDArray[Any]] = [np.arange(len(known)) for known in CHOICES.values()]
        for (name, (least, most, _)), many in zip(RANGES.items(), GRID, strict=True):
            middles = (np.arange(many) + 0.5) / many
            by_ratio = least * (most / least) ** middles
            axes.append(by_ratio if name == "time" else least + (most - least) * middles)
        columns = [column.ravel() for column in np.meshgrid(*axes, indexing="ij")]
        return columns, self._yields(columns[:3], columns[3:])

    def _climbed(self, point: list[Any]) -> Conditions:
        """The summit above a point: along one axis after the other, over all that the apparatus can be set to."""
        axes: list[NDArray[Any]] = [np.arange(len(known)) for known in CHOICES.values()]
        axes += [np.linspace(least, most, 1 + round((most - least) / step)) for least, most, step in RANGES.values()]
        best, top = -2.0, -1.0
        while top > best:
            best = top
            for number, axis in enumerate(axes):
                columns = [np.full(len(axis), value) for value in point]
                columns[number] = axis
                yields = self._yields([column.astype(np.int64) for column in columns[:3]], columns[3:])
                point[number], top = axis[int(yields.argmax())], float(yields.max())
        choices = {name: known[int(at)] for (name, known), at in zip(CHOICES.items(), point[:3], strict=True)}
        return Conditions.of({**choices, **{name: float(at) for name, at in zip(RANGES, point[3:], strict=True)}})


def normalised_advantage(value: float, mean: float, best: float) -> float:
    """How much of what a search could gain over chance it has gained: `(value - mean) / (best - mean)`.

    Coscientist's measure of optimisation (Boiko et al. 2023, arXiv 2304.05332): 0 for the mean of all conditions, 1
    for the best, below 0 for worse than the mean.

    Raises:
        ValueError: The best is not above the mean.
    """
    if not best > mean:
        raise ValueError(f"the best value {best} must be above the mean {mean}")
    return (value - mean) / (best - mean)


def _scaled(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Settings on [0, 1], the time by its logarithm."""
    least, most, _ = RANGES[name]
    if name == "time":
        return np.asarray(np.log(values / least) / math.log(most / least))
    return (values - least) / (most - least)


def _set_to(name: str, value: Any) -> float:
    least, most, step = RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConditionsError(f"{name} must be a number from {least:g} to {most:g}, not {value!r}")
    return round(least + round((value - least) / step) * step, 2)
