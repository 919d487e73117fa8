"""A recipe: models named in words, built where runs are made, closed there, and runs that stopped not kept."""

from __future__ import annotations

import pickle

import pytest
from tests.training.pipelines.rig import half, say, tasks

from reflectree.graphs import blueprints
from reflectree.models.base import Price
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.training.pipelines.recipe import LocalRunner, ModelWords, Recipe
from reflectree.training.pipelines.runs import Run

WORDS = ModelWords(name="vllm/m", base_url="http://127.0.0.1:9/v1", price=(1.0, 2.0))


def recipe(**options: object) -> Recipe:
    given: dict[str, object] = {
        "blueprint": blueprints.load("best-of-n"), "policy": ScriptedPolicy(say), "evaluator": half,
        "budget": Budget(calls=6), **options,
    }  # fmt: skip
    return Recipe(**given)  # type: ignore[arg-type]


def test_words_travel_and_models_do_not() -> None:
    named = recipe(policy=WORDS, models={"judge": "vllm/judge"})
    assert named.travels
    assert pickle.loads(pickle.dumps(named)) == named
    assert not recipe().travels
    assert not recipe(policy=WORDS, models={"judge": ScriptedPolicy(say)}).travels


def test_a_key_is_read_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ModelWords(name="vllm/m", base_url="http://127.0.0.1:9/v1", api_key_env="MY_KEY")
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(BadInput, match="MY_KEY is not set"):
        words.build()
    monkeypatch.setenv("MY_KEY", "secret")
    assert "secret" not in repr(words)
    assert WORDS.build().price == Price(1.0, 2.0)


async def test_what_was_built_is_closed_and_what_was_given_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    class Counted(ScriptedPolicy):
        async def aclose(self) -> None:
            closed.append(self.name)

    built = Counted(say)
    monkeypatch.setattr(ModelWords, "build", lambda words: built)
    async with recipe(policy=WORDS).built() as options:
        assert options["policy"] is built
        assert not closed
    assert closed == [built.name]
    async with recipe(policy=Counted(say)).built():
        pass
    assert len(closed) == 1


async def test_what_cannot_work_is_refused_before_anything_is_paid() -> None:
    (task,) = tasks(1)
    policy = ScriptedPolicy(say)
    setup = await recipe(policy=policy).check(task)
    assert setup.budget.calls == 6
    assert not policy.requests
    with pytest.raises(ModelError):
        await recipe(evaluator=None, value_model="http://127.0.0.1:9").check(task)


async def test_a_run_is_what_its_task_and_seed_make_it() -> None:
    (task,) = tasks(1)
    async with LocalRunner.open(recipe()) as runner:
        first, again = [await runner.run(Run("a", task, 3)) for _ in range(2)]
        assert first.run_id == "a"
        assert [repr(event) for event in first] == [repr(event) for event in again]
        await runner.kept("a")  # without a checkpoint there is nothing to drop


def test_what_names_the_evaluator() -> None:
    assert recipe().evaluator_name.endswith("rig:half")
    assert recipe(evaluator=None, value_model="tei").evaluator_name == "tei"
    assert recipe(evaluator=None).evaluator_name == ""
