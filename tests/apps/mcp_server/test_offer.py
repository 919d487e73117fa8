from __future__ import annotations

from typing import Any

import pytest

from reflectree.apps.mcp_server.offer import Offer, offer
from reflectree.graphs import blueprints
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.testing import ScriptedPolicy


def made(*names: str, memory: bool = False, caps: Budget | None = None, **given: Any) -> Offer:
    named = [blueprints.load(name) for name in names]
    return offer(named, {"policy": ScriptedPolicy("x"), **given}, caps or Budget(calls=9), memory=memory)


def test_without_names_what_needs_nothing_else_is_offered() -> None:
    offered = made().blueprints
    assert {"cot", "best-of-n", "mcts", "self-consistency", "beam", "got"} <= offered.keys()
    wanting = {"react", "react-env", "role-team", "ab-mcts"}  # tools, a world, a critic
    wanting |= {"opro", "funsearch", "expel", "reasoningbank"}  # a measure, a memory
    assert not wanting & offered.keys()
    assert made().default == "best-of-n"


def test_what_is_given_adds_to_what_is_offered() -> None:
    assert "react" in made(tools=["calculator"]).blueprints
    assert "expel" in made(memory=True).blueprints
    assert "opro" in made(evaluator=lambda path: 0.5).blueprints


def test_named_ones_alone_the_first_is_the_default() -> None:
    found = made("tot-bfs", "cot")
    assert (list(found.blueprints), found.default) == (["tot-bfs", "cot"], "tot-bfs")
    assert found.blueprint(None).name == "tot-bfs"
    assert found.blueprint("cot").name == "cot"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("cot", "cot"), "--blueprint cot is given twice"),
        (("react",), "acts with tools"),
        (("react-env",), "acts in an environment"),
    ],
)
def test_what_cannot_run_is_refused_at_the_start(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        made(*names)


def test_one_that_asks_a_person_is_refused() -> None:
    asking = blueprints.load("react").with_overrides({"operators.enrich.approve": True})
    with pytest.raises(BadInput, match="asks a person, and an MCP server has none"):
        offer([asking], {"policy": ScriptedPolicy("x"), "tools": ["calculator"]}, Budget())


def test_a_name_that_is_not_offered_is_answered_with_those_that_are() -> None:
    with pytest.raises(BadInput, match=r"offers no blueprint 'cott'; .*cot"):
        made("cot").blueprint("cott")


def test_clients_may_ask_for_less_and_never_for_more() -> None:
    found = made("cot", caps=Budget(calls=9, tokens=None, usd=0.5, seconds=10.0))
    assert found.budget() == Budget(9, None, 0.5, 10.0)
    assert found.budget(calls=3, tokens=50, seconds=None) == Budget(3, 50, 0.5, 10.0)
    for more in ({"calls": 10}, {"seconds": 10.5}):
        with pytest.raises(BadInput, match="more than this server allows"):
            found.budget(**more)
