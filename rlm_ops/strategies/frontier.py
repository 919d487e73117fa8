"""How far a search that grows level by level has come: its groups, their steps, their scores.

All of it is read off the structure, node by node as nodes come, and can be read off again; nothing here decides
anything. A step's score is its own value, or with look-ahead the value at the end of the steps looked ahead.
"""

from __future__ import annotations

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.formulas.readouts import aggregate_steps
from reflectree.rlm_ops.operators.prune import beyond_rank, normalised
from reflectree.rlm_ops.strategies.groups import LOOKAHEAD, Group, Shape, Share
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure


class Frontier:
    """The groups of a search and what they consist of.

    Args:
        shape: What the search does.
        name: Labels its randomness.
    """

    def __init__(self, shape: Shape, name: str) -> None:
        self.shape = shape
        self.name = name
        count = shape.first
        self.groups = [
            Group([Share(ROOT, range(group * count, (group + 1) * count))], count) for group in range(shape.groups)
        ]
        self._group_of = [0]
        self._owner = [ROOT]  # whose look-ahead a node is, or itself
        self._tail: dict[int, int] = {}  # where a step's score is found: itself, or the end of its look-ahead
        self._value: dict[int, float] = {}
        self._said: dict[tuple[int, str], int] = {}
        self._repeats: dict[int, int] = {}

    def _take_in(self, structure: ReasoningStructure) -> None:
        for node in range(len(self._owner), len(structure)):
            parent = structure.parents[node][0]
            if structure.hows[node] == LOOKAHEAD:
                owner = self._owner[parent]
                self._owner.append(owner)
                self._group_of.append(self._group_of[owner])
                self._tail[owner] = node
                continue
            self._owner.append(node)
            number = self._group_of[parent] if parent else self._first_group(structure, node)
            self._group_of.append(number)
            group, level = self.groups[number], structure.depth[node]
            group.arrived[level] = group.arrived.get(level, 0) + 1
            if self.shape.distinct:
                older = self._said.setdefault((parent, normalised(structure.steps[node].text)), node)
                if older != node:
                    self._repeats[node] = older
                    continue
            self._tail[node] = node
            group.levels.setdefault(level, []).append(node)
            if self._looks(structure, node):
                group.looking[node] = None

    def _first_group(self, structure: ReasoningStructure, node: int) -> int:
        how = structure.hows[node]
        return int(how.rpartition("-")[2]) if how.startswith("subtree-") else 0

    def _looks(self, structure: ReasoningStructure, node: int) -> bool:
        """Whether a look-ahead belongs to a step."""
        shape = self.shape
        return shape.lookahead > 0 and structure.depth[node] < shape.depth and structure.steps[node].status == "open"

    def _look(self, structure: ReasoningStructure, group: Group) -> None:
        """Forget the look-aheads that are done: far enough, at an answer, or failed."""
        depth, steps = structure.depth, structure.steps
        for node in list(group.looking):
            tail = self._tail[node]
            ended = steps[tail].status != "open" or depth[tail] >= min(
                depth[node] + self.shape.lookahead, self.shape.depth
            )
            if ended or structure.is_settled(Call("generate", (tail,))):
                del group.looking[node]

    def _ahead(self, structure: ReasoningStructure, owner: int) -> list[int]:
        """The nodes of a look-ahead that found no answer; they have told what they were there for."""
        node, found = self._tail[owner], []
        if structure.steps[node].status == "terminal":
            return []
        while node != owner:
            if structure.steps[node].status == "open":
                found.append(node)
            node = structure.parents[node][0]
        return found

    def _ranked(self, structure: ReasoningStructure, nodes: list[int]) -> list[int]:
        """Those nodes that have a score, best path first; ties go to the older node."""
        known = [node for node in nodes if self._score(structure, node) is not None]
        return beyond_rank(structure, known, 0, self._value)

    def _score(self, structure: ReasoningStructure, node: int) -> float | None:
        """The value of the path to a node, known once its last step is scored."""
        known = self._value.get(node)
        if known is None:
            value = structure.value(self._tail[node])
            if value is None or structure.steps[self._tail[node]].status == "failed":
                return None
            known = value
            if self.shape.reduce != "last":
                ends = [structure.value(self._tail[step]) for step in structure.path_ids(node)]
                known = aggregate_steps([end for end in ends if end is not None], self.shape.reduce)
            self._value[node] = known
        return known
