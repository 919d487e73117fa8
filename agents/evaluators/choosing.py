"""Which evaluator a run has, by its blueprint and by what it was given; what cannot work is refused before it costs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from reflectree.agents.evaluators.base import Evaluator, ScoreFunction
from reflectree.agents.evaluators.comparing import PairwiseEvaluator, is_preference_model
from reflectree.agents.evaluators.confident import ConfidenceEvaluator
from reflectree.agents.evaluators.discriminating import DiscriminateEvaluator
from reflectree.agents.evaluators.functional import FunctionEvaluator
from reflectree.agents.evaluators.grading import RubricEvaluator, check_criteria
from reflectree.agents.evaluators.judging import JudgeEvaluator
from reflectree.agents.evaluators.mixing import mixed
from reflectree.agents.evaluators.observing import DifficultyEvaluator, FinishedEvaluator
from reflectree.agents.evaluators.sampling import RolloutEvaluator
from reflectree.agents.evaluators.scoring import RewardEvaluator, ValueEvaluator, is_reward_model, is_value_model
from reflectree.agents.evaluators.verifying import VisibleTests, runs_tests, verifying
from reflectree.agents.evaluators.voting import VoteEvaluator
from reflectree.agents.evaluators.weighing import ScaleEvaluator, check_values
from reflectree.models.base import PolicyModel, PreferenceModel
from reflectree.models.resolve_values import value_model
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.settings import Evaluate, Generate
from reflectree.rlm_ops.task import Verifier

DEFAULT_REDUCE = Evaluate().reduce


def choose(
    settings: Evaluate, generate: Generate, given: object, task_verifier: Verifier | None, *, oracle: bool
) -> Evaluator:
    """The plain evaluator of a run: the one given, else what the blueprint names, else the best that needs no gold.

    Raises:
        BadInput: What was given is no evaluator, the verifier knows the gold answer and `oracle` is not set, or what
            the blueprint names lacks something.
    """
    return mixed(_Means(generate, resolved(given), task_verifier, oracle, {}).plain(settings), settings.consistency)


def choose_all(
    settings: Evaluate,
    generate: Generate,
    given: object,
    verifier: Verifier | None,
    *,
    oracle: bool,
    models: Mapping[str, PolicyModel],
) -> dict[str, Evaluator]:
    """The evaluators of a run by variant, the plain one under "".

    What is given takes the place of the plain one, and of variants of kind `auto`; a value, reward or preference model
    that is given serves the variants of kinds `value`, `reward` and `pairwise`, too.

    Raises:
        BadInput: As `choose`, for any of them; the message names the variant.
    """
    given = resolved(given)
    means = _Means(generate, given, verifier, oracle, models)
    chosen = {"": means.plain(settings)}
    for how in settings.variants:
        variant = settings.variant(how)
        try:
            chosen[how] = chosen[""] if variant.kind == "auto" and given is not None else means.build(variant)
        except BadInput as error:
            raise BadInput(f"operators.evaluate, variant {how!r}: {error}") from error
    return {how: mixed(evaluator, settings.variant(how).consistency) for how, evaluator in chosen.items()}


@dataclass(frozen=True, slots=True)
class _Means:
    """What evaluators can be made of."""

    generate: Generate
    given: object
    verifier: Verifier | None
    oracle: bool
    models: Mapping[str, PolicyModel]

    def plain(self, settings: Evaluate) -> Evaluator:
        """The plain evaluator."""
        chosen = self.build(settings) if self.given is None else evaluator_of(self.given, settings)
        if getattr(chosen, "aside", False):
            raise BadInput(
                f"evaluate kind {chosen.source!r} observes and gives no value, so nothing could be chosen by it: "
                "name it under operators.evaluate.variants, and let a judge or a verifier be the plain kind"
            )
        return chosen

    def build(self, settings: Evaluate) -> Evaluator:
        """The evaluator of a kind."""
        match settings.kind:
            case "auto":
                return self._judging(settings) if self._usable() is None else verifying(self._needed_verifier())
            case "verifier":
                return verifying(self._needed_verifier())
            case "tests":
                return self._tests()
            case "judge":
                return JudgeEvaluator(settings)
            case "rubric":
                return check_criteria(RubricEvaluator(settings))
            case "scale":
                return check_values(ScaleEvaluator(settings))
            case "vote":
                return VoteEvaluator(settings)
            case "pairwise":
                return PairwiseEvaluator(settings, self._preferring())
            case "rollouts":
                return RolloutEvaluator(settings, self.generate, self._usable())
            case "confidence":
                return self._confidence(settings)
            case "value" | "reward":
                return self._model(settings)
            case "difficulty":
                return DifficultyEvaluator(settings)
            case "finished":
                return FinishedEvaluator(settings)
            case "discriminate":
                return DiscriminateEvaluator(settings, self.generate)

    def _judging(self, settings: Evaluate) -> Evaluator:
        """A judge; where the model only writes steps, what its own rollouts agree on."""
        model = self.models.get("judge", self.models.get("policy"))
        if model is not None and not model.capabilities.converses:
            return RolloutEvaluator(settings, self.generate, None)
        return JudgeEvaluator(settings)

    def _usable(self) -> Verifier | None:
        """The verifier, if search may ask it."""
        return self.verifier if self.verifier is not None and (self.oracle or not self.verifier.gold) else None

    def _needed_verifier(self) -> Verifier:
        usable = self._usable()
        if usable is None:
            raise BadInput(
                "this blueprint scores with a verifier, and "
                + (
                    "none was given: pass verifier=, or use kind: judge"
                    if self.verifier is None
                    else "the one given knows the gold answer; pass oracle=True"
                )
            )
        return usable

    def _tests(self) -> VisibleTests:
        usable = self._usable()
        if usable is None or not runs_tests(usable):
            why = "none were given"
            if self.verifier is not None and runs_tests(self.verifier):
                why = "those given are hidden ones; give visible ones, or pass oracle=True"
            raise BadInput(
                f"this blueprint scores with visible tests, and {why}: "
                "pass verifier=verifiers.code_tests([...], gold=False), or use kind: judge"
            )
        return VisibleTests(usable)

    def _confidence(self, settings: Evaluate) -> ConfidenceEvaluator:
        asked = [self.generate, *map(self.generate.variant, self.generate.variants)]
        if not any(one.alternatives for one in asked):
            raise BadInput(
                "evaluate kind confidence needs the generator to ask for log-probabilities: "
                "set operators.generate.alternatives (Marco-o1 takes 5)"
            )
        policy = self.models.get("policy")
        if settings.fallback == "neutral" and policy is not None and not policy.capabilities.logprobs:
            raise BadInput(
                f"evaluate kind confidence with fallback neutral: {policy.name} gives no log-probabilities, so every "
                "step would be worth the same; set operators.evaluate.fallback to judge or rollouts"
            )
        return ConfidenceEvaluator(settings, self.generate)

    def _bare(self) -> Any:
        """What was given, taken out of the evaluator it was given in."""
        wrapped = isinstance(self.given, ValueEvaluator | RewardEvaluator | PairwiseEvaluator)
        return self.given.model if wrapped else self.given  # type: ignore[attr-defined]

    def _preferring(self) -> PreferenceModel | None:
        """The preference model given."""
        given = self._bare()
        return given if is_preference_model(given) else None

    def _model(self, settings: Evaluate) -> ValueEvaluator | RewardEvaluator:
        """The value or reward model given."""
        given = self._bare()
        if settings.kind == "reward" and is_reward_model(given):
            return RewardEvaluator(given, settings.reduce)
        if settings.kind == "value" and is_value_model(given) and not isinstance(given, Evaluator):
            return ValueEvaluator(given)
        method = "score(paths)" if settings.kind == "value" else "score_steps(paths)"
        raise BadInput(
            f"evaluate kind {settings.kind} needs a {settings.kind} model, and none was given: "
            f"pass evaluator=MODEL, an object with `async def {method}`, or use kind: judge"
        )


def evaluator_of(given: object, settings: Evaluate) -> Evaluator:
    """What was given to a run as an evaluator.

    Raises:
        BadInput: It is none.
    """
    given = resolved(given)
    if isinstance(given, Evaluator):
        return given
    if isinstance(given, Verifier):
        raise BadInput(
            f"evaluator={given!r} is a verifier: pass it as verifier=, or as evaluator=evaluators.verifier(...)"
        )
    return _scorer(given, settings)


def resolved(given: object) -> Any:
    """What was given, with the name of a value model replaced by the model.

    Raises:
        BadInput: A string names none.
    """
    if not isinstance(given, str | os.PathLike):
        return given
    try:
        return value_model(given)
    except BadInput as error:
        raise BadInput(
            f"evaluator={os.fspath(given)!r} names no value model ({error}); "
            "other evaluators are a function of a Path, or one of reflectree.evaluators"
        ) from error


def _scorer(given: Any, settings: Evaluate) -> Evaluator:
    """A model or a function as the plain evaluator: what the blueprint names, else what it can best."""
    values, steps, prefers = is_value_model(given), is_reward_model(given), is_preference_model(given)
    if prefers and (settings.kind == "pairwise" or not (values or steps)):
        return PairwiseEvaluator(settings, given)
    # A model that can do both knows best how its steps' scores become a value, unless the blueprint says it.
    by_steps = settings.kind == "reward" or (settings.kind != "value" and settings.reduce != DEFAULT_REDUCE)
    if steps and (by_steps or not values):
        return RewardEvaluator(given, settings.reduce)
    if values:
        return ValueEvaluator(given)
    if callable(given):
        return FunctionEvaluator(cast(ScoreFunction, given))
    raise BadInput(f"evaluator={given!r}: give a function of a Path, or one of reflectree.evaluators")
