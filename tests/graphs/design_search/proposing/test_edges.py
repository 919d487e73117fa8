from __future__ import annotations

from random import Random

import pytest
from tests.graphs.design_search.methods.searching import SEED

from reflectree.graphs.design_search.designs import BadDesign
from reflectree.graphs.design_search.proposing.edges import (
    as_team,
    closes_circle,
    possible,
    taken,
    team_of,
    with_edges,
)
from reflectree.rlm_ops.blueprint import Blueprint

TEAM = Blueprint.parse(
    {
        "name": "team",
        "scheme": {
            "structure": "dag",
            "granularity": "solution",
            "strategy": {
                "name": "team",
                "members": [{"id": "a"}, {"id": "b"}, {"id": "judge", "reads": ["a", "b"]}],
            },
        },
        "operators": {
            "generate": {"variants": {"b": {"instruction": "Doubt everything.", "temperature": 0.1}}},
            "aggregate": {"prompt": "layer"},
        },
    }
)


def test_every_edge_but_those_from_who_answers() -> None:
    assert possible(TEAM) == [("a", "b"), ("a", "judge"), ("b", "a"), ("b", "judge")]


def test_circles_are_seen() -> None:
    assert closes_circle([("a", "b"), ("b", "c")], ("c", "a"))
    assert not closes_circle([("a", "b"), ("b", "c")], ("a", "c"))


def test_an_edge_that_could_not_be_taken_teaches_nothing() -> None:
    design = with_edges(TEAM, [("a", "b"), ("b", "judge")])
    assert taken(design, possible(TEAM)) == [True, False, None, True]
    assert taken(TEAM, possible(TEAM)) == [False, True, False, True]


def test_members_keep_their_roles_when_they_begin_to_read() -> None:
    design = with_edges(TEAM, [("a", "b"), ("b", "judge")])
    variant = design.operators.aggregate.variant("b")
    assert (variant.instruction, variant.temperature, variant.prompt) == ("Doubt everything.", 0.1, "layer")
    assert team_of(design).final == ("judge",)
    assert team_of(with_edges(design, [("a", "judge")])).members[1].reads == ()


def test_a_seed_without_members_becomes_a_team() -> None:
    team = team_of(as_team(SEED))
    assert [member.id for member in team.members] == ["solver-1", "solver-2", "solver-3", "decider"]
    assert as_team(TEAM) is TEAM
    with pytest.raises(BadDesign, match="edges are those of a team"):
        team_of(SEED)


def test_any_edges_without_circles_make_a_valid_team() -> None:
    rng = Random(0)
    base = as_team(SEED)
    for _ in range(30):
        edges: list[tuple[str, str]] = []
        for edge in possible(base):
            if rng.random() < 0.5 and not closes_circle(edges, edge):
                edges.append(edge)
        there = taken(with_edges(base, edges), possible(base))
        assert [edge for edge, has in zip(possible(base), there, strict=True) if has] == edges
