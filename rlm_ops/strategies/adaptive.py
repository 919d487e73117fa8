"""Adaptive test-time compute: as little as the question is found to need, and more where that does not settle it.

Whole solutions are sampled and vote. A few of them (the probe) say how hard the question is; how hard it is says how
many more are worth having under way at once; sampling ends where the leading answer is sure to stay the majority, where
nothing more could change it, or where a check says that an answer is right. What is still open then goes on to searches
and to a larger model, one at a time, each a vote among the others. Sources: Aggarwal et al. 2023 (arXiv 2305.11860),
Snell et al. 2024 (2408.03314), Damani et al. 2024 (2410.04707).

A search is a nested run (variant `search` of *generate*): a structure of its own, with its own steps, values and
limits, whose answer comes back as one node. It is not known here what it does, and no model or evaluator is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator
from typing_extensions import override

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.difficulty import StopRule, can_still_change, samples_for, spread
from reflectree.rlm_ops.formulas.consensus import beta_majority, dirichlet_majority
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_samples
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

WHOLE, SEARCH, LARGE, DIFFICULTY = "whole", "search", "large", "difficulty"
FREE_CHECKS = frozenset({"verifier", "tests", "function", "value-model", "reward-model"})
"""Evaluators (by their source in the trace) that cost no tokens of a language model."""
CERTAIN_CHECKS = frozenset({"verifier", "tests"})
"""Those that say right or wrong, where anything below `confidence` is wrong."""
PLAUSIBLE = 0.5
"""An answer that any other check holds for less likely right than this has no vote."""


class Stage(NamedTuple):
    """A stage's variant of *generate*, and the indices of its calls: `first` up to and without `end`."""

    how: str
    first: int
    end: int


