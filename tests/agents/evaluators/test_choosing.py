from __future__ import annotations

from typing import Any

import pytest

from reflectree.agents import evaluators
from reflectree.agents.evaluators import (
    ConfidenceEvaluator,
    DifficultyEvaluator,
    DiscriminateEvaluator,
    Evaluator,
    FinishedEvaluator,
    FunctionEvaluator,
    JudgeEvaluator,
    PairwiseEvaluator,
    RewardEvaluator,
    RolloutEvaluator,
    RubricEvaluator,
    ScaleEvaluator,
    ValueEvaluator,
    VerifierEvaluator,
    VisibleTests,
    VoteEvaluator,
    choose,
    choose_all,
)
from reflectree.models.base import Capabilities
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.settings import Evaluate, Generate
from reflectree.rlm_ops.verifiers.callback import function
from reflectree.rlm_ops.verifiers.literal import exact


class Model:
    """A value and reward model, as far as choosing looks."""

    name = "model"

    async def score(self, paths: Any) -> list[float]:
        return [0.5 for _ in paths]

    async def aclose(self) -> None:
        pass


class Steps:
    """A reward model, as far as choosing looks."""

    name = "steps"

    async def score_steps(self, paths: Any) -> list[list[float]]:
        return [[0.5 for _ in path.steps] for path in paths]

    async def aclose(self) -> None:
        pass


FREE = function(lambda answer: True, name="rule")
CODE = function(lambda answer: True, name="code")
HIDDEN = function(lambda answer: True, name="code", gold=True)
ASKING = Generate(alternatives=5)


def plain(given: object = None, verifier: Any = None, oracle: bool = False, **settings: Any) -> Evaluator:
    return choose(Evaluate(**settings), ASKING, given, verifier, oracle=oracle)


def test_what_is_given_wins() -> None:
    judge = evaluators.judge()
    assert plain(judge) is judge
    assert isinstance(plain(lambda path: 0.5, kind="vote"), FunctionEvaluator)
    assert isinstance(plain(Model(), kind="judge"), ValueEvaluator)
    reward = plain(Steps(), reduce="min")
    assert isinstance(reward, RewardEvaluator)
    assert reward.reduce == "min"


@pytest.mark.parametrize(
    ("given", "message"), [(5, "give a function of a Path"), (exact("42"), "is a verifier"), ("judge", "function")]
)
def test_what_is_no_evaluator_is_refused(given: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        plain(given)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, JudgeEvaluator),
        ({"kind": "judge"}, JudgeEvaluator),
        ({"kind": "rubric", "criteria": {"a": "A?"}}, RubricEvaluator),
        ({"kind": "scale"}, ScaleEvaluator),
        ({"kind": "vote"}, VoteEvaluator),
        ({"kind": "pairwise"}, PairwiseEvaluator),
        ({"kind": "rollouts"}, RolloutEvaluator),
        ({"kind": "confidence"}, ConfidenceEvaluator),
    ],
)
def test_the_kind_names_the_evaluator(settings: dict[str, Any], expected: type[Any]) -> None:
    assert isinstance(plain(**settings), expected)


@pytest.mark.parametrize(
    ("verifier", "kind", "expected"),
    [
        (FREE, "auto", VerifierEvaluator),
        (FREE, "verifier", VerifierEvaluator),
        (CODE, "auto", VisibleTests),
        (CODE, "tests", VisibleTests),
        (exact("42"), "auto", JudgeEvaluator),
        (HIDDEN, "auto", JudgeEvaluator),
    ],
)
def test_a_verifier_serves_where_search_may_ask_it(verifier: Any, kind: str, expected: type[Any]) -> None:
    assert isinstance(plain(None, verifier, kind=kind), expected)


def test_rollouts_are_verified_only_where_search_may_ask() -> None:
    for verifier, oracle, source in (
        (FREE, False, "rollouts+verifier"),
        (exact("42"), False, "rollouts"),
        (exact("42"), True, "rollouts+verifier"),
        (None, False, "rollouts"),
    ):
        assert plain(None, verifier, oracle, kind="rollouts").source == source


