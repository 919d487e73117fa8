"""A team of roles: planner, solver, verifier and critic take turns, and a person may have the last word.

A turn is one solution: written afresh below the plan, or revised after the critic. Where a revision comes to nothing
(the critic finds nothing wrong, or failed) the next turn is a fresh solution, so that a team does not circle around one
idea. Who plays a role, a model or a person, is the agents' business.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.strategies.base import Limits, Strategy, new_calls
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

PLANNER, SOLVER, CRITIC, VERIFIER = "planner", "solver", "critic", "verifier"
HUMAN, PERSON = "human", "person"
"""The variant of *enrich* that asks a person, and that of *refine* that takes up what they said."""
PLANS = 2
"""Attempts at a plan; without one the solver works from the task."""


class RoleTeam(Strategy):
    """Planner, solver, critic and verifier, in turns until the verifier is satisfied (`confidence`).

    Attributes:
        turns: Most solutions, fresh and revised ones together.
        tokens: No role is asked once the run has used so many tokens; what is under way is finished. A hard cap is the
            budget's.
        plan: Whether there is a planner.
        ask_person: Show the answer to a person before it is given (`operators.enrich.kind: human`). Where they say
            something, the solution is revised once more (`operators.refine.variants.person`), and that is the answer.
    """

    name: ClassVar[str] = "role-team"
    operators: ClassVar[frozenset[str]] = frozenset({"generate", "refine", "evaluate"})
    confidence: float | None = Field(default=0.9, gt=0, le=1)
    turns: int = Field(default=4, ge=1)
    tokens: int | None = Field(default=None, ge=1)
    plan: bool = True
    ask_person: bool = False

    @override
    def uses(self) -> frozenset[str]:
        return self.operators | {"enrich"} if self.ask_person else self.operators

    @override
    def variants(self) -> Iterable[tuple[str, str]]:
        return (("generate", PLANNER),) if self.plan else ()

    @override
    def limits(self) -> Limits:
        return Limits(self.turns + PLANS, self.turns + PLANS, self.turns + 1, ("generate", "refine"))

    @override
    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        if structure.unbacked:
            return [Call("backpropagate", (node,)) for node in structure.unbacked]
        if slots < 1 or structure.calls_in_flight:
            return []
        return (not self._is_over(structure) and self._next(structure)) or self._last_word(structure)

    @override
    def stop(self, structure: ReasoningStructure) -> str | None:
        if self.ask_person and (structure.calls_in_flight or self._last_word(structure)):
            return None
        return super().stop(structure)

    def _is_over(self, structure: ReasoningStructure) -> bool:
        """Whether nothing more is asked of the roles."""
        spent = self.tokens is not None and structure.usage.tokens >= self.tokens
        return spent or super().stop(structure) is not None or self._shown(structure) is not None

    def _next(self, structure: ReasoningStructure) -> list[Call]:
        """What the team does next; nothing once its turns are over."""
        plan = self._plan(structure)
        if plan is None:
            return new_calls(structure, "generate", (ROOT,), 1, PLANNER)
        waiting = [node for node in structure.unscored if node != plan and structure.steps[node].answer is not None]
        if waiting:
            return [Call("evaluate", (waiting[0],), 0, VERIFIER)]
        written = [node for node in range(1, len(structure)) if node != plan]
        turns = len(written) + sum(structure.failures.get(("refine", (node,)), 0) for node in written)
        turns += structure.failures.get(("generate", (plan,)), 0) - (self._plans_failed(structure) if not plan else 0)
        if turns >= self.turns:
            return []
        last = written[-1] if written else None
        if last is not None and last in structure.terminals and not structure.attempts("refine", (last,)):
            return [Call("refine", (last,), 0, CRITIC)]
        return new_calls(structure, "generate", (plan,), 1, SOLVER)

    def _plan(self, structure: ReasoningStructure) -> int | None:
        """The plan, the root where there is none to be had, or `None` while one is missing."""
        plans = [child for child in structure.children[ROOT] if structure.hows[child] == PLANNER]
        if plans:
            return plans[0]
        return None if self._plans_failed(structure) < (PLANS if self.plan else 0) else ROOT

    def _plans_failed(self, structure: ReasoningStructure) -> int:
        """Attempts at a plan that came to nothing; they are made before all others at the root."""
        return min(PLANS if self.plan else 0, structure.failures.get(("generate", (ROOT,)), 0))

    def _last_word(self, structure: ReasoningStructure) -> list[Call]:
        """Put the best answer to a person, once, and have it revised where they say something."""
        if not self.ask_person or not structure.terminals:
            return []
        shown = self._shown(structure)
        if shown is None:
            return [Call("enrich", (best(structure),), 0, HUMAN)]
        revision = Call("refine", (shown,), 1, PERSON)
        if shown not in structure.versions or structure.is_in_flight(revision):
            return []
        if not structure.is_settled(revision):
            return [revision] if shown in structure.terminals else []
        revised = [child for child in structure.offspring(shown, "refine") if structure.hows[child] == PERSON]
        others = tuple(node for node in structure.terminals if node not in revised)
        if not others or not any(node in structure.terminals for node in revised):
            return []
        return [Call("prune", others, reason="revised after a person's words")]

    def _shown(self, structure: ReasoningStructure) -> int | None:
        """The answer that a person was shown."""
        return next((node for node in range(1, len(structure)) if structure.attempts("enrich", (node,))), None)


def best(structure: ReasoningStructure) -> int:
    """The answer that would be given now: by value, then visits, the older one of equals."""

    def rank(node: int) -> tuple[float, int, int]:
        value = structure.value(node)
        return (-1.0 if value is None else value, structure.visits[node], -node)

    return max(structure.terminals, key=rank)
