"""The classical method of hypothesis search here: enumerate short programs, compositions of given primitives, in order.

The primitives are ours and run in this process. Their sources make programs that a sandbox can run as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise, product
from typing import Any

from reflectree.graphs.discovery.rules import Kind

MOST_STEPS = 3

Primitive = tuple[str, Callable[[Any], Any]]
"""A primitive's source, an expression of `x`, and the same as a function."""

LISTS: Mapping[str, Primitive] = {
    "reverse": ("x[::-1]", lambda x: x[::-1]),
    "sort": ("sorted(x)", sorted),
    "distinct": ("list(dict.fromkeys(x))", lambda x: list(dict.fromkeys(x))),
    "evens": ("[v for v in x if v % 2 == 0]", lambda x: [v for v in x if v % 2 == 0]),
    "odds": ("[v for v in x if v % 2]", lambda x: [v for v in x if v % 2]),
    "tail": ("x[1:]", lambda x: x[1:]),
    "all but last": ("x[:-1]", lambda x: x[:-1]),
    "double": ("[2 * v for v in x]", lambda x: [2 * v for v in x]),
    "successor": ("[v + 1 for v in x]", lambda x: [v + 1 for v in x]),
    "running sum": (
        "[sum(x[:place + 1]) for place in range(len(x))]",
        lambda x: list(accumulate(x)),
    ),
    "differences": ("[b - a for a, b in zip(x, x[1:])]", lambda x: [b - a for a, b in pairwise(x)]),
}
GRIDS: Mapping[str, Primitive] = {
    "transpose": ("[list(row) for row in zip(*x)]", lambda x: [list(row) for row in zip(*x, strict=True)]),
    "flip": ("x[::-1]", lambda x: x[::-1]),
    "mirror rows": ("[row[::-1] for row in x]", lambda x: [row[::-1] for row in x]),
    "beside itself": ("[row + row for row in x]", lambda x: [row + row for row in x]),
    "above itself": ("x + x", lambda x: x + x),
    "beside its mirror": ("[row + row[::-1] for row in x]", lambda x: [row + row[::-1] for row in x]),
    "without its first row": ("x[1:]", lambda x: x[1:]),
    "sort columns": (
        "[list(row) for row in zip(*(sorted(column) for column in zip(*x)))]",
        lambda x: [list(row) for row in zip(*(sorted(column) for column in zip(*x, strict=True)), strict=True)],
    ),
}
PRIMITIVES: Mapping[Kind, Mapping[str, Primitive]] = {"list": LISTS, "grid": GRIDS}


def compositions(kind: Kind) -> Iterator[tuple[str, ...]]:
    """Names of primitives to apply in turn, the shortest first, and in the primitives' own order."""
    for steps in range(1, MOST_STEPS + 1):
        yield from product(PRIMITIVES[kind], repeat=steps)


def apply(kind: Kind, names: Sequence[str], given: Any) -> Any:
    """What a composition makes of an input; `None` where a primitive cannot take what it gets."""
    value = given
    for name in names:
        try:
            value = PRIMITIVES[kind][name][1](value)
        except (IndexError, TypeError, ValueError):
            return None
    return value


def program_of(kind: Kind, names: Sequence[str]) -> str:
    """A composition as a program."""
    lines = [f"    x = {PRIMITIVES[kind][name][0]}  # {name}" for name in names]
    return "\n".join(["def transform(x):", *lines, "    return x"])


def names_in(kind: Kind, program: str) -> list[str]:
    """The primitives of a program that `program_of` wrote."""
    comments = [line.partition("  # ")[2] for line in program.splitlines()]
    return [comment for comment in comments if comment in PRIMITIVES[kind]]
