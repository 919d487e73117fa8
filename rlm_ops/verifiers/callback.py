"""`function`: a Python function judges the answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

from reflectree.rlm_ops.errors import BadInput, ReflectreeError, VerifierError


@dataclass(frozen=True, slots=True)
class Function:
    """Right as far as the function says: a bool, or a number from 0 to 1."""

    fn: Callable[[str], float | bool] = field(repr=False)
    name: str
    gold: bool = False

    def score(self, answer: str) -> float:
        """What the function returns for `answer`.

        Raises:
            VerifierError: The function raised, or returned something else than a bool or a number from 0 to 1.
        """
        try:
            verdict = self.fn(answer)
        except ReflectreeError:
            raise
        except Exception as error:
            raise VerifierError(f"the verifier {self.name} raised {type(error).__name__}: {error}") from error
        return checked_score(verdict, self.name)


def checked_score(verdict: object, name: str) -> float:
    """`verdict` as a score in [0, 1].

    Raises:
        VerifierError: It is none.
    """
    try:
        score = float(verdict)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise VerifierError(f"the verifier {name} must return a bool or a number, not {verdict!r}") from error
    if not 0.0 <= score <= 1.0:
        raise VerifierError(f"the verifier {name} must return a number from 0 to 1, not {score}")
    return score


def function(fn: Callable[[str], float | bool], *, gold: bool = False, name: str | None = None) -> Function:
    """A verifier from a function of the answer's text.

    Args:
        fn: Returns whether, or how far (0 to 1), an answer is right. It must not be asynchronous.
        gold: Set it where the function knows the right answer: search then does not get to ask it.
        name: What traces and reports call it; the function's own name by default.

    Raises:
        BadInput: `fn` cannot be called, or is asynchronous.
    """
    if not callable(fn) or inspect.iscoroutinefunction(fn):
        raise BadInput(f"a verifier function takes the answer and returns a float, and is not async: got {fn!r}")
    return Function(fn, name or f"function:{getattr(fn, '__name__', type(fn).__name__)}", gold)
