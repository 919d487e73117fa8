"""Textbook laws for symbolic regression, and the points that are drawn from them.

A model may know these laws by heart: what a search finds here shows that the loop works, and not that a law was
discovered.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflectree.graphs.discovery.fitting import Data

POINTS = 60

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Variable:
    """An input: its name in the function, what it is, where training and out-of-distribution points lie."""

    name: str
    about: str
    inside: Range
    outside: Range


@dataclass(frozen=True, slots=True)
class Law:
    """A law: its target in words, its inputs, and the function itself, which no model is shown."""

    target: str
    variables: tuple[Variable, ...]
    function: Callable[..., Any]

    def data(self, name: str, part: str) -> Data:
        """Points of the law without noise: `train` and `test` from inside the ranges, `beyond` from outside."""
        rng = np.random.default_rng(zlib.crc32(f"{name}:{part}".encode()))
        inputs = tuple(
            rng.uniform(*(variable.outside if part == "beyond" else variable.inside), size=POINTS)
            for variable in self.variables
        )
        return Data(inputs, np.asarray(self.function(*inputs), dtype=np.float64))


LAWS: Mapping[str, Law] = {
    "ideal-gas": Law(
        "pressure of a mole of gas in kPa",
        (
            Variable("temperature", "in kelvin", (200.0, 400.0), (400.0, 600.0)),
            Variable("volume", "in litres", (5.0, 30.0), (30.0, 60.0)),
        ),
        lambda temperature, volume: 8.314 * temperature / volume,
    ),
    "pendulum": Law(
        "period of a pendulum with a small swing, in seconds",
        (
            Variable("length", "in metres", (0.1, 3.0), (3.0, 10.0)),
            Variable("gravity", "in metres per second squared", (3.0, 15.0), (15.0, 25.0)),
        ),
        lambda length, gravity: 2 * np.pi * np.sqrt(length / gravity),
    ),
    "kepler": Law(
        "period of a planet, in years",
        (
            Variable("axis", "half the long axis of its orbit, in astronomical units", (0.3, 5.0), (5.0, 30.0)),
            Variable("mass", "of its star, in suns", (0.5, 2.0), (2.0, 5.0)),
        ),
        lambda axis, mass: np.sqrt(axis**3 / mass),
    ),
    "damped-oscillator": Law(
        "position of a damped oscillator that is let go at time 0",
        (
            Variable("time", "in seconds", (0.0, 4.0), (4.0, 6.0)),
            Variable("damping", "in 1 / seconds", (0.1, 0.8), (0.8, 1.2)),
        ),
        lambda time, damping: 2.0 * np.exp(-damping * time) * np.cos(np.sqrt(6.25 - damping**2) * time),
    ),
    "planck": Law(
        "radiance of a black body, in units without dimension",
        (
            Variable("frequency", "without dimension", (0.2, 6.0), (6.0, 12.0)),
            Variable("temperature", "without dimension", (0.5, 2.0), (2.0, 4.0)),
        ),
        lambda frequency, temperature: frequency**3 / np.expm1(frequency / temperature),
    ),
    "michaelis-menten": Law(
        "rate of an enzyme's reaction, in micromoles per minute",
        (
            Variable("substrate", "concentration, in millimoles per litre", (0.1, 5.0), (5.0, 15.0)),
            Variable("inhibitor", "concentration of what competes with it, the same", (0.0, 2.0), (2.0, 6.0)),
        ),
        lambda substrate, inhibitor: 3.2 * substrate / (0.7 * (1 + inhibitor / 0.4) + substrate),
    ),
}
