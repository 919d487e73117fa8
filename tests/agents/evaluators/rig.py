"""A run as evaluators see it: a small structure, and scripted models on one ledger."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

from tests.support.event_strategies import History
from tests.support.virtual_time import run_virtually

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluators import Evaluator, Score
from reflectree.models.base import Choice, PolicyModel, Request
from reflectree.models.calling import Caller, Retries
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Evaluated, Event, Grown

OPEN, DONE = 1, 2
"""A path that is open, and its sibling that says that the answer is 42."""


def step(text: str, *, under: int = 0, answer: str | None = None, confidence: float | None = None) -> Grown:
    """A step that was generated."""
    status = "open" if answer is None else "terminal"
    return Grown(nodes=(under,), text=text, status=status, answer=answer, confidence=confidence)  # type: ignore[arg-type]


def a_run(policy: PolicyModel, *events: Event, budget: Budget | None = None, **roles: PolicyModel) -> AgentRun:
    """A run with the given nodes (else `OPEN` and `DONE`), and models by role."""
    history = History(9, 9, 3)
    counts: dict[int, int] = {}
    for event in events or (step("6 * 7"), step("Answer: 42", answer="42")):
        if isinstance(event, Grown):
            index = counts[event.nodes[0]] = counts.get(event.nodes[0], -1) + 1
            event = Grown(**{**{n: getattr(event, n) for n in Grown.__slots__}, "index": index})
        history.tell(event)
    ledger = Ledger(budget or Budget())
    callers = {role: Caller(model, ledger, Retries(2, 0.01, 0.01)) for role, model in roles.items()}
    plain = Caller(policy, ledger, Retries(2, 0.01, 0.01))
    return cast(
        AgentRun,
        SimpleNamespace(structure=history.live, seed=0, ledger=ledger, caller=lambda role: callers.get(role) or plain),
    )


def scored(evaluator: Evaluator, run: AgentRun, node: int = OPEN, *, against: int | None = None) -> Score:
    """What the evaluator says of a node."""
    nodes = (node,) if against is None else (node, against)
    return run_virtually(evaluator.score(run.structure.path(node), Call("evaluate", nodes), run))


def says(*replies: str | Choice | Exception) -> ScriptedPolicy:
    """A model that says these, sample by sample."""
    return ScriptedPolicy(list(replies))


def always(reply: str) -> ScriptedPolicy:
    """A model that always says the same."""
    return ScriptedPolicy(reply)


def answering(answer: Callable[[str], str | Choice]) -> ScriptedPolicy:
    """A model that answers from the last user turn alone."""
    return ScriptedPolicy(lambda request, index: answer(asked(request)))


def asked(request: Request) -> str:
    """The last user turn."""
    return request.messages[-1].content


__all__ = [
    "DONE",
    "OPEN",
    "Evaluated",
    "a_run",
    "always",
    "answering",
    "asked",
    "says",
    "scored",
    "step",
]
