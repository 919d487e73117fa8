from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.engine import tree

from reflectree.rlm_ops.blueprint import Blueprint, nearest
from reflectree.rlm_ops.errors import BadInput

blueprints = st.builds(
    lambda strategy, structure, granularity, temperature, kind, selection, calls: Blueprint.parse(
        {
            "name": "any",
            "scheme": {"structure": structure, "granularity": granularity, "strategy": {"name": strategy}},
            "operators": {"generate": {"temperature": temperature}, "evaluate": {"kind": kind}},
            "selection": selection,
            "budget": {"calls": calls},
        }
    ),
    st.sampled_from(["best-of-n", "cot", "mcts", "self-consistency"]),
    st.sampled_from(["chain", "tree", "dag", "forest"]),
    st.sampled_from(["token", "step", "solution"]),
    st.none() | st.floats(0, 2),
    st.sampled_from(["auto", "verifier", "judge", "rollouts"]),
    st.sampled_from(["value", "visits", "majority", "weighted_vote", "verified"]),
    st.none() | st.integers(0, 100),
)


@given(blueprints)
def test_data_and_json_round_trip(blueprint: Blueprint) -> None:
    data = blueprint.model_dump(mode="json")
    assert Blueprint.parse(data) == blueprint
    assert Blueprint.parse(json.loads(json.dumps(data))).digest == blueprint.digest
    assert hash(Blueprint.parse(data)) == hash(blueprint)


def test_every_selection_can_be_made() -> None:
    """What a blueprint may name, the selection must know: a paid run must not end in an unknown name."""
    from reflectree.rlm_ops.selection import METHODS, NEEDY

    allowed = Blueprint.model_json_schema()["properties"]["selection"]["enum"]
    assert set(allowed) == {*METHODS, *NEEDY}


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError):
        tree().name = "other"


def test_the_digest_is_of_what_changes_a_run() -> None:
    assert tree().digest == tree().model_copy(update={"name": "x", "description": "y", "source": "z"}).digest
    assert tree().digest != tree(width=3).digest
    assert tree().digest != tree().with_overrides({"operators.generate.temperature": 0.1}).digest


def test_overrides_by_dotted_paths() -> None:
    blueprint = tree().with_overrides({"scheme.strategy.width": 7, "selection": "visits"})
    assert blueprint.scheme.strategy.limits().width == 7
    assert blueprint.selection == "visits"
    assert tree().scheme.strategy.limits().width == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"scheme": {"strategy": "mcts"}}, "name: Field required"),
        ({"name": "x"}, "scheme: Field required"),
        ({"name": "", "scheme": {"strategy": "mcts"}}, "name: "),
        ({"name": "x", "scheme": {"strategy": {"name": "mtcs"}}}, "did you mean 'mcts'"),
        ({"name": "x", "scheme": {"strategy": 5}}, "name a strategy"),
        ({"name": "x", "scheme": {"strategy": {"name": "mcts", "width": 0}}}, "greater than or equal to 1"),
        ({"name": "x", "scheme": {"strategy": {"name": "mcts", "wdth": 3}}}, "wdth"),
        ({"name": "x", "scheme": {"strategy": "mcts", "granularty": "step"}}, "did you mean 'granularity'"),
        ({"name": "x", "scheme": {"strategy": "mcts"}, "selction": "value"}, "did you mean 'selection'"),
        ({"name": "x", "scheme": {"strategy": "mcts"}, "selection": "best"}, "selection: "),
        ({"name": "x", "scheme": {"strategy": "mcts"}, "budget": {"calls": -1}}, "budget.calls: "),
        (
            {"name": "x", "scheme": {"strategy": "mcts"}, "operators": {"generate": {"max_tokens": "lots"}}},
            "max_tokens",
        ),
    ],
)
def test_what_is_wrong_is_named_in_one_line(data: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as error:
        Blueprint.parse(data, origin="file.yaml")
    assert str(error.value).startswith("file.yaml: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [("scheme.strateg.width", 3), ("scheme.strategy.width", -1), ("nothing.here", 1), ("name.deeper", 1), ("", 1)],
)
def test_a_wrong_override_is_bad_input(path: str, value: Any) -> None:
    with pytest.raises(BadInput) as error:
        tree().with_overrides({path: value})
    assert "\n" not in str(error.value)


def test_the_nearest_name_comes_first() -> None:
    assert nearest("mct", ["cot", "mcts"]) == "did you mean 'mcts'? known: cot, mcts"
    assert nearest("zzzzz", ["cot"]) == "known: cot"


def test_self_consistency_wants_a_strategy_that_draws_all_samples_first() -> None:
    plan = tree()
    assert "consistency" not in plan.model_dump()["operators"]["evaluate"]
    with pytest.raises(BadInput, match=r"set scheme\.strategy\.expand to together"):
        plan.with_overrides({"operators.evaluate.consistency": 0.5})
    with pytest.raises(BadInput, match="expand to together"):
        plan.with_overrides({"operators.evaluate.variants": {"": {}, "late": {"consistency": 0.5}}})
    mixed = plan.with_overrides({"operators.evaluate.consistency": 0.5, "scheme.strategy.expand": "together"})
    assert mixed.digest != plan.with_overrides({"scheme.strategy.expand": "together"}).digest
