"""The errors a user can meet, each with the one line that names its fix.

Every error carries the exit code the command line ends with; nothing here knows of models, files or graphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ReflectreeError(Exception):
    """Base of all errors raised on purpose. `exit_code` is what the command line ends with."""

    exit_code = 2


class BadInput(ReflectreeError):
    """The caller gave something that cannot work: unknown names, empty tasks, negative budgets, unwritable paths."""


class MissingExtra(BadInput):
    """An optional dependency is not installed; the message names the extra to install."""


class TraceError(BadInput):
    """A trace or checkpoint is damaged, of another version, or not a continuation of what it claims to continue."""


class RunLocked(BadInput):
    """Another process is working on this run id."""


class NeedsPerson(ReflectreeError):
    """The run waits for a person, and is saved; `question` says for what, and `run_id` names the run to go on with."""

    def __init__(self, run_id: str, question: Mapping[str, Any]) -> None:
        super().__init__(
            f"run {run_id} waits for a person ({question.get('kind', 'reply')} at step {question.get('node', 0)}): "
            f"go on with resume({run_id!r}, checkpoint, reply=...), or give person=..."
        )
        self.run_id = run_id
        self.question = dict(question)


class BudgetRefused(ReflectreeError):
    """A reservation would exceed a cap of the budget; `cap` names it: calls, tokens, usd or seconds."""

    exit_code = 3

    def __init__(self, cap: str, message: str = "") -> None:
        super().__init__(message or f"the budget's cap on {cap} is reached")
        self.cap = cap


class ModelError(ReflectreeError):
    """A model call failed. Subclasses say whether trying again can help."""

    exit_code = 4


class TransientModelError(ModelError):
    """The provider may answer the next attempt: 429, 5xx, a malformed body, a broken stream.

    `retry_after` is the provider's own wish in seconds, where it stated one.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelTimeout(TransientModelError):
    """The call was cut by its time-out."""


class ModelUnreachable(TransientModelError):
    """No connection to the endpoint: name resolution, refused, reset, TLS."""


class ModelRejected(ModelError):
    """The provider refused the request for good: wrong key, unknown model, unsupported parameter (4xx)."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class VerifierError(ReflectreeError):
    """A verifier could not judge an answer: it raised, ran out of time or broke its contract. Never a wrong answer."""
