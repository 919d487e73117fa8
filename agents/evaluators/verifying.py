"""`verifier` and `tests`: a check of the answer that search may ask scores it. Only these give 1.0."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators.base import NEUTRAL, Score, Waiting, checked
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.task import Verifier

CODE = "code"
"""The name of verifiers that run tests, or what their name begins with."""


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
class VisibleTests(Waiting):
    """Tests that the task shows: the share of them that the path's program passes; without a program it is neutral.

    They run in the sandbox, waited for in a thread.
    """

    verifier: Verifier
    source: str = "tests"

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        """Run the tests."""
        if path.answer is None:
            return Score(NEUTRAL)
        share = checked(await asyncio.to_thread(self.verifier.score, path.answer))
        return Score(share, f"{share:.0%} of the visible tests pass")


def runs_tests(verifier: Verifier) -> bool:
    """Whether a verifier runs tests."""
    return verifier.name == CODE or verifier.name.startswith((f"{CODE}:", f"{CODE}-"))


def verifying(verifier: Verifier) -> VerifierEvaluator | VisibleTests:
    """What scores with a verifier: at once, but for those that run tests."""
    return VisibleTests(verifier) if runs_tests(verifier) else VerifierEvaluator(verifier)


verifier = VerifierEvaluator


def tests(verifier: Verifier) -> VisibleTests:
    """Visible tests.

    Raises:
        BadInput: The tests are hidden ones.
    """
    if not isinstance(verifier, Verifier):
        raise BadInput(
            f"evaluators.tests({verifier!r}): give a verifier, such as verifiers.code_tests(..., gold=False)"
        )
    if verifier.gold:
        raise BadInput("evaluators.tests takes tests that the task shows: mark them with gold=False if it does")
    return VisibleTests(verifier)
