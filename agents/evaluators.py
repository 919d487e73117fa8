"""Evaluators: what gives a path its value in [0, 1].

`function(fn)`, `verifier(v)`, `judge(rubric)` and `rollouts(n)` make them. A local evaluator scores at once; the others
call a model on the run's budget. A user's function that raises, or returns what is no score, fails that one node.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, cast, runtime_checkable

from reflectree.agents import prompts
from reflectree.agents.base import AgentRun
from reflectree.models.base import Choice, Request
from reflectree.rlm_ops.answers import extract_answer, normalise
from reflectree.rlm_ops.blueprint import Evaluate, Generate
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Verifier
from reflectree.rlm_ops.usage import NO_USAGE, Usage

NEUTRAL = 0.5
"""The value of a path of which nothing is known."""
JUDGE_CEILING = 0.99
"""A judge is never certain: 1.0 is for verifiers, and ends a run by confidence."""

ScoreFunction = Callable[[Path], float] | Callable[[Path], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Score:
    """A value in [0, 1], the reason in words, and what it cost."""

    value: float
    note: str = ""
    usage: Usage = NO_USAGE


class ScoreError(ValueError):
    """An evaluator's output is no score; `usage` is what it cost all the same."""

    def __init__(self, message: str, usage: Usage = NO_USAGE) -> None:
        super().__init__(message)
        self.usage = usage


@runtime_checkable
class Evaluator(Protocol):
    """Scores paths."""

    @property
    def source(self) -> str:
        """Who says so, as the trace records it."""
        ...

    @property
    def local(self) -> bool:
        """Whether `score_now` scores at once; else `score` is awaited."""
        ...

    def score_now(self, path: Path) -> Score:
        """Score at once (local evaluators only)."""
        ...

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Score with the run's models."""
        ...


