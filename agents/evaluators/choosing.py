"""Which evaluator a run has, by its blueprint and by what it was given; what cannot work is refused before it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from reflectree.agents.evaluators.base import Evaluator, ScoreFunction
from reflectree.agents.evaluators.comparing import PairwiseEvaluator
from reflectree.agents.evaluators.confident import ConfidenceEvaluator
from reflectree.agents.evaluators.discriminating import DiscriminateEvaluator
from reflectree.agents.evaluators.functional import FunctionEvaluator
from reflectree.agents.evaluators.grading import RubricEvaluator, check_criteria
from reflectree.agents.evaluators.judging import JudgeEvaluator
from reflectree.agents.evaluators.observing import DifficultyEvaluator, FinishedEvaluator
from reflectree.agents.evaluators.sampling import RolloutEvaluator
from reflectree.agents.evaluators.scoring import RewardEvaluator, ValueEvaluator, is_reward_model, is_value_model
from reflectree.agents.evaluators.verifying import VisibleTests, runs_tests, verifying
from reflectree.agents.evaluators.voting import VoteEvaluator
from reflectree.agents.evaluators.weighing import ScaleEvaluator, check_values
from reflectree.models.base import PolicyModel, RewardModel, ValueModel
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.settings import Evaluate, Generate
from reflectree.rlm_ops.task import Verifier


def choose(
    settings: Evaluate, generate: Generate, given: object, task_verifier: Verifier | None, *, oracle: bool
) -> Evaluator:
    """The plain evaluator of a run: the one given, else what the blueprint names, else the best that needs no gold.

    Raises:
        BadInput: What was given is no evaluator, the verifier knows the gold answer and `oracle` is not set, or what
            the blueprint names lacks something.
    """
    return _Means(generate, given, task_verifier, oracle, {}).plain(settings)


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

    What is given takes the place of the plain one, and of variants of kind `auto`; a value or reward model that is
    given serves the variants of kinds `value` and `reward`, too.

    Raises:
        BadInput: As `choose`, for any of them; the message names the variant.
    """
    means = _Means(generate, given, verifier, oracle, models)
    chosen = {"": means.plain(settings)}
    for how in settings.variants:
        variant = settings.variant(how)
        try:
            chosen[how] = chosen[""] if variant.kind == "auto" and given is not None else means.build(variant)
        except BadInput as error:
            raise BadInput(f"operators.evaluate, variant {how!r}: {error}") from error
    return chosen


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
                return JudgeEvaluator(settings) if self._usable() is None else verifying(self._needed_verifier())
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
                return PairwiseEvaluator(settings)
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

    def _model(self, settings: Evaluate) -> ValueEvaluator | RewardEvaluator:
        """The value or reward model given, whether by itself or in an evaluator."""
        given: Any = self.given.model if isinstance(self.given, ValueEvaluator | RewardEvaluator) else self.given
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
    if isinstance(given, Evaluator):
        return given
    if is_reward_model(given):
        return RewardEvaluator(cast(RewardModel, given), settings.reduce)
    if isinstance(given, Verifier):
        raise BadInput(
            f"evaluator={given!r} is a verifier: pass it as verifier=, or as evaluator=evaluators.verifier(...)"
        )
    if is_value_model(given):
        return ValueEvaluator(cast(ValueModel, given))
    if callable(given):
        return FunctionEvaluator(cast(ScoreFunction, given))
    raise BadInput(f"evaluator={given!r}: give a function of a Path, or one of reflectree.evaluators")
