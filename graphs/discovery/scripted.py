"""A scripted stand-in for a model that proposes candidates: it varies the best of those that a prompt shows it.

It is no language model and knows nothing; with it one can see that the loop of prompt, proposal and measurement works,
and what the loop costs. Where a prompt shows no candidates it draws one at random. What it says follows from the
prompt and the call's seed alone.
"""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

from reflectree.graphs.discovery.base import Problem, Sampled
from reflectree.models.base import Request
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput

_SHOWN = re.compile(r"^<(solution-\d+|v\d+)>\n(.*?)\n</\1>$", re.MULTILINE | re.DOTALL)


def scripted_proposer(problem: Problem) -> ScriptedPolicy:
    """A policy without a model that proposes candidates for one problem.

    Raises:
        BadInput: The problem cannot draw and vary candidates.
    """
    if not isinstance(problem, Sampled):
        raise BadInput(f"problem {problem.name} has no `draw` and `vary`: a scripted proposer needs both")
    sampled: Sampled = problem

    def say(request: Request, index: int) -> str:
        rng = Random(f"{problem.name}:{request.seed}")
        shown = shown_in(request.messages[-1].content)
        candidate = sampled.vary(shown, rng) if shown else sampled.draw(rng)
        return f"```python\n{candidate}\n```" if problem.task.form == "code" else f"Answer: {candidate}"

    return ScriptedPolicy(say, capabilities=replace(ABLE, max_n=1), name="scripted-proposer")


def shown_in(text: str) -> list[str]:
    """The candidates that a prompt shows, in its order, between the tags of `agents.prompts.discovering`."""
    return [match[2].strip("\n") for match in _SHOWN.finditer(text)]