def checked(value: object) -> float:
    """`value` as a score.

    Raises:
        ScoreError: It is no finite number in [0, 1].
    """
    if isinstance(value, bool):
        return float(value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ScoreError(f"the evaluator returned {value!r}, not a number") from error
    if not math.isfinite(number) or not 0.0 <= number <= 1.0:
        raise ScoreError(f"the evaluator returned {number}: a score lies between 0 and 1")
    return number


@dataclass(frozen=True, slots=True)
class FunctionEvaluator:
    """A Python function of a `Path`; an `async def` is awaited in a slot of its own."""

    fn: ScoreFunction
    source: str = "function"

    @property
    def local(self) -> bool:
        """Whether the function is called at once."""
        return not (inspect.iscoroutinefunction(self.fn) or inspect.iscoroutinefunction(type(self.fn).__call__))

    def score_now(self, path: Path) -> Score:
        """Call the function."""
        return Score(checked(self.fn(path)))

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Await the function."""
        result = self.fn(path)
        return Score(checked(await result if inspect.isawaitable(result) else result))


@dataclass(frozen=True, slots=True)
class VerifierEvaluator:
    """A verifier of answers; a path without an answer is neutral."""

    verifier: Verifier
    source: str = "verifier"
    local: bool = True

    def score_now(self, path: Path) -> Score:
        """The verifier's word on the path's answer."""
        return Score(NEUTRAL if path.answer is None else checked(self.verifier.score(path.answer)))

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """As `score_now`."""
        return self.score_now(path)


@dataclass(frozen=True, slots=True)
class JudgeEvaluator:
    """A language model with a rubric, asked for JSON; the role `judge` names the model, or the policy judges itself."""

    settings: Evaluate = field(default_factory=Evaluate)
    source: str = "judge"
    local: bool = False

    def score_now(self, path: Path) -> Score:
        """Not local: a model is always waited for."""
        raise TypeError("a judge is not local")

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Ask the judge; grades 1 to 10 become values 0 to `JUDGE_CEILING`."""
        request = Request(
            prompts.judging(path, self.settings.rubric),
            max_tokens=self.settings.max_tokens,
            temperature=0.0,
            seed=call.seed(run.seed),
            json_schema=prompts.JUDGE_SCHEMA,
            timeout=self.settings.timeout,
        )
        outcome = await run.caller("judge").call(request, _judgement_problem)
        sample = outcome.samples[0]
        if isinstance(sample, str):
            raise ScoreError(sample, outcome.usage)
        grade, reason = _judgement(sample.text) or (1, "")
        return Score(min((grade - 1) / 9, JUDGE_CEILING), reason, outcome.usage)


@dataclass(frozen=True, slots=True)
class RolloutEvaluator:
    """Self-consistency of rollouts: complete the path several times with the policy.

    An open path is worth the share of its completions that agree on the most frequent answer; a path with an answer is
    worth the share of fresh solutions of the task that agree with it. No gold answer is involved.
    """

    settings: Evaluate = field(default_factory=Evaluate)
    generate: Generate = field(default_factory=Generate)
    source: str = "rollouts"
    local: bool = False

    def score_now(self, path: Path) -> Score:
        """Not local: a model is always waited for."""
        raise TypeError("rollouts are not local")

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Complete the path and count agreement."""
        start = Path(path.task) if path.answer is not None else path
        request = Request(
            prompts.solving(start, "solution"),
            max_tokens=self.generate.max_tokens,
            temperature=self.generate.temperature,
            seed=call.seed(run.seed),
            n=self.settings.rollouts,
            prefill=prompts.begun(start),
            timeout=self.settings.timeout,
        )
        outcome = await run.caller("policy").call(request, _rollout_problem)
        answers = [normalise(extract_answer(s.text) or "") for s in outcome.samples if isinstance(s, Choice)]
        if not answers:
            raise ScoreError("no rollout gave an answer", outcome.usage)
        votes = Counter(answers)
        agreeing = votes[normalise(path.answer)] if path.answer is not None else max(votes.values())
        note = "; ".join(f"{answer} x{count}" for answer, count in votes.most_common())
        return Score(min(agreeing / self.settings.rollouts, JUDGE_CEILING), note, outcome.usage)


function = FunctionEvaluator
verifier = VerifierEvaluator


def judge(rubric: str | None = None) -> JudgeEvaluator:
    """A judge with a rubric of your own."""
    return JudgeEvaluator(Evaluate() if rubric is None else Evaluate(rubric=rubric))


def rollouts(n: int = 4) -> RolloutEvaluator:
    """Self-consistency of `n` rollouts."""
    return RolloutEvaluator(Evaluate(rollouts=n))


def choose(
    settings: Evaluate, generate: Generate, given: object, task_verifier: Verifier | None, *, oracle: bool
) -> Evaluator:
    """The evaluator of a run: the one given, else what the blueprint names, else (`auto`) the best that needs no gold.

    Raises:
        BadInput: What was given is no evaluator, or the verifier knows the gold answer and `oracle` is not set.
    """
    if isinstance(given, Evaluator):
        return given
    if callable(given):
        return FunctionEvaluator(cast(ScoreFunction, given))
    if given is not None:
        raise BadInput(f"evaluator={given!r}: give a function of a Path, or one of reflectree.evaluators")
    usable = task_verifier is not None and (oracle or not task_verifier.gold)
    if settings.kind == "verifier" and not usable:
        raise BadInput(
            "this blueprint scores with a verifier, and "
            + ("none was given" if task_verifier is None else "the one given knows the gold answer; pass oracle=True")
        )
    if task_verifier is not None and usable and settings.kind in ("auto", "verifier"):
        return VerifierEvaluator(task_verifier)
    return RolloutEvaluator(settings, generate) if settings.kind == "rollouts" else JudgeEvaluator(settings)


_GRADE = re.compile(r"\bscore\b\D{0,12}?(10|[1-9])\b", re.IGNORECASE)
_OUT_OF_TEN = re.compile(r"\b(10|[1-9])\s*/\s*10\b")


def _judgement(text: str) -> tuple[int, str] | None:
    """The grade, 1 to 10, and the reason in a judge's reply; JSON first, words as the fall-back."""
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        try:
            data = json.loads(text[start : end + 1])
            grade = int(data["score"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # it may hold 1e999, or 1e5 brackets
            pass
        else:
            return (grade, str(data.get("reason", ""))) if 1 <= grade <= 10 else None
    match = _GRADE.search(text) or _OUT_OF_TEN.search(text)
    return (int(match[1]), "") if match else None


def _judgement_problem(choice: Choice) -> str | None:
    if not choice.text.strip():
        return "the judge's reply is empty"
    return None if _judgement(choice.text) else "the judge's reply holds no score"


def _rollout_problem(choice: Choice) -> str | None:
    return None if extract_answer(choice.text) is not None else "the rollout gave no answer"
