"""`rollouts`: the policy completes a path several times; the completions say what it is worth."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean

from reflectree.agents import free_text, prompts
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import Asking, Score, ScoreError, Waiting, capped, checked, settings_of
from reflectree.models.base import Choice, Request
from reflectree.rlm_ops.answers import extract_answer, normalise
from reflectree.rlm_ops.blueprint import Evaluate, Generate
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Task, Verifier


@dataclass(frozen=True, slots=True)
class RolloutEvaluator(Waiting):
    """Completions of a path by the policy.

    Without a verifier, self-consistency: an open path is worth the share of its completions that agree on the most
    frequent answer; a path with an answer is worth the share of fresh solutions of the task that agree with it. No gold
    answer is involved.

    With a verifier that search may ask, Monte Carlo: an open path is worth the share of its completions' answers that
    the verifier accepts (of those that gave one); a path with an answer is worth what the verifier says of it, and
    nothing is sampled.
    """

    settings: Evaluate = field(default_factory=Evaluate)
    generate: Generate = field(default_factory=Generate)
    verifier: Verifier | None = None

    @property
    def source(self) -> str:
        """Who says so."""
        return "rollouts" if self.verifier is None else "rollouts+verifier"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Complete the path, and count agreement or what is accepted."""
        if self.verifier is not None and path.answer is not None:
            return Score(checked(await asyncio.to_thread(self.verifier.score, path.answer)), "nothing left to complete")
        start = Path(path.task, notes=path.notes) if path.answer is not None else path
        asking = Asking(run, "policy")
        request = completing(start, self.generate, call.seed(run.seed), self.settings.rollouts, self.settings.timeout)
        samples = await asking.samples(request, lambda choice: answer_problem(choice, path.task))
        answers = [answer for sample in samples if (answer := answer_in(sample.text, path.task)) is not None]
        if self.verifier is not None:
            return await self._accepted(self.verifier, answers, asking)
        votes = Counter(map(normalise, answers))
        agreeing = votes[normalise(path.answer)] if path.answer is not None else max(votes.values())
        return Score(capped(agreeing / self.settings.rollouts), _listed(votes), asking.usage)

    async def _accepted(self, verifier: Verifier, answers: list[str], asking: Asking) -> Score:
        try:
            verdicts = [checked(await asyncio.to_thread(verifier.score, answer)) for answer in answers]
        except Exception as error:  # the boundary to a user's verifier: the rollouts are paid all the same
            raise ScoreError(f"{type(error).__name__}: {error}", asking.usage) from error
        return Score(capped(fmean(verdicts)), _listed(Counter(map(normalise, answers))), asking.usage)


def completing(start: Path, generate: Generate, seed: int, n: int, timeout: float) -> Request:
    """What a model is asked to complete a path with `n` samples."""
    return Request(
        prompts.solving(start),
        max_tokens=generate.max_tokens,
        temperature=generate.temperature,
        seed=seed,
        n=n,
        prefill=prompts.begun(start, generate.delimiter),
        timeout=timeout,
        path=start,
    )


def answer_in(text: str, task: Task) -> str | None:
    """The answer that a completion gives."""
    return free_text.stated(text) if task.form == "text" else extract_answer(text)


def answer_problem(choice: Choice, task: Task) -> str | None:
    """What is wrong with a completion, or `None`."""
    if task.form == "text" and choice.finish == "length":
        return "the rollout was cut"
    return None if answer_in(choice.text, task) is not None else "the rollout gave no answer"


def _listed(votes: Counter[str]) -> str:
    return "; ".join(f"{answer} x{count}" for answer, count in votes.most_common())


def rollouts(n: int = 4, verifier: Verifier | None = None) -> RolloutEvaluator:
    """Self-consistency of `n` rollouts; with a verifier, the share of them that it accepts."""
    return RolloutEvaluator(settings_of(rollouts=n), verifier=verifier)