@pytest.mark.parametrize(
    ("settings", "verifier", "message"),
    [
        ({"kind": "verifier"}, None, "none was given"),
        ({"kind": "verifier"}, exact("42"), "oracle=True"),
        ({"kind": "tests"}, None, "none were given.*code_tests"),
        ({"kind": "tests"}, FREE, "none were given"),
        ({"kind": "tests"}, HIDDEN, "hidden ones"),
        ({"kind": "value"}, None, "pass evaluator=MODEL.*score"),
        ({"kind": "reward"}, None, "score_steps"),
        ({"kind": "rubric"}, None, "criteria"),
        ({"kind": "scale", "values": {"sure": 1.0}}, None, "two different words"),
        ({"kind": "difficulty"}, None, "variants"),
        ({"kind": "finished"}, None, "variants"),
        ({"kind": "discriminate"}, None, "variants"),
    ],
)
def test_what_cannot_work_is_refused_and_the_fix_named(settings: Any, verifier: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        plain(None, verifier, **settings)
    if settings["kind"] not in ("difficulty", "finished", "discriminate"):
        varied = Evaluate(variants={"other": settings})
        with pytest.raises(BadInput, match=f"variant 'other': .*{message}"):
            choose_all(varied, ASKING, None, verifier, oracle=False, models={})


def test_confidence_needs_log_probabilities() -> None:
    settings = Evaluate(kind="confidence", fallback="neutral")
    with pytest.raises(BadInput, match="alternatives"):
        choose(settings, Generate(), None, None, oracle=False)
    some = Generate(variants={"sure": {"alternatives": 5}})
    assert choose(settings, some, None, None, oracle=False).local
    unable = ScriptedPolicy("", capabilities=Capabilities())
    with pytest.raises(BadInput, match="fallback"):
        choose_all(settings, ASKING, None, None, oracle=False, models={"policy": unable})
    assert choose_all(settings, ASKING, None, None, oracle=False, models={"policy": ScriptedPolicy("")})[""].local


def test_variants_have_evaluators_of_their_own() -> None:
    settings = Evaluate(
        variants={
            "pair": {"kind": "pairwise", "repeats": 2},
            "difficulty": {"kind": "difficulty"},
            "finished": {"kind": "finished"},
            "agree": {"kind": "discriminate"},
            "thrice": {"repeats": 3},
        }
    )
    chosen = choose_all(settings, ASKING, None, None, oracle=False, models={})
    assert {how: type(evaluator) for how, evaluator in chosen.items()} == {
        "": JudgeEvaluator,
        "pair": PairwiseEvaluator,
        "difficulty": DifficultyEvaluator,
        "finished": FinishedEvaluator,
        "agree": DiscriminateEvaluator,
        "thrice": JudgeEvaluator,
    }
    pair = chosen["pair"]
    assert isinstance(pair, PairwiseEvaluator)
    assert pair.settings.repeats == 2


def test_what_is_given_serves_the_variants_that_want_it() -> None:
    settings = Evaluate(
        variants={"again": {"rollouts": 2}, "worst": {"kind": "reward", "reduce": "min"}, "pair": {"kind": "pairwise"}}
    )
    chosen = choose_all(settings, ASKING, Steps(), None, oracle=False, models={})
    worst = chosen["worst"]
    assert isinstance(worst, RewardEvaluator)
    assert worst.reduce == "min"
    assert chosen["again"] is chosen[""]
    assert isinstance(chosen["pair"], PairwiseEvaluator)
    valued = Evaluate(variants={"v": {"kind": "value"}})
    assert isinstance(
        choose_all(valued, ASKING, evaluators.value(Model()), None, oracle=False, models={})["v"], ValueEvaluator
    )
    with pytest.raises(BadInput, match="value model"):
        choose_all(valued, ASKING, lambda path: 0.5, None, oracle=False, models={})


class Both(Model, Steps):
    """A model of values and of steps, which can also compare."""

    name = "both"

    async def prefer(self, pairs: Any) -> list[float]:
        return [0.5 for _ in pairs]


class Prefers:
    """A preference model, as far as choosing looks."""

    name = "prefers"

    async def prefer(self, pairs: Any) -> list[float]:
        return [0.5 for _ in pairs]

    async def aclose(self) -> None:
        pass


def test_a_model_that_can_do_both_is_asked_for_what_the_blueprint_names() -> None:
    both = Both()
    assert isinstance(plain(both), ValueEvaluator)
    assert isinstance(plain(both, kind="value", reduce="min"), ValueEvaluator)
    asked: list[dict[str, Any]] = [{"kind": "reward"}, {"reduce": "min"}, {"kind": "judge", "reduce": "prod"}]
    for settings in asked:
        chosen = plain(both, **settings)
        assert isinstance(chosen, RewardEvaluator)
        assert chosen.reduce == settings.get("reduce", "last")
    paired = plain(both, kind="pairwise")
    assert isinstance(paired, PairwiseEvaluator)
    assert paired.model is both


def test_a_preference_model_compares() -> None:
    prefers = Prefers()
    chosen = plain(prefers)
    assert isinstance(chosen, PairwiseEvaluator)
    assert chosen.model is prefers
    settings = Evaluate(variants={"pair": {"kind": "pairwise"}})
    for given in (prefers, evaluators.pairwise(model=prefers)):
        pair = choose_all(settings, ASKING, given, None, oracle=False, models={})["pair"]
        assert isinstance(pair, PairwiseEvaluator)
        assert pair.model is prefers
    alone = choose_all(settings, ASKING, None, None, oracle=False, models={})["pair"]
    assert isinstance(alone, PairwiseEvaluator)
    assert alone.model is None


def test_the_name_of_a_value_model_is_an_evaluator() -> None:
    chosen = plain("http://127.0.0.1:9#m")
    assert isinstance(chosen, ValueEvaluator)
    assert chosen.model.name == "http://127.0.0.1:9#m"
    assert isinstance(plain("vllm-pooling/m", kind="reward"), RewardEvaluator)
    settings = Evaluate(variants={"v": {"kind": "value"}, "p": {"kind": "pairwise"}, "a": {"rollouts": 2}})
    found = choose_all(settings, ASKING, "http://127.0.0.1:9#m", None, oracle=False, models={})
    assert len({id(evaluator.model) for evaluator in found.values()}) == 1  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match=r"evaluator='vllm-poolin/m' names no value model .*did you mean"):
        plain("vllm-poolin/m")
    with pytest.raises(BadInput, match="reward model"):
        choose_all(Evaluate(variants={"r": {"kind": "reward"}}), ASKING, "tei", None, oracle=False, models={})


def test_a_policy_that_only_writes_steps_is_not_asked_to_judge() -> None:
    from dataclasses import replace

    writer = ScriptedPolicy(lambda request, index: "Answer: 4")
    writer.capabilities = replace(writer.capabilities, converses=False)
    chosen = evaluators.choose_all(Evaluate(), Generate(), None, None, oracle=False, models={"policy": writer})
    assert chosen[""].source == "rollouts"
    judged = evaluators.choose_all(
        Evaluate(), Generate(), None, None, oracle=False, models={"policy": writer, "judge": ScriptedPolicy("Score: 5")}
    )
    assert judged[""].source == "judge"
