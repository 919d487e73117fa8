"""Problems by name: `linear-regression/3`, `tsp/10/0`, `symbolic/kepler`, `program/cap-set/5`, `reaction/3`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

from reflectree.graphs.discovery.base import Problem
from reflectree.graphs.discovery.hypotheses import Hypothesis
from reflectree.graphs.discovery.laws import LAWS
from reflectree.graphs.discovery.linear_regression import LinearRegression
from reflectree.graphs.discovery.programs import BinPacking, CapSet
from reflectree.graphs.discovery.rules import RULES
from reflectree.graphs.discovery.symbolic import Symbolic
from reflectree.graphs.discovery.tsp import Tsp
from reflectree.rlm_ops.errors import BadInput

_MOST_NAMED = 4
_FORMS = (
    "linear-regression/SEED, tsp/CITIES/SEED, symbolic/LAW, program/bin-packing, program/cap-set/N, hypothesis/RULE, "
    "reaction/SEED"
)


def names() -> list[str]:
    """Names of problems; seeds, numbers of cities and dimensions may be others than these."""
    return [
        *(f"linear-regression/{seed}" for seed in range(5)),
        *(f"tsp/{n}/0" for n in (10, 15, 20)),
        *(f"symbolic/{law}" for law in LAWS),
        "program/bin-packing",
        "program/cap-set",
        *(f"program/cap-set/{n}" for n in (4, 5, 6)),
        *(f"hypothesis/{rule}" for rule in RULES),
        *(f"reaction/{seed}" for seed in range(5)),
    ]


def problem(name: str) -> Problem:
    """The problem of a name.

    Raises:
        BadInput: There is none; the message lists the names nearest to it.
    """
    kind, *rest = name.strip().split("/")
    made = _MAKE[kind](rest) if kind in _MAKE else None
    if made is None:
        close = difflib.get_close_matches(name, names(), n=_MOST_NAMED, cutoff=0.4)
        hint = f"did you mean {', '.join(close)}? " if close else ""
        raise BadInput(f"unknown problem {name!r}; {hint}The forms are {_FORMS}")
    return made


def _linear_regression(rest: Sequence[str]) -> Problem | None:
    numbers = _whole(rest)
    return LinearRegression(*numbers) if numbers is not None and len(numbers) <= 1 else None


def _tsp(rest: Sequence[str]) -> Problem | None:
    numbers = _whole(rest)
    return Tsp(*numbers) if numbers is not None and len(numbers) <= 2 else None


def _symbolic(rest: Sequence[str]) -> Problem | None:
    return Symbolic(rest[0]) if len(rest) == 1 and rest[0] in LAWS else None


def _program(rest: Sequence[str]) -> Problem | None:
    match rest:
        case ["bin-packing"]:
            return BinPacking()
        case ["cap-set"]:
            return CapSet()
        case ["cap-set", *dimensions] if (numbers := _whole(dimensions)) is not None:
            return CapSet(tuple(numbers))
        case _:
            return None


def _hypothesis(rest: Sequence[str]) -> Problem | None:
    return Hypothesis(rest[0]) if len(rest) == 1 and rest[0] in RULES else None


def _reaction(rest: Sequence[str]) -> Problem | None:
    from reflectree.graphs.embodied.reaction import reaction_problem  # which is itself made of what is here

    numbers = _whole(rest)
    return reaction_problem(*numbers) if numbers is not None and len(numbers) <= 1 else None


def _whole(words: Sequence[str]) -> list[int] | None:
    """The words as whole numbers, if they all are."""
    return [int(word) for word in words] if all(word.isdecimal() and len(word) < 10 for word in words) else None


_MAKE: Mapping[str, Callable[[Sequence[str]], Problem | None]] = {
    "linear-regression": _linear_regression,
    "tsp": _tsp,
    "symbolic": _symbolic,
    "program": _program,
    "hypothesis": _hypothesis,
    "reaction": _reaction,
}
