"""The engine of searches that grow level by level: generate, score, keep the best, and again.

Beam search, DVTS and the breadth-first Tree of Thoughts are one procedure with different numbers (`Shape`). A *group*
is a set of beams that compete with each other; beam search has one, DVTS one a subtree. Within a level calls run freely
in parallel, and a step is scored as soon as it is there; no level begins while calls of the one before are in flight.

What goes on is decided once a level is complete and is written to the trace by pruning the rest, so everything here can
be derived from the structure again: `LevelSearch` is scratch, kept in `structure.memo` to make an ask cheap. It does
not know what a step or a score is.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.operators.select import sample
from reflectree.rlm_ops.strategies.frontier import Frontier
from reflectree.rlm_ops.strategies.groups import LOOKAHEAD, WHOLE, Group, Share, Verdict
from reflectree.rlm_ops.structure import ReasoningStructure


class LevelSearch(Frontier):
    """A search as far as a structure has come, and what it asks for next."""

    _applied = -1
    """The events of the structure that are taken in."""

    def ask(self, structure: ReasoningStructure, slots: int) -> list[Call]:
        """As `Strategy.ask`."""
        if structure.applied != self._applied:  # what goes on depends on what has come, and on nothing else
            pure = self._settle(structure)
            if pure:
                return pure
            self._applied = structure.applied
        if slots < 1:
            return []
        calls = list(self._evaluations(structure, slots)) if structure.unscored else []
        if calls:
            return calls
        for group in self.groups:
            if group.over:
                continue
            for call in self._growth(structure, group):
                calls.append(call)
                if len(calls) == slots:
                    return calls
        return calls

    def _settle(self, structure: ReasoningStructure) -> list[Call]:
        """Take in what has come and go on as far as it allows; what must be pruned for that."""
        self._take_in(structure)
        if self._repeats:
            self._repeats = {n: of for n, of in self._repeats.items() if structure.steps[n].status != "pruned"}
            if self._repeats:
                return [Call("prune", (n,), reason=f"says the same as node {of}") for n, of in self._repeats.items()]
        for group in self.groups:
            if group.over:
                continue
            if group.looking:
                self._look(structure, group)
            verdict = self._advance(structure, group)
            if verdict is not None:
                return [Call("prune", tuple(verdict.losers), reason=verdict.reason)]
        return []

    def _evaluations(self, structure: ReasoningStructure, slots: int) -> Iterator[Call]:
        for node in structure.unscored:
            owner, group = self._owner[node], self.groups[self._group_of[node]]
            if self._tail.get(owner) != node or owner in group.looking:
                continue
            if self.shape.together and not self._is_grown(structure, group):
                continue
            yield Call("evaluate", (node,), structure.next_index("evaluate", (node,)), self.shape.evaluate)
            slots -= 1
            if not slots:
                return

    # What comes next

    def _growth(self, structure: ReasoningStructure, group: Group) -> Iterator[Call]:
        for node in group.looking:
            ahead = Call("generate", (self._tail[node],), 0, LOOKAHEAD)
            if not structure.is_in_flight(ahead):
                yield ahead
        last, shape = group.level == self.shape.depth, self.shape
        how = WHOLE if last and shape.finish else shape.generate
        if shape.groups > 1 and group.level == 1 < shape.depth:
            how = f"subtree-{group.plan[0].indices.start // shape.first}"
        for position in range(group.begun, len(group.plan)):
            node, indices = group.plan[position]
            free = structure.next_index("generate", (node,))
            for index in range(max(indices.start, free), indices.stop):
                call = Call("generate", (node,), index, how)
                if not (structure.is_settled(call) or structure.is_in_flight(call)):
                    yield call
            if position == group.begun and free >= indices.stop:
                group.begun += 1
        group.begun = 0  # a call may have been taken back: look at all of them the next time

    def _is_grown(self, structure: ReasoningStructure, group: Group) -> bool:
        """Whether all calls that grow the level have come to something."""
        if group.arrived.get(group.level, 0) >= group.planned:
            return True
        if not structure.failures:
            return False
        for node, indices in group.plan:
            nodes = (node,)
            if structure.next_index("generate", nodes) >= indices.stop and not structure.busy("generate", nodes):
                continue
            if not all(structure.is_settled(Call("generate", nodes, index)) for index in indices):
                return False
        return True

    def _is_final(self, structure: ReasoningStructure, looking: Container[int], node: int) -> bool:
        tail = self._tail[node]
        if node in looking:
            return False
        return structure.evaluations[tail] > 0 or structure.steps[tail].status in ("failed", "pruned")

    def _advance(self, structure: ReasoningStructure, group: Group) -> Verdict | None:
        """Go on to the next level as often as one is complete; stop at what must be pruned first."""
        while not group.over and self._is_complete(structure, group):
            if group.level == self.shape.depth:
                group.over = True
                break
            steps = structure.steps
            verdict = group.verdict
            if verdict is None:
                verdict = group.verdict = self._verdict(structure, group)
            if any(steps[node].status == "open" for node in verdict.losers):
                return verdict
            if self.shape.shrink:
                group.held = self.shape.keep - verdict.places
            group.finished += [node for node in group.nodes if steps[node].status == "terminal"]
            self._next_level(group, verdict.going, verdict.places)
        return None

    def _is_complete(self, structure: ReasoningStructure, group: Group) -> bool:
        """Whether every step of the level is there and has a final word."""
        if not self._is_grown(structure, group):
            return False
        nodes = group.nodes
        while group.settled < len(nodes) and self._is_final(structure, group.looking, nodes[group.settled]):
            group.settled += 1
        return group.settled == len(nodes)

    def _verdict(self, structure: ReasoningStructure, group: Group) -> Verdict:
        """Rank a complete level."""
        shape, places = self.shape, self._places(structure, group)
        going = [node for node in self._ranked(structure, group.nodes) if structure.steps[node].status == "open"]
        kept, losers, reason = going, [], f"not among the best {places} of {len(going)}"
        if len(going) > places:
            kept, losers = going[:places], going[places:]
            if shape.temperature is not None:
                rng = structure.rng(f"{self.name} {self.groups.index(group)} {group.level}")
                drawn = set(sample(going, places, rng, self._value.__getitem__, shape.temperature))
                kept = [node for node in going if node in drawn]
                losers = [node for node in going if node not in drawn]
                reason = f"not among the {places} of {len(going)} drawn"
        if shape.lookahead:
            reason = reason if losers else "looked ahead"
            losers += [n for n in group.nodes if n not in self._value and structure.steps[n].status == "open"]
            losers += [node for owner in group.nodes for node in self._ahead(structure, owner)]
        return Verdict(losers, reason, kept, places)

    def _places(self, structure: ReasoningStructure, group: Group) -> int:
        """How many beams may go on: those places that no finished beam takes.

        Nodes pruned at this very level still count, so that asking again after the prune gives the same.
        """
        shape = self.shape
        keep = shape.keep - group.held
        rivals = list(group.nodes)
        if shape.finished == "aside":
            return keep
        if shape.finished == "compete" and not shape.shrink:
            rivals += group.finished
        best = self._ranked(structure, rivals)[:keep]
        return keep - sum(structure.steps[node].status == "terminal" for node in best)

    def _next_level(self, group: Group, going: list[int], places: int) -> None:
        """Share out the samples of the next level; the better beams get the odd ones."""
        shape = self.shape
        if not going:
            group.over = True
            return
        group.level += 1
        each = shape.last if shape.last is not None and group.level == shape.depth else shape.width
        each, odd = divmod(each * places, len(going)) if shape.refill else (each, 0)
        begin = 1 if shape.lookahead else 0  # a step's own call 0 was its look-ahead
        group.plan = []
        for position, node in enumerate(going):
            end = begin + each + (position < odd)
            group.plan.append(Share(node, range(begin, end)))
        group.planned = sum(len(share.indices) for share in group.plan)
        group.begun, group.settled, group.verdict = 0, 0, None
