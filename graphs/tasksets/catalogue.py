"""Which task sets there are by name, for listings and for suggestions. It loads none of them."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from reflectree.graphs.tasksets.families import FAMILIES
from reflectree.graphs.tasksets.published import ALIASES, PUBLISHED


class Listed(NamedTuple):
    """A set: what `load_taskset` takes, its group in the survey's taxonomy, and what it is."""

    name: str
    group: str
    about: str


def sets() -> tuple[Listed, ...]:
    """All sets with names: per group its family, the published sets, then the generators."""
    found: list[Listed] = []
    for group, members in FAMILIES.items():
        found.append(Listed(f"family:{group}", group, f"{len(members)} generators in turn"))
        found += [Listed(name, group, it.about) for name, it in PUBLISHED.items() if it.group == group]
        found += [Listed(f"reasoning_gym:{name}", group, "generated") for name in members]
    return tuple(found)


def nearest(name: str) -> list[str]:
    """The sets whose names are most like `name`, as `load_taskset` takes them; at most three."""
    spoken = {listed.name.partition(":")[2] or listed.name: listed.name for listed in sets()}
    spoken |= {listed.name: listed.name for listed in sets()} | ALIASES
    close = difflib.get_close_matches(name.lower(), spoken, n=3, cutoff=0.6)
    return list(dict.fromkeys(spoken[found] for found in close))
