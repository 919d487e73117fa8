"""What a tree search does beside its four phases: rollouts, asking whether a step is the last, reflecting on failures.

All of it is read off the structure; `Errands` only remembers where there is something to look at, so that an ask costs
what has changed, and is kept in `structure.memo`. It does not know how nodes are selected.

- *Rollout* (ReST-MCTS*, arXiv 2406.03816): greedy steps below what was just expanded. The first takes an index of its
  own among its node's calls, so that it is told from an expansion; a node that the search itself went on from in the
  meantime needs none.
- *Finish check* (ReST-MCTS*): an observation on each new step. One that is finished is left, and asked for the answer.
- *Reflection* (LATS, arXiv 2310.04406): after an answer that failed as no other did before, the root is enriched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from reflectree.rlm_ops.backup import ROLLOUT
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.strategies.base import new_calls
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

FINISHED = "finished"
ANSWER = "answer"
REFLECT = "reflect"
SAID_FINISHED = 0.5
"""The value of the finish check from which a step counts as finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What there is to do.

    Attributes:
        rollout: Steps of a rollout; 0 for none.
        index: The index of the call that begins one.
        together: One rollout an expansion, below its best child; else one below each new child.
        finish_check: Whether steps are asked for being the last.
        reflections: Most reflections, and `reflect_below` the value below which an answer has failed.
    """

    rollout: int
    index: int
    together: bool
    finish_check: bool
    reflections: int
    reflect_below: float


class Look(NamedTuple):
    """What a look at a node gives: a call to make, or that the node has to be looked at again."""

    call: Call | None = None
    again: bool = True


WAIT, DONE = Look(), Look(again=False)


class Errands:
    """The errands of a run as far as a structure has come.

    Args:
        plan: What there is to do.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._seen = 1
        self._leaves: dict[int, None] = {}
        self._parents: dict[int, None] = {}
        self._unchecked: dict[int, None] = {}
        self._answers: dict[int, None] = {}
        self._failed: set[str | None] = set()

    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        """As `Strategy.ask`."""
        self._note_new(structure)
        calls = self._look(structure, self._unchecked, self._check)
        pure = [call for call in calls if call.op in PURE]
        if pure:
            return pure
        calls += self._look(structure, self._leaves, self._go_on)
        calls += self._look(structure, self._parents, self._roll_out)
        calls += self._reflect(structure)
        return list(dict.fromkeys(calls))[:slots]  # the end of a rollout may be the best child of an expansion, too

    def _note_new(self, structure: ReasoningStructure) -> None:
        plan = self.plan
        for node in range(self._seen, len(structure)):
            if plan.rollout and (structure.hows[node] == ROLLOUT or not plan.together):
                self._leaves[node] = None
            elif plan.rollout:
                self._parents[structure.parents[node][0]] = None
            if plan.finish_check:
                self._unchecked[node] = None
            if plan.reflections:
                self._answers[node] = None
        self._seen = len(structure)

    @staticmethod
    def _look(
        structure: ReasoningStructure, nodes: dict[int, None], look: Callable[[ReasoningStructure, int], Look]
    ) -> list[Call]:
        calls = []
        for node in list(nodes):
            call, again = look(structure, node)
            if not again:
                del nodes[node]
            elif call is not None:
                calls.append(call)
        return calls

    # Rollouts

    def _go_on(self, structure: ReasoningStructure, node: int) -> Look:
        """The next step of a rollout whose end the node is; in a search by single children, the first, too."""
        if _is_unscored(structure, node):
            return WAIT
        if not self._can_roll(structure, node) or self._rolled_to(structure, node) >= self.plan.rollout:
            return DONE
        return Look(self._step(node))

    def _roll_out(self, structure: ReasoningStructure, parent: int) -> Look:
        """The first step of a rollout: below the best of the parent's children, once all are there and scored."""
        children = structure.children[parent]
        if structure.busy("generate", (parent,)) or any(_is_unscored(structure, child) for child in children):
            return WAIT
        alive = [child for child in children if structure.steps[child].status in ("open", "terminal")]
        if not alive or any(structure.attempts("generate", (child,)) for child in alive):
            return DONE
        best = max(alive, key=lambda child: (structure.value(child) or 0.0, -child))
        return Look(self._step(best)) if self._can_roll(structure, best) else DONE

    def _can_roll(self, structure: ReasoningStructure, node: int) -> bool:
        return structure.is_open(node) and not structure.attempts("generate", (node,))

    def _step(self, node: int) -> Call:
        return Call("generate", (node,), self.plan.index, ROLLOUT)

    @staticmethod
    def _rolled_to(structure: ReasoningStructure, node: int) -> int:
        """Steps of the rollout up to the node."""
        count = 0
        while structure.hows[node] == ROLLOUT:
            count += 1
            node = structure.parents[node][0]
        return count

    # The finish check

    def _check(self, structure: ReasoningStructure, node: int) -> Look:
        if structure.steps[node].status != "open":
            return DONE
        if not structure.evaluations[node]:
            return WAIT
        said = structure.asides.get((node, FINISHED))
        if said is None:
            if structure.attempts("evaluate", (node,)) < 2:
                return Look(new_calls(structure, "evaluate", (node,), 1, FINISHED)[0])
            return WAIT if structure.busy("evaluate", (node,)) else DONE
        if said < SAID_FINISHED or structure.attempts("generate", (node,)):
            return DONE
        if node not in structure.left:
            return Look(Call("backtrack", (node,), reason="finished: the answer is asked for"))
        if structure.depth[node] >= structure.depth_limit:
            return DONE
        return Look(new_calls(structure, "generate", (node,), 1, ANSWER)[0])

    # Reflections

    def _reflect(self, structure: ReasoningStructure) -> list[Call]:
        made = structure.attempts("enrich", (ROOT,))
        if made >= self.plan.reflections:
            self._answers.clear()
            return []
        for node in list(self._answers):
            step = structure.steps[node]
            if _is_unscored(structure, node):
                continue
            del self._answers[node]
            value = structure.value(node)
            if step.status == "terminal" and value is not None and value < self.plan.reflect_below:
                self._failed.add(step.answer)
        if len(self._failed) <= made or structure.busy("enrich", (ROOT,)):
            return []
        return new_calls(structure, "enrich", (ROOT,), 1, REFLECT)


def _is_unscored(structure: ReasoningStructure, node: int) -> bool:
    """Whether a node still waits for its value."""
    return not structure.evaluations[node] and structure.steps[node].status in ("open", "terminal")
