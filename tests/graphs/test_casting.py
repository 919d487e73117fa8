"""Models by the names of members, however a team is run; and models that nobody would ask."""

from __future__ import annotations

import pytest

from reflectree.graphs import blueprints
from reflectree.graphs.casting import cast, check_cast
from reflectree.graphs.run import asolve
from reflectree.graphs.teams import aconvene
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput

ONE, TWO = "So.\nAnswer: 1", "So.\nAnswer: 2"


async def test_a_members_model_is_asked_by_solve_too() -> None:
    chair = ScriptedPolicy(TWO, name="chair")
    result = await asolve("Which?", blueprint="moa", policy=ScriptedPolicy(ONE), models={"aggregator": chair})
    assert (result.answer, len(chair.requests)) == ("2", 1)


async def test_a_team_that_is_nested_is_cast_too() -> None:
    chair = ScriptedPolicy(TWO, name="chair")
    plan = blueprints.load("self-consistency").with_overrides(
        {"operators.generate.nested": {"blueprint": "moa"}, "scheme.strategy.n": 1}
    )
    result = await asolve("Which?", blueprint=plan, policy=ScriptedPolicy(ONE), models={"aggregator": chair})
    assert (result.answer, len(chair.requests)) == ("2", 1)
    check_cast(plan, ["aggregator"])


@pytest.mark.parametrize(("name", "role"), [("debate", "agent-9"), ("role-team", "solvr"), ("moa", "agregator")])
async def test_a_model_that_nobody_would_ask_is_refused_before_it_costs(name: str, role: str) -> None:
    policy = ScriptedPolicy(ONE)
    with pytest.raises(BadInput, match=f"has no role '{role}'.*did you mean"):
        await aconvene("Which?", name, policy=policy, models={role: ScriptedPolicy(TWO), "critic": policy})
    assert not policy.requests


def test_roles_of_settings_memory_and_nested_runs_are_roles() -> None:
    check_cast(blueprints.load("forest").with_overrides({"operators.generate.model": "poet"}), ["poet", "judge"])
    with pytest.raises(BadInput, match="has no role 'poet'"):
        check_cast(blueprints.load("expel"), ["poet"])


def test_plain_settings_that_name_a_model_keep_it() -> None:
    team = blueprints.load("role-team")
    assert cast(team, ["verifier"]).operators.evaluate.model == "verifier"
    examined = team.with_overrides({"operators.evaluate.model": "examiner"})
    assert cast(examined, ["verifier"]).operators.evaluate.model == "examiner"
    assert cast(team, ["critic"]) is team
