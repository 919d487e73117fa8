"""Calls in flight: begun, and not in the trace yet. They raise virtual visits, and hold their places.

What they come to is folded in elsewhere (`reflectree.rlm_ops.structure`); here they begin, land and are given up.
"""

from __future__ import annotations

from reflectree.rlm_ops.arrays import ROOT, NodeArrays
from reflectree.rlm_ops.calls import Call


class InFlight(NodeArrays):
    """The arrays, and the calls that are under way over them."""

    def begin(self, call: Call) -> None:
        """Mark a call as in flight: virtual visits on its path.

        Raises:
            ValueError: The call is in flight or settled already.
        """
        key, bit = (call.op, call.nodes), 1 << call.index
        if (self._settled.get(key, 0) | self._in_flight.get(key, 0)) & bit:
            raise ValueError(f"{call} is in flight or settled already")
        self._in_flight[key] = self._in_flight.get(key, 0) | bit
        self.calls_in_flight += 1
        self.begun += 1
        self._visit_virtually(call.nodes[0], 1)
        if call.op != "evaluate":
            self._refresh(call.nodes[0])
        elif len(call.nodes) == 1:
            self.unscored.pop(call.nodes[0], None)

    def cancel(self, call: Call) -> None:
        """Forget a call in flight that came to no event: it was refused by the budget, or its run was interrupted."""
        if not self._land(call.op, call.nodes, call.index):
            return
        node = call.nodes[0]
        if call.op == "evaluate" and len(call.nodes) == 1 and self._wants_score(node):
            self.unscored[node] = None
        self._refresh(node)

    def _wants_score(self, node: int) -> bool:
        """Whether a first evaluation of the node is missing, with none in flight."""
        return (
            node != ROOT
            and not self.evaluations[node]
            and self.steps[node].status in ("open", "terminal")
            and not self.busy("evaluate", (node,))
        )

    def _land(self, op: str, nodes: tuple[int, ...], index: int) -> bool:
        key, bit = (op, nodes), 1 << index
        mask = self._in_flight.get(key, 0)
        if not mask & bit:
            return False
        if mask == bit:
            del self._in_flight[key]
        else:
            self._in_flight[key] = mask & ~bit
        self.calls_in_flight -= 1
        self._visit_virtually(nodes[0], -1)
        return True

    def _visit_virtually(self, node: int, by: int) -> None:
        virtual, parents = self.virtual, self.parents
        while node != ROOT:
            virtual[node] += by
            node = parents[node][0]
        virtual[ROOT] += by

    def _refresh(self, node: int) -> None:
        """Bring `openings` of the node and its ancestors up to date."""
        is_open = self.can_grow(node)
        if is_open != self._is_open[node]:
            self._is_open[node] = is_open
            self._add_openings(node, 1 if is_open else -1)

    def _add_openings(self, node: int, by: int) -> None:
        openings, parents, steps = self.openings, self.parents, self.steps
        while True:
            openings[node] += by
            if node == ROOT or steps[node].status == "pruned":
                return
            node = parents[node][0]