class Adaptive(Strategy):
    """Chain of thought, self-consistency or best-of-n, search, a larger model: as far as the question needs it.

    Attributes:
        probe: Whole solutions sampled in any case, from which the difficulty is estimated. By the rule's defaults four
            equal answers are the fewest that settle anything, and fewer at first only cost another request.
        most: Most whole solutions.
        most_checked: Most of them where answers are checked for nothing: sampling then goes on in a search's place.
        consensus: Stop once the leading answer is so sure to stay the majority; `null` never does.
        rule: How sure it is: `beta` (against the second answer) or `dirichlet` (against all).
        estimate: What the difficulty, the chance that one sample fails, is read from: `agreement` of the samples,
            their `value` (needs `check`), or a `model` (variant `difficulty` of *evaluate*). Where that says nothing,
            agreement does.
        target: No more samples are under way at once than make one success so likely.
        check: Evaluate answers: `never`, `free` (only where it costs no language model's tokens: a verifier that search
            may ask, a function, a trained value), or `always`.
        search_when: Search where sampling did not settle it: `never`, `no-check` (only where no check is free: with
            one, more samples are the better buy), or `always`.
        searches: Most searches.
        large: Most samples of a larger model (variant `large` of *generate*).
        escalate_at: The difficulty at which sampling is given up for the next stage, if there is one.
    """

    name: ClassVar[str] = "adaptive"
    probe: int = Field(default=4, ge=1)
    most: int = Field(default=16, ge=1)
    most_checked: int = Field(default=32, ge=1)
    consensus: float | None = Field(default=0.95, gt=0.5, le=1)
    rule: StopRule = "beta"
    estimate: Literal["agreement", "value", "model"] = "agreement"
    target: float = Field(default=0.95, gt=0, lt=1)
    check: Literal["never", "free", "always"] = "free"
    search_when: Literal["never", "no-check", "always"] = "no-check"
    searches: int = Field(default=1, ge=1)
    large: int = Field(default=0, ge=0)
    escalate_at: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.probe <= self.most <= self.most_checked:
            raise ValueError(f"probe <= most <= most_checked: {self.probe}, {self.most}, {self.most_checked} are not")
        if self.estimate == "value" and self.check == "never":
            raise ValueError("estimate: value reads what the check says: set check to free or always")
        return self

    @override
    def uses(self) -> frozenset[str]:
        scores = self.check != "never" or self.estimate == "model"
        return frozenset({"generate", "evaluate"}) if scores else frozenset({"generate"})

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        wanted = {
            ("generate", SEARCH): self.search_when != "never",
            ("generate", LARGE): self.large > 0,
            ("evaluate", DIFFICULTY): self.estimate == "model",
        }
        return [variant for variant, is_used in wanted.items() if is_used]

    @override
    def limits(self) -> Limits:
        return Limits(1, self._begin_of_escalation + self.searches + self.large, 1)

    @property
    def _begin_of_escalation(self) -> int:
        return self.most if self.check == "never" else self.most_checked

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if slots < 1:
            return []
        first = Call("evaluate", (ROOT,), 0, DIFFICULTY)
        if self.estimate == "model" and not structure.attempts(first.op, first.nodes):
            return [first]
        if self.checks(structure):
            unchecked = [node for node in structure.terminals if not structure.evaluations[node]]
            if unchecked:  # what they are worth may end the run, so nothing is bought before that is known
                return [Call("evaluate", (node,)) for node in unchecked if node in structure.unscored][:slots]
        probing = [call for call in _calls(WHOLE, range(self.probe)) if not structure.is_settled(call)]
        if probing:
            return [call for call in probing if not structure.is_in_flight(call)][:slots]
        return self._sample(structure, slots) or self._escalate(structure)

    def _sample(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        """More whole solutions, while they may change anything: so many at once as the difficulty makes worth it."""
        later = list(self._later(structure))
        if any(_was_begun(structure, stage) for stage in later):
            return []
        most = self.most_checked if self._is_free(structure) else self.most
        free = most - structure.attempts("generate", (ROOT,))
        difficulty = self.difficulty(structure)
        is_given_up = bool(later) and self.escalate_at is not None and difficulty >= self.escalate_at
        open_votes = free + structure.busy("generate", (ROOT,))
        if is_given_up or not can_still_change(self.votes(structure).values(), open_votes):
            return []
        ahead = samples_for(difficulty, self.target, most=most) - structure.calls_in_flight
        return new_samples(structure, ROOT, min(slots, free, ahead), WHOLE)

    def _escalate(self, structure: ReasoningStructure) -> list[Call]:
        """One call of the first later stage whose votes can still change the answer; none while anything is open."""
        if structure.calls_in_flight:
            return []
        later = list(self._later(structure))
        reached = max((place for place, stage in enumerate(later) if _was_begun(structure, stage)), default=0)
        for stage in later[reached:]:
            calls = _calls(stage.how, range(stage.first, stage.end))
            free = [call for call in calls if not structure.is_settled(call)]
            if can_still_change(self.votes(structure).values(), len(free)):
                return free[:1]
        return []

    def _later(self, structure: ReasoningStructure) -> Iterator[Stage]:
        """The stages after sampling."""
        first = self._begin_of_escalation
        if self.search_when == "always" or (self.search_when == "no-check" and not self._is_free(structure)):
            yield Stage(SEARCH, first, first + self.searches)
        if self.large:
            yield Stage(LARGE, first + self.searches, first + self.searches + self.large)

    @override
    def stop(self, structure: ReasoningStructure) -> str | None:
        if self.checks(structure) and (reason := super().stop(structure)):
            return reason
        if self.consensus is None:
            return None
        majority = beta_majority if self.rule == "beta" else dirichlet_majority
        return "consensus" if majority(self.votes(structure).values()) >= self.consensus else None

    def checks(self, structure: ReasoningStructure) -> bool:
        """Whether answers of this run are evaluated."""
        return self.check == "always" or self._is_free(structure)

    def _is_free(self, structure: ReasoningStructure) -> bool:
        """Whether evaluating an answer of this run costs no language model's tokens."""
        source = structure.began.evaluator if structure.began else ""
        return self.check != "never" and source in FREE_CHECKS

    def votes(self, structure: ReasoningStructure) -> Counter[str]:
        """The votes of each answer; those that a check holds for wrong, or has not seen yet, have none."""
        known = structure.memo.get(self.name)
        if known is None or known[0] != structure.applied:
            least = self._least_value(structure)
            forms: dict[int, str] = {} if known is None else known[2]
            for node in structure.terminals:
                if node not in forms:  # normal forms are what takes time, and answers stay as they are
                    forms[node] = normalise(structure.steps[node].answer or "")
            voting = (node for node in structure.terminals if (structure.value(node) or 0.0) >= least)
            known = structure.memo[self.name] = (structure.applied, Counter(forms[node] for node in voting), forms)
        votes: Counter[str] = known[1]
        return votes

    def _least_value(self, structure: ReasoningStructure) -> float:
        """The value below which an answer has no vote."""
        if not self.checks(structure):
            return 0.0
        is_certain = structure.began is not None and structure.began.evaluator in CERTAIN_CHECKS
        return (self.confidence or 1.0) if is_certain else PLAUSIBLE

    def difficulty(self, structure: ReasoningStructure) -> float:
        """The chance that one more sample fails, in [0, 1], as far as it can be told without gold.

        By agreement: the share of samples that did not come to the leading answer, those that came to none included.
        By value: one less the mean value (Snell's estimate without gold), or twice the values' spread where that is
        more: samples that are worth different amounts are not an easy question's, whatever their mean.
        """
        if self.estimate == "model" and (ROOT, DIFFICULTY) in structure.asides:
            return structure.asides[ROOT, DIFFICULTY]
        if self.estimate == "value":
            values = [value for node in structure.terminals if (value := structure.value(node)) is not None]
            if values:
                return max(0.0, min(1.0, max(1.0 - sum(values) / len(values), 2.0 * spread(values))))
        drawn = structure.attempts("generate", (ROOT,)) - structure.busy("generate", (ROOT,))
        return 1.0 - max(self.votes(structure).values(), default=0) / drawn if drawn else 1.0


def _was_begun(structure: ReasoningStructure, stage: Stage) -> bool:
    """Whether a stage was begun; its calls are made one at a time, in order."""
    first = Call("generate", (ROOT,), stage.first)
    return structure.is_settled(first) or structure.is_in_flight(first)


def _calls(how: str, indices: Iterable[int]) -> list[Call]:
    return [Call("generate", (ROOT,), index, how) for index in indices]
