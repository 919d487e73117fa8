"""`reasoning_gym`: the checker that comes with a reasoning-gym data set.

An entry carries the right answer, so this verifier is gold. Sets whose checker would evaluate the answer as code get it
only in a harmless form (`guards`).
"""

from __future__ import annotations

import difflib
import importlib.util
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Protocol

from reflectree.rlm_ops.errors import BadInput, MissingExtra, VerifierError
from reflectree.rlm_ops.extras import require
from reflectree.rlm_ops.verifiers.callback import checked_score
from reflectree.rlm_ops.verifiers.guards import (
    EVALUATES_PYTHON,
    EVALUATES_SYMPY,
    is_plain_formula,
    is_plain_python,
)

SEED_STRIDE = 1_000_000
"""Entries of one seed before those of the next begin."""


class GymDataset(Protocol):
    """What is used of a reasoning-gym data set."""

    def __getitem__(self, idx: int) -> dict[str, Any]: ...

    def score_answer(self, answer: str | None, entry: dict[str, Any]) -> float:
        """The set's own score of an answer to an entry."""
        ...


@dataclass(frozen=True, slots=True)
class ReasoningGym:
    """Right as far as the data set's own checker says."""

    dataset: GymDataset = field(repr=False, compare=False)
    entry: Mapping[str, Any] = field(repr=False, hash=False)
    name: str
    gold: bool = True

    def score(self, answer: str) -> float:
        """The set's own score; some sets give a little for a well-formed wrong answer.

        Raises:
            VerifierError: The set's checker raised.
        """
        kind = str(self.entry.get("metadata", {}).get("source_dataset", ""))
        if kind in EVALUATES_PYTHON and not is_plain_python(answer):
            return 0.0
        if kind in EVALUATES_SYMPY and not is_plain_formula(answer):
            return 0.0
        try:
            with _quiet():
                verdict = self.dataset.score_answer(answer, dict(self.entry))
        except Exception as error:
            raise VerifierError(f"the checker of {self.name} raised {type(error).__name__}: {error}") from error
        return checked_score(verdict, self.name)


def reasoning_gym(
    dataset: str | GymDataset,
    entry: int | Mapping[str, Any] = 0,
    *,
    seed: int = 0,
    config: Mapping[str, Any] | None = None,
    gold: bool = True,
) -> ReasoningGym:
    """A verifier of one entry of a reasoning-gym data set.

    Args:
        dataset: The set's name, or a data set made before.
        entry: The entry, or its index in the set.
        seed: Seed of a set that is named; with the index it fixes the entry.
        config: Further configuration of a set that is named.
        gold: An entry carries the right answer, so leave it unless the checker does not look at it.

    Raises:
        BadInput: The set, its configuration or the index does not exist.
        MissingExtra: reasoning-gym is not installed.
    """
    made = (
        gym_dataset(dataset, seed=seed, config=config, size=_size_for(entry)) if isinstance(dataset, str) else dataset
    )
    item = gym_entry(made, entry) if isinstance(entry, int) else entry
    kind = item.get("metadata", {}).get("source_dataset", type(made).__name__)
    return ReasoningGym(made, item, f"reasoning_gym:{kind}", gold)


def gym_dataset(name: str, *, seed: int = 0, config: Mapping[str, Any] | None = None, size: int = 500) -> GymDataset:
    """Make a reasoning-gym data set; entries are generated when asked for.

    Args:
        name: The set's name.
        seed: Ours, which times `SEED_STRIDE` becomes the set's own. Entry i of a set with its own seed s is drawn from
            s + i, so that neighbouring seeds would share nearly all entries; this way different seeds share none. A
            `seed` in `config` is the set's own, as it is.
        config: Fields of the set's configuration.
        size: How many entries it has.

    Raises:
        BadInput: No set has that name (the nearest are named), or the configuration is refused.
        MissingExtra: reasoning-gym is not installed.
    """
    kind, config_class = _classes(name)
    if seed < 0:
        raise BadInput(f"a seed is 0 or more, got {seed}")
    fixed = {"seed": seed * SEED_STRIDE % 2**32, "size": size}
    try:
        settings = config_class(**{**fixed, **(config or {})})
        with _quiet():
            made: GymDataset = kind(config=settings)
    except (TypeError, ValueError, AssertionError) as error:
        raise BadInput(f"reasoning_gym:{name} refuses its configuration: {error}") from error
    return made


def gym_defaults(name: str) -> dict[str, Any]:
    """The configuration fields of a data set and their defaults.

    Raises:
        BadInput: No set has that name.
        MissingExtra: reasoning-gym is not installed.
    """
    _, config_class = _classes(name)
    return dict(vars(config_class()))


def gym_entry(dataset: GymDataset, index: int) -> dict[str, Any]:
    """The entry at `index`.

    Raises:
        BadInput: There is no such entry, or the generator cannot make it under its configuration.
    """
    try:
        if index < 0:
            raise IndexError("indices start at 0")
        with _quiet():
            return dataset[index]
    except (IndexError, ValueError) as error:
        raise BadInput(f"reasoning_gym cannot make entry {index} of {type(dataset).__name__}: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings of theirs (invalid escape sequences, files left open) are not ours to show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _size_for(entry: int | Mapping[str, Any]) -> int:
    return max(500, entry + 1) if isinstance(entry, int) else 500


def _classes(name: str) -> tuple[Any, Any]:
    """The classes of a data set and of its configuration."""
    datasets = _registry()
    if name not in datasets:
        nearest = difflib.get_close_matches(name, datasets, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(nearest)}?" if nearest else f"there are {len(datasets)}, countdown for one"
        raise BadInput(f"reasoning_gym has no data set {name!r}: {hint}")
    return datasets[name]


class _NoSolver(ModuleType):
    """Stands in for the SAT solver of one data set, which cannot be installed without a C compiler; the others can."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingExtra(
            "zebra puzzles need pycosat, which is not installed: install a C compiler, then pip install pycosat"
        )


def _registry() -> dict[str, tuple[Any, Any]]:
    """reasoning-gym's data sets by name; the import takes seconds the first time."""
    if "pycosat" not in sys.modules and importlib.util.find_spec("pycosat") is None:
        sys.modules["pycosat"] = _NoSolver("pycosat")
    with _quiet():
        require("reasoning_gym", "tasks", "a reasoning-gym task set")
        factory = require("reasoning_gym.factory", "tasks", "a reasoning-gym task set")
    registry: dict[str, tuple[Any, Any]] = factory.DATASETS
    return registry
