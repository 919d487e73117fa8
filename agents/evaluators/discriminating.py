"""`discriminate`: does another model, given the first part of a path, come to the same answer? (rStar, 2408.06195)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from statistics import fmean

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import NEUTRAL, REPEAT_TEMPERATURE, Asking, Score
from reflectree.agents.evaluators.observing import Observing
from reflectree.agents.evaluators.sampling import answer_in, answer_problem, completing
from reflectree.rlm_ops.answers import same_answer
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.settings import Evaluate, Generate
from reflectree.rlm_ops.step import Path, Step

ROLE = "discriminator"
"""The role of the model that completes, unless the settings name one; the policy where nobody has it."""
KEPT = (0.3, 0.7)
"""The share of a path that is shown is drawn from here: the last half, more or less, is masked."""


@dataclass(frozen=True, slots=True)
class DiscriminateEvaluator(Observing):
    """Mutual consistency: the share of completions of a masked path that agree with its answer.

    Completions without an answer are no disagreement and do not count; a path without an answer has nothing to agree
    with and is neutral, and nobody is asked.
    """

    settings: Evaluate = field(default_factory=Evaluate)
    generate: Generate = field(default_factory=Generate)
    source: str = "discriminator"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Have the first part completed."""
        settings, answer = self.settings, path.answer
        if answer is None:
            return Score(NEUTRAL, "no answer to agree with")
        seed = call.seed(run.seed)
        shown = masked(path, Random(seed))
        request = completing(shown, self.generate, seed, settings.repeats, settings.timeout)
        repeats_at = settings.temperature or REPEAT_TEMPERATURE
        asking = Asking(run, ROLE if settings.model == "judge" else settings.model)
        temperature = settings.temperature if settings.repeats == 1 else repeats_at
        samples = await asking.samples(
            replace(request, temperature=temperature), lambda choice: answer_problem(choice, path.task)
        )
        found = [given for sample in samples if (given := answer_in(sample.text, path.task)) is not None]
        note = f"{len(shown.steps)} steps shown, answers: {', '.join(found)}"
        return Score(fmean(same_answer(given, answer) for given in found), note, asking.usage)


def masked(path: Path, rng: Random) -> Path:
    """The path without its last part, about half of its steps; never with its answer.

    A path of one step is cut between its lines.
    """
    pieces = list(path.steps)
    if len(pieces) == 1:
        pieces = [Step(line) for line in pieces[0].text.splitlines() if line.strip()]
    keep = min(round(len(pieces) * rng.uniform(*KEPT)), len(pieces) - 1)
    kept = pieces[: max(keep, 1 if len(pieces) > 1 else 0)]
    while kept and answer_in("\n".join(piece.text for piece in kept), path.task) is not None:
        kept.pop()
    return Path(path.task, tuple(kept), path.notes)
