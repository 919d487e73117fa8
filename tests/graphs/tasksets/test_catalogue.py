from __future__ import annotations

from reflectree.graphs.tasksets import sets
from reflectree.graphs.tasksets.catalogue import nearest
from reflectree.graphs.tasksets.families import FAMILIES
from reflectree.graphs.tasksets.published import ALIASES, PUBLISHED


def test_every_named_set_is_listed_once() -> None:
    names = [listed.name for listed in sets()]
    assert len(names) == len(set(names))
    assert len(names) == len(FAMILIES) + sum(map(len, FAMILIES.values())) + len(PUBLISHED)
    assert {listed.group for listed in sets()} == set(FAMILIES)
    assert all(listed.about for listed in sets())
    groups = {listed.name: listed.group for listed in sets()}
    assert groups["humaneval"] == groups["family:code"] == groups["reasoning_gym:bf"] == "code"
    assert set(ALIASES.values()) <= set(names)


def test_names_that_are_nearly_right() -> None:
    assert nearest("gsm8")[0] == "gsm8k"
    assert nearest("Math-500")[0] == "math500"
    assert nearest("sudoku")[0] == "reasoning_gym:sudoku"
    assert nearest("famly:logic")[0] == "family:logic"
    assert nearest("xyzzyx") == []
