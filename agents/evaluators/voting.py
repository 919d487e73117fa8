"""`vote`: a language model says which of a batch's paths is the most promising."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from reflectree.agents import prompts
from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import NEUTRAL, Asking, Score, ScoreError, Waiting, capped, repeated, settings_of
from reflectree.agents.evaluators.reading import first_said, read_reason, unreadable
from reflectree.models.base import Request
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.parsing import json_objects, parse_choice
from reflectree.rlm_ops.settings import Evaluate
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import NO_USAGE


@dataclass(frozen=True, slots=True)
class VoteEvaluator(Waiting):
    """Tree of Thoughts' vote (arXiv 2305.10601): a path is worth its share of the votes on the batch it is in.

    The candidates are shown in an order drawn by the call's seed, so that no place in a batch is worth more. One
    candidate alone has nothing to win: it is neutral, and nobody is asked.
    """

    settings: Evaluate = field(default_factory=Evaluate)
    source: str = "vote"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """The only candidate."""
        return Score(NEUTRAL, "the only candidate")

    async def score_group(
        self, paths: Sequence[Path], calls: Sequence[Call], run: AgentRun
    ) -> Sequence[Score | ScoreError]:
        """One request, as many votes as there are repeats."""
        seed = calls[0].seed(run.seed)
        candidates = {call.nodes[0]: path for call, path in zip(calls, paths, strict=True)}
        if len(candidates) == 1:
            return [Score(NEUTRAL, "the only candidate")] * len(calls)
        ballot = list(candidates)
        Random(seed).shuffle(ballot)
        request = Request(
            prompts.voting(paths[0].task, [candidates[node] for node in ballot], self.settings.rubric),
            seed=seed,
            json_schema=prompts.vote_schema(len(ballot)),
        )
        asking = Asking(run, self.settings.model)
        samples = await asking.samples(
            repeated(request, self.settings),
            lambda choice: unreadable(choice, parse_choice(choice.text, len(ballot)), "vote for a candidate"),
        )
        votes = Counter(
            ballot[number - 1] for sample in samples if (number := parse_choice(sample.text, len(ballot))) is not None
        )
        reason = first_said(read_reason(found) for sample in samples for found in json_objects(sample.text))
        scores: list[Score | ScoreError] = []
        for position, call in enumerate(calls):
            won = votes[call.nodes[0]]
            note = f"{won} of {votes.total()} votes" + (f": {reason}" if reason and won else "")
            usage = NO_USAGE if position else asking.usage
            scores.append(Score(capped(won / votes.total()), note, usage))
        return scores


def vote(repeats: int = 1, rubric: str | None = None) -> VoteEvaluator:
    """A vote on the paths of a batch, by so many votes."""
    return VoteEvaluator(settings_of(kind="vote", repeats=repeats, **({} if rubric is None else {"rubric": rubric})))
