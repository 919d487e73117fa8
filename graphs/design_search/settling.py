"""What a run that has ended says about its design: a score, or that it came to nothing, which is no wrong answer.

A run comes to nothing for want of budget, model or verifier. The verifier is asked here, once the run is over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from reflectree.agents.evaluators.base import ScoreError, checked
from reflectree.agents.evaluators.verifying import runs_tests
from reflectree.graphs.result import Result
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import ModelError, VerifierError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import Usage


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An example that came to nothing, and why; it is tried again when its evaluation is.

    Attributes:
        cap: The cap of the search's budget that refused it, where one did.
        error: The model's error, where it is one that every other call would meet, too.
        saved: Whether its run goes on from its checkpoint when it is tried again, and is paid for there.
    """

    reason: str
    usage: Usage
    cap: str = ""
    error: ModelError | None = None
    saved: bool = False


def problem_with(result: Result, own: Budget, account: Ledger, meter: Ledger) -> Unsettled | None:
    """Why a run that has ended says nothing about its design: the search's budget or a model's fault cut it short."""
    reason = result.stop_reason
    if reason.startswith("model:"):
        return Unsettled(f"the model failed ({reason[6:]})", meter.spent)
    if reason.startswith("budget:"):
        cap = reason[7:]
        if _search_is_short(cap, own, account, meter):
            return Unsettled(f"the search's budget of {cap} did not reach", meter.spent, cap=cap)
    if result.answer is None and not result.nodes:
        return Unsettled("no reply could be used", meter.spent)
    return None


def _search_is_short(cap: str, own: Budget, account: Ledger, meter: Ledger) -> bool:
    """Whether it was the search's cap that ended a run, and not the example's own."""
    limit: float | None = getattr(own, cap)
    if limit is None:
        return True
    left = left_of(account, cap)
    used = meter.elapsed if cap == "seconds" else float(getattr(meter.spent, cap) or 0)
    return left is not None and left < limit - used


def left_of(account: Ledger, cap: str) -> float | None:
    """What an account has left; `None` without a cap."""
    if cap == "seconds":
        return account.seconds_left
    limit: float | None = getattr(account.budget, cap)
    return None if limit is None else limit - float(getattr(account.spent, cap) or 0)


async def judged(task: Task, answer: str | None) -> float | str:
    """The score of an answer, or why there is none. No answer at the end of a whole run is worth nothing."""
    verifier = task.verifier
    assert verifier is not None  # splits saw to it
    if answer is None:
        return 0.0
    try:
        if runs_tests(verifier):
            return checked(await asyncio.to_thread(verifier.score, answer))
        return checked(verifier.score(answer))
    except (VerifierError, ScoreError) as error:
        return f"the verifier could not judge ({error})"
    except Exception as error:  # the boundary to a user's verifier
        return f"the verifier could not judge ({type(error).__name__}: {error})"
