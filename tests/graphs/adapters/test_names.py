"""A model's name is looked up among those offered, and what is near to a wrong one is told."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectree.graphs.adapters.names import Offered, UnknownModel, full_name, parse_model
from reflectree.rlm_ops.errors import BadInput

OFFERED = Offered(("cot", "best-of-n", "mcts"), ("embedded", "openai/gpt-5-mini", "http://127.0.0.1:8001/v1#qwen"))


def test_every_offered_name_means_itself() -> None:
    names = list(OFFERED)
    assert len(names) == len(set(names)) == 9
    for name in names:
        assert full_name(*parse_model(name, OFFERED)) == name
        assert name in OFFERED


def test_a_blueprint_alone_means_the_first_policy() -> None:
    assert parse_model("mcts", OFFERED) == ("mcts", "embedded")
    assert "mcts" not in OFFERED


@pytest.mark.parametrize(
    ("name", "part", "near"),
    [
        ("mtcs", "blueprint", "'mcts'"),
        ("mtcs/openai/gpt5-mini", "blueprint", "'mcts/openai/gpt-5-mini'"),
        ("mcts/openai/gpt-5-mni", "policy", "'mcts/openai/gpt-5-mini'"),
        ("mcts/", "policy", "'mcts'"),
        ("mcts/gemini", "policy", "'mcts/embedded'"),
        ("best_of_n", "blueprint", "'best-of-n'"),
        ("embedded", "blueprint", "'cot/embedded'"),
        ("openai/gpt-5-mini", "blueprint", "'cot/openai/gpt-5-mini'"),
    ],
)
def test_a_wrong_name_tells_the_nearest(name: str, part: str, near: str) -> None:
    with pytest.raises(UnknownModel) as told:
        parse_model(name, OFFERED)
    assert told.value.part == part
    assert near in str(told.value)


@pytest.mark.parametrize(
    "name",
    [
        "mcts/http://evil.example/v1#m",
        "mcts/../../etc/passwd",
        "/etc/passwd",
        "mcts.yaml/embedded",
        "mcts/embedded/",
        "mcts//embedded",
        " mcts",
        "MCTS",
        "x" * 100_000,
        "mcts/" + "y" * 100_000,
    ],
)
def test_nothing_but_what_is_offered_can_be_named(name: str) -> None:
    with pytest.raises(UnknownModel) as told:
        parse_model(name, OFFERED)
    assert len(str(told.value)) < 300


@given(st.text())
def test_any_text_is_a_name_or_a_clear_error(name: str) -> None:
    with contextlib.suppress(UnknownModel):
        assert full_name(*parse_model(name, OFFERED)) in OFFERED


@pytest.mark.parametrize(("blueprints", "policies"), [((), ("p",)), (("b",), ()), (("a/b",), ("p",)), (("",), ("p",))])
def test_what_cannot_be_offered_is_refused(blueprints: tuple[str, ...], policies: tuple[str, ...]) -> None:
    with pytest.raises(BadInput):
        Offered(blueprints, policies)
