"""Voyager in the toy house: skills are kept once they replay, found by what they do, and shown to later errands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reflectree.graphs import blueprints
from reflectree.graphs.embodied.resolve import make
from reflectree.graphs.embodied.toy import Toy
from reflectree.graphs.embodied.voyager import Ending, Trial, Voyager, replays
from reflectree.graphs.memory.access import Memory
from reflectree.memory import NumpyStore
from reflectree.memory.ledger import Ledger
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput

HOUSE = ["toy/kitchen-1", "toy/kitchen-2", "toy/laundry-1", "toy/office-1"]
BURNT = Ending(lost=("catches fire",))


def way(name: str) -> tuple[str, ...]:
    environment = make(name)()
    assert isinstance(environment, Toy)
    return environment.expert()


def goal(name: str) -> str:
    return make(name)().task.question


def knowing(names: list[str], verdict: float = 1.0) -> Callable[[Request, int], str]:
    """Knows the way of each errand, and judges every episode alike."""
    ways = {goal(name): way(name) for name in names}

    def say(request: Request, index: int) -> str:
        asked = request.messages[-1].content
        if request.json_schema is not None:
            return f'{{"reason": "seen", "score": {verdict * 10:g}}}'
        taken = ways[min((known for known in ways if known in asked), key=asked.find)]  # the skills come after it
        done = request.prefill.count("Observation:")
        return f"Thought: step {done + 1} of the way.\nAction: {taken[min(done, len(taken) - 1)]}"

    return say


def expert(names: list[str], verdict: float = 1.0) -> ScriptedPolicy:
    """A model that does."""
    return ScriptedPolicy(knowing(names, verdict))


def library(folder: Path | None = None) -> Memory:
    return Memory(Ledger(folder, store=NumpyStore(None, index={"embed": _embed, "dims": 26, "fields": ["text"]})))


def _embed(texts: Any) -> list[list[float]]:
    """Letters counted: near texts have near vectors."""
    return [[1.0 + text.lower().count(chr(97 + at)) for at in range(26)] for text in texts]


async def explored(voyager: Voyager, iterations: int = 20) -> list[Trial]:
    return [trial async for trial in voyager.explore(iterations)]


def test_the_blueprint_is_voyagers() -> None:
    blueprint = blueprints.load("voyager-env")
    strategy: Any = blueprint.scheme.strategy
    assert (strategy.name, strategy.trials) == ("reflexion-env", 4)
    assert blueprint.memory is not None
    assert blueprint.memory.recall is not None
    assert (blueprint.memory.recall.kinds, blueprint.memory.recall.limit) == ({"skill": 5}, 5)
    assert not blueprint.memory.learn


async def test_skills_are_learnt_and_shown_to_the_errands_after_them() -> None:
    policy = expert(HOUSE)
    voyager = Voyager(HOUSE, library(), policy=policy, judge=policy, ending=BURNT)
    trials = await explored(voyager)
    assert sorted(trial.name for trial in trials) == sorted(HOUSE)
    assert all(trial.approved and trial.replayed and trial.skill for trial in trials)
    assert trials[0].shown == ()
    assert [len(trial.shown) for trial in trials] == [0, 1, 2, 3]
    first = next(skill for skill in voyager.skills if skill.id == trials[0].skill)
    assert first.body == "\n".join(way(trials[0].name))
    assert (first.description, first.origin.source) == (goal(trials[0].name), "env")
    asked = f"{goal(trials[1].name)}\n"
    later = [request for request in policy.requests if asked in request.messages[-1].content.partition("lesson")[0]]
    assert first.body.splitlines()[0] in later[0].messages[-1].content
    assert all(first.body not in request.messages[0].content for request in later)
    again = Voyager(HOUSE, voyager.memory, policy=policy, judge=policy)
    assert again.done == set(HOUSE)
    assert await explored(again) == []


async def test_the_policy_may_propose_the_next_errand() -> None:
    acts, asked = knowing(HOUSE), list[str]()

    def say(request: Request, index: int) -> str:
        shown = request.messages[-1].content
        if "Errands left:" not in shown:
            return acts(request, index)
        asked.append(shown)
        return f"Answer: {shown.partition('</context>')[0].count('. ')}"  # the last one that is listed

    policy = ScriptedPolicy(say)
    voyager = Voyager(HOUSE, library(), policy=policy, judge=policy, ending=BURNT, proposes=True)
    trials = await explored(voyager)
    assert sorted(trial.name for trial in trials) == sorted(HOUSE)
    assert all(trial.skill for trial in trials)
    assert len(asked) == len(voyager.choices) == len(HOUSE) - 1, "where one is left nobody is asked"
    assert [choice.usage.calls for choice in voyager.choices] == [1, 1, 1]
    assert f"- {goal(trials[0].name)}\n" in asked[1]
    by_rule = Voyager(HOUSE, library(), policy=policy)
    assert await by_rule.next() != trials[0].name
    assert by_rule.choices == []


async def test_what_the_check_rejects_is_no_skill_and_is_given_up() -> None:
    policy = expert(HOUSE, verdict=0.1)
    voyager = Voyager(HOUSE[:1], library(), policy=policy, judge=policy, tries=2)
    trials = await explored(voyager)
    assert [(trial.name, trial.approved, trial.replayed, trial.skill) for trial in trials] == [
        (HOUSE[0], False, False, "")
    ] * 2
    assert voyager.skills == []


async def test_a_check_that_is_fooled_is_not_enough() -> None:
    lost = ScriptedPolicy(
        lambda request, index: (
            '{"reason": "fine", "score": 10}' if request.json_schema is not None else f"Thought: {index}.\nAction: look"
        )
    )
    voyager = Voyager(HOUSE[:1], library(), policy=lost, judge=lost, tries=1)
    (trial,) = await explored(voyager)
    assert (trial.approved, trial.replayed, trial.skill) == (True, False, "")
    assert voyager.skills == []


async def test_settled_runs_are_not_paid_again(tmp_path: Path) -> None:
    policy = expert(HOUSE)
    options: dict[str, Any] = {"ending": BURNT, "checkpoint": tmp_path / "runs.sqlite"}
    first = await explored(Voyager(HOUSE, library(), policy=policy, judge=policy, **options), 2)
    paid = len(policy.requests)
    # the library of the first is lost, its runs are not
    second = await explored(Voyager(HOUSE, library(), policy=policy, judge=policy, **options), 2)
    assert len(policy.requests) == paid
    assert [trial.name for trial in second] == [trial.name for trial in first]


@pytest.mark.parametrize("name", HOUSE)
def test_a_plan_that_works_replays(name: str) -> None:
    made, plan = make(name), way(name)
    assert replays(made, plan, BURNT)
    assert not replays(made, plan[:-1])  # not ended
    assert not replays(made, (*plan, "look"))  # ended before
    assert not replays(made, ("fly", *plan))  # not understood
    assert not replays(made, ())
    assert not replays(made, plan, Ending(won=("you have won",)))


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="named twice"):
        Voyager(HOUSE[:1] * 2, library())
    with pytest.raises(BadInput, match="not written to"):
        Voyager(HOUSE, Memory(library().ledger, split="test"))
