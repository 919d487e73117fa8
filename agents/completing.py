"""Completes free text answers: what ends a step has cut them, so each is asked for once more without it.

The rest of an answer is paid on the bill of the call that began it, and reserved like any other request. How answers
are found in texts is not known here.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from reflectree.agents.attempts import Attempt
from reflectree.agents.replies import CUT
from reflectree.models.base import Choice, Request
from reflectree.models.calling import Caller, Outcome, spent_by
from reflectree.rlm_ops.errors import BudgetRefused, ModelError
from reflectree.rlm_ops.usage import NO_USAGE, Usage, total

ROOM = 1024
"""Tokens an answer may have at least, where steps are shorter."""
ENDED = "the budget ended before the answer was whole"
"""How the reason of a step begins whose answer nothing was left for."""


async def whole_answers(attempt: Attempt, request: Request, outcome: Outcome, caller: Caller) -> Outcome:
    """The outcome with its begun answers completed, side by side; one that cannot be is the reason why.

    A refused budget or a fault is a reason, too: the beginning was paid, so its call has to settle.
    """
    if not any(isinstance(sample, Choice) and attempt.begun(sample) is not None for sample in outcome.samples):
        return outcome
    done = await asyncio.gather(*(_whole(attempt, request, sample, caller) for sample in outcome.samples))
    return Outcome(tuple(sample for sample, _ in done), outcome.usage + total(usage for _, usage in done))


async def _whole(
    attempt: Attempt, request: Request, sample: Choice | str, caller: Caller
) -> tuple[Choice | str, Usage]:
    """A sample with its answer whole, or what is wrong with it; and what that cost."""
    begun = None if isinstance(sample, str) else attempt.begun(sample)
    if begun is None or isinstance(sample, str):
        return sample, NO_USAGE
    rest = replace(
        request,
        prefill=begun,
        stop=(),
        n=1,
        max_tokens=max(request.max_tokens, ROOM),
        top_logprobs=0,
        diverse=False,
        known=(),
    )
    try:
        outcome = await caller.call(rest, _problem)
    except BudgetRefused as error:
        return f"{ENDED} ({error})", NO_USAGE
    except ModelError as error:
        return f"the answer was cut, and could not be completed: {error}", spent_by(error)
    (found,) = outcome.samples
    problem = found if isinstance(found, str) else attempt.completed(sample, found.text)
    return problem or sample, outcome.usage


def _problem(choice: Choice) -> str | None:
    """What is wrong with the rest of an answer; that there is none may be right."""
    if choice.finish == "filter":
        return "the answer was refused by the provider's filter"
    return f"{CUT}: the answer is longer than its room" if choice.finish == "length" else None
