"""Settings of the operators' agents, as a blueprint holds them.

Each operator has plain settings and, by name, variants of them: `variants: {whole: {granularity: solution}}`. A call
whose `how` names a variant is carried out with the plain settings and what the variant changes; any other `how` is
carried out with the plain settings.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from reflectree.rlm_ops.formulas import Aggregation
from reflectree.rlm_ops.step import Granularity


class Part(BaseModel):
    """A part of a blueprint: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    later: ClassVar[frozenset[str]] = frozenset()
    """Fields that came after the first release: left out of the data at their default, so that what does not use them
    is what it was, its digest included."""

    @model_serializer(mode="wrap")
    def _without_later(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = whole(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].default:
                data.pop(name, None)
        return data

    def __hash__(self) -> int:
        """Of the content, dictionaries included."""
        return hash(self.model_dump_json())


class Varied(Part):
    """Settings with variants.

    Attributes:
        variants: What each variant changes, by its name.
    """

    variants: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _variants_fit(self) -> Self:
        for how in self.variants:
            self.variant(how)
        return self

    def variant(self, how: str) -> Self:
        """The settings of a variant; the plain ones where there is none of this name.

        Raises:
            ValueError: The variant changes a setting that is not there, or to a wrong value.
        """
        changes = self.variants.get(how)
        if changes is None:
            return self
        if "variants" in changes:
            raise ValueError(f"variant {how!r}: a variant has no variants")
        plain = {name: getattr(self, name) for name in type(self).model_fields if name != "variants"}
        try:
            return type(self)(**{**plain, **changes})
        except ValidationError as error:
            first = error.errors()[0]
            known = ", ".join(name for name in type(self).model_fields if name != "variants")
            hint = f"; known: {known}" if first["type"] == "extra_forbidden" else ""
            path = ".".join(map(str, (how, *first["loc"])))
            raise ValueError(f"variants.{path}: {first['msg'].lower()}{hint}") from error


class Nested(Part):
    """A nested run: a step that is the outcome of a structure of its own.

    Attributes:
        blueprint: The reasoning system of the nested run: a built-in's name, or data.
        calls: Its cap on calls, and `tokens` on tokens, besides the budget it shares with the run it is part of.
        start: How runs of one node differ: `plain` (by their seed alone), `shuffle` (worked examples in another
            order), `hint` (a phrasing of `Generate.phrasings` each).
        depth: Most nested runs inside one another.
    """

    blueprint: str | dict[str, Any]
    calls: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    start: Literal["plain", "shuffle", "hint"] = "plain"
    depth: int = Field(default=3, ge=1, le=8)


class Demo(Part):
    """A worked example that belongs to the blueprint: question, steps, answer."""

    question: str = Field(min_length=1)
    steps: tuple[str, ...] = ()
    answer: str


class Generate(Varied):
    """Settings of the generator agent.

    Attributes:
        temperature: Sampling temperature; `None` leaves it to the provider.
        ladder: Temperatures by the sample's index, in turn, in place of `temperature`.
        phrasings: Ways to approach the task, one a sample in turn: variation by prompt.
        max_tokens: Most tokens a sample may write.
        delimiter: What ends a step (granularity `step`).
        timeout: Seconds after which a call is cut.
        priors: Ask for log-probabilities and use them as priors.
        alternatives: Log-probabilities of so many alternatives a token, for token confidence (Marco-o1 takes 5).
        granularity: How much a sample writes, where it is not the scheme's.
        prompt: What is asked: `solve` (the next step, or the whole), `propose` (several next steps in one reply),
            `plan` (a plan before steps), `decompose` (an ordered list of sub-questions), `subquestion` (the next
            sub-question with its answer), `answer` (the answer now), `again` (a fresh look at the last sub-question),
            `rephrase` (the task in other words), `act` (a thought and an action), `action` (only the action), `code`
            (a step with the Python code that checks it), `command` (a thought and one command for an environment),
            `experiment` (a thought and one command to search, compute, read the manual or run an experiment).
        propose: Most steps taken from one reply (prompt `propose`).
        diverse: Ask for samples that differ, where the model can draw such: without replacement, leaving out the
            steps that the node has, or by the server's own diverse beam search.
        model: The role of the model that writes.
        thought: Keep the model's visible hidden thought beside the step.
        nested: Make the step by a nested run.
        instruction: How to go about it, in words; it stands in the user turn, after the question.
        demos: Worked examples, shown before those of the task.
        whole_priors: A prior is the chance of the whole step, not of one of its tokens on average (with `priors`).
    """

    later = frozenset({"instruction", "demos", "whole_priors"})

    temperature: float | None = Field(default=0.8, ge=0)
    ladder: tuple[float, ...] = ()
    phrasings: tuple[str, ...] = ()
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int = Field(default=1024, ge=1)
    delimiter: str = Field(default="\n", min_length=1)
    timeout: float = Field(default=120.0, gt=0)
    priors: bool = False
    alternatives: int = Field(default=0, ge=0, le=20)
    granularity: Granularity | None = None
    prompt: Literal[
        "solve",
        "propose",
        "plan",
        "decompose",
        "subquestion",
        "answer",
        "again",
        "rephrase",
        "act",
        "action",
        "code",
        "command",
        "experiment",
    ] = "solve"
    propose: int = Field(default=1, ge=1)
    diverse: bool = False
    model: str = "policy"
    thought: bool = False
    nested: Nested | None = None
    instruction: str = Field(default="", max_length=8000)
    demos: tuple[Demo, ...] = ()
    whole_priors: bool = False


class Refine(Varied):
    """Settings of the refiner agent: a critique, then a new text in the step's place.

    Attributes:
        critique: Where the critique comes from: `verifier` (one that search may ask), `tests` (visible tests, run in
            the sandbox), `remark` (what the run's evaluator said of the node), `tool` (what a tool observed at the
            node), `critic` (a model of that role), `self` (the policy
            itself: without outside feedback this rarely helps, so it is never chosen by itself), `none` (rewrite at
            once), `auto` (the first of verifier, tests, tool and critic that there is).
        prompt: What to do: `rewrite`, `summarise`, `rephrase` or `clarify`.
        critique_tokens: Most tokens of the critique.
        model: The role of the model that rewrites.
        instruction: How to go about it, in words.
    """

    later = frozenset({"instruction"})

    critique: Literal["auto", "verifier", "tests", "remark", "tool", "critic", "self", "none"] = "auto"
    prompt: Literal["rewrite", "summarise", "rephrase", "clarify"] = "rewrite"
    temperature: float | None = Field(default=0.7, ge=0)
    max_tokens: int = Field(default=1024, ge=1)
    critique_tokens: int = Field(default=256, ge=1)
    timeout: float = Field(default=120.0, gt=0)
    model: str = "policy"
    instruction: str = Field(default="", max_length=8000)


class Aggregate(Varied):
    """Settings of the aggregator agent: several nodes into one.

    Attributes:
        prompt: `merge` (the contents into one), `consensus` (what they agree on, and the answer that follows),
            `synthesis` (a new solution that takes the best of each branch), `improve` (a better solution than those
            shown with their values, the best last), `versions` (the next version of a program, after those shown),
            `debate` (the first's author reads what the others say and answers anew), `layer` (one answer from those of
            the layer before).
        top_p: Nucleus mass; `None` is the provider's default.
        model: The role of the model that merges.
        instruction: How to go about it, in words.
    """

    later = frozenset({"instruction", "top_p"})

    prompt: Literal["merge", "consensus", "synthesis", "improve", "versions", "debate", "layer"] = "synthesis"
    temperature: float | None = Field(default=0.5, ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int = Field(default=1024, ge=1)
    timeout: float = Field(default=120.0, gt=0)
    model: str = "policy"
    instruction: str = Field(default="", max_length=8000)


class Enrich(Varied):
    """Settings of the agent that adds to a node's content.

    Attributes:
        kind: `tool` (carry out the step's action, add what was observed), `code` (run the step's Python code in the
            sandbox, add its output), `reflect` (say what the failed attempts below the node teach), `environment`
            (carry the step's command out in the run's environment, add what was observed), `human` (show the step to a
            person and add what they say).
        observation: Most characters of an observation.
        model: The role of the model that reflects.
        approve: Before a command is carried out (`tool`, `environment`, `code`), a person is asked whether it may be.
        ask: What the person is asked, in place of the usual words.
        one_command: A step is carried out if it is exactly one of Coscientist's commands (`tool`); else it observes why
            it is not.
        experiments: Most experiments of a run (`one_command`).
    """

    later = frozenset({"approve", "ask", "one_command", "experiments"})

    kind: Literal["tool", "code", "reflect", "environment", "human"] = "tool"
    observation: int = Field(default=2000, ge=1)
    temperature: float | None = Field(default=0.5, ge=0)
    max_tokens: int = Field(default=256, ge=1)
    timeout: float = Field(default=60.0, gt=0)
    model: str = "policy"
    approve: bool = False
    ask: str = Field(default="", max_length=2000)
    one_command: bool = False
    experiments: int | None = Field(default=None, ge=1)


class Evaluate(Varied):
    """Settings of the evaluator agent.

    Attributes:
        kind: `auto` takes the evaluator given to the run, else a verifier that knows no gold answer, else a judge.
            `judge` (one score with a reason), `rubric` (one score a criterion), `scale` (words such as sure, likely,
            impossible), `vote` (which of the siblings is best), `pairwise` (which of two is better, in both orders),
            `rollouts` (agreement of completions), `confidence` (of the policy in its own tokens), `tests` (visible
            tests, in the sandbox), `value` and `reward` (a `ValueModel` or `RewardModel` given to the run);
            for variants only: `difficulty` and `finished` (observations on the task and on a solution), `discriminate`
            (does another model complete the path to the same answer?).
        rubric: What the judge is asked to look at.
        criteria: The criteria of `rubric`, by name, each with what it asks.
        values: What the words of `scale` are worth: Tree of Thoughts' 20, 1 and .001 in the Game of 24, over 20.
        repeats: Samples of the judgement, of which the mean counts (Tree of Thoughts' sum ranks the same); at
            temperature 0 they are sampled at .7.
        rollouts: Completions sampled per evaluation (`rollouts`).
        reduce: How the scores of a path's steps become one (`reward`).
        fallback: What scores where log-probabilities are wanted and the model gives none (`confidence`).
        model: The role of the model that judges.
        consistency: The weight of self-consistency in the value, LATS's `1 - lambda` (.5 for reasoning, .2 for acting):
            the share of the samples at a node's parent that say the same. The strategy must draw these before it values
            any of them (`expand: together`).
    """

    later = frozenset({"consistency"})

    kind: Literal[
        "auto",
        "verifier",
        "judge",
        "rubric",
        "scale",
        "vote",
        "pairwise",
        "rollouts",
        "confidence",
        "tests",
        "value",
        "reward",
        "difficulty",
        "finished",
        "discriminate",
    ] = "auto"
    rubric: str = "Is each step correct, and does it bring the answer closer?"
    criteria: dict[str, str] = {}
    values: dict[str, float] = {"sure": 1.0, "likely": 0.05, "impossible": 0.00005}
    repeats: int = Field(default=1, ge=1)
    rollouts: int = Field(default=4, ge=1)
    reduce: Aggregation = "last"
    fallback: Literal["judge", "rollouts", "neutral"] = "judge"
    temperature: float = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=256, ge=1)
    timeout: float = Field(default=120.0, gt=0)
    model: str = "judge"
    consistency: float = Field(default=0.0, ge=0, lt=1)
