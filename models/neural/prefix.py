"""Prefixes that are known are not computed again: a tree over step boundaries that holds keys, values and scores.

Only for causal trunks. A new step under a known prefix costs that step; siblings of one batch share what is before
them, known or not. The tree is bounded in tokens; what was used least recently goes first, ends before beginnings.
It knows what a score is only as numbers that `read` makes of hidden states.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from reflectree.models.neural.forward import KeyValues, Row, Trunk
from reflectree.models.scoring.items import Encoded


@dataclass(frozen=True, slots=True)
class Span:
    """The tokens between two step boundaries, as the trunk saw them.

    Attributes:
        ids: The tokens.
        hidden: Their states, (tokens, width).
        before: The state of the token before the first; `None` at the beginning of the text.
        reads: At which of them a number is wanted, ascending; the last is always among them.
    """

    ids: tuple[int, ...]
    hidden: torch.Tensor
    before: torch.Tensor | None
    reads: tuple[int, ...]


Read = Callable[[Sequence[Span]], list[list[float]]]
"""For each span the numbers at its reads."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of an item.

    Attributes:
        numbers: What was read, by the token's place in the item: at least at its reads and before its cuts.
        computed: How many of its tokens were computed for it.
    """

    numbers: dict[int, float]
    computed: int


Key = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(slots=True, eq=False)
class _Node:
    """A span in the tree. `kept`, `last` and `numbers` are there once it is computed."""

    key: Key
    parent: _Node | None = None
    children: dict[Key, _Node] = field(default_factory=dict)
    kept: KeyValues | None = None
    last: torch.Tensor | None = None
    numbers: tuple[float, ...] = ()

    @property
    def chain(self) -> list[_Node]:
        """The nodes from the first span to this one."""
        found: list[_Node] = []
        node = self
        while node.parent is not None:
            found.append(node)
            node = node.parent
        return found[::-1]


class Runner:
    """Runs items through a trunk.

    Args:
        trunk: The trunk.
        read: Makes numbers of hidden states.
        most_tokens: The most tokens whose keys and values are kept; 0 computes everything anew.
    """

    def __init__(self, trunk: Trunk, read: Read, most_tokens: int) -> None:
        self.trunk, self.read = trunk, read
        self.most_tokens = most_tokens if trunk.shares else 0
        self.tokens = 0
        self._root = _Node(((), ()))
        # Used last stands last, and a span always after those that continue it: the first has no children.
        self._used: OrderedDict[int, _Node] = OrderedDict()

    def run(self, batch: Sequence[Encoded]) -> list[Run]:
        """One result an item, in order."""
        if not self.most_tokens:
            return self._anew(batch)
        paths: list[list[_Node]] = []
        new: list[list[_Node]] = []
        try:
            for encoded in batch:
                path, made = self._path(encoded)
                paths.append(path)
                new.append(made)
            self._compute([node for made in new for node in made])
            return [_result(path, made) for path, made in zip(paths, new, strict=True)]
        finally:
            for path in paths:
                self._touch(path)
            self._evict()

    def clear(self) -> None:
        """Forget everything."""
        for node in self._used.values():  # spans and those after them hold each other
            node.kept = node.last = None
        self._used.clear()
        self._root.children.clear()
        self.tokens = 0

    def _anew(self, batch: Sequence[Encoded]) -> list[Run]:
        """Without the tree: every item from its beginning."""
        spans: list[Span] = []
        for encoded, hidden in zip(batch, self.trunk.whole([encoded.ids for encoded in batch]), strict=True):
            for start, end, reads in _bounds(encoded):
                before = hidden[start - 1] if start else None
                spans.append(Span(encoded.ids[start:end], hidden[start:end], before, reads))
        numbers = iter(self.read(spans))
        found = []
        for encoded in batch:
            read = {
                start + place: number
                for start, _, reads in _bounds(encoded)
                for place, number in zip(reads, next(numbers), strict=True)
            }
            found.append(Run(read, encoded.tokens))
        return found

    def _path(self, encoded: Encoded) -> tuple[list[_Node], list[_Node]]:
        """The item's spans in the tree, and those of them that are new."""
        path: list[_Node] = []
        new: list[_Node] = []
        node = self._root
        for start, end, reads in _bounds(encoded):
            key = (encoded.ids[start:end], reads)
            child = node.children.get(key)
            if child is None:
                child = node.children[key] = _Node(key, node)
                new.append(child)
            path.append(child)
            node = child
        return path, new

    def _compute(self, new: Sequence[_Node]) -> None:
        """Fill the new spans in: those that continue known ones first, each with what follows it alone."""
        ready = [node for node in new if node.parent is self._root or (node.parent and node.parent.kept is not None)]
        while ready:
            runs = [_straight(node) for node in ready]
            rows = [
                Row(
                    tuple(token for node in run for token in node.key[0]),
                    tuple(before.kept for before in run[0].chain[:-1] if before.kept is not None),
                )
                for run in runs
            ]
            nodes: list[_Node] = []
            spans: list[Span] = []
            kept: list[KeyValues] = []
            for run, made in zip(runs, self.trunk.after(rows), strict=True):
                before, start = (run[0].parent.last if run[0].parent else None), 0
                for node in run:
                    ids, reads = node.key
                    end = start + len(ids)
                    spans.append(Span(ids, made.hidden[start:end], before, reads))
                    assert made.own is not None
                    # Copies: what they are cut from holds the whole batch with its padding.
                    kept.append((made.own[0][:, :, start:end].clone(), made.own[1][:, :, start:end].clone()))
                    nodes.append(node)
                    before, start = made.hidden[end - 1].clone(), end
                    node.last = before
            for node, own, numbers in zip(nodes, kept, self.read(spans), strict=True):
                node.kept, node.numbers = own, tuple(numbers)
            ready = [child for run in runs for child in run[-1].children.values() if child.kept is None]

    def _touch(self, path: Sequence[_Node]) -> None:
        """The path was used just now; what was not computed leaves the tree."""
        for node in reversed(path):
            if node.kept is None:
                if node.parent is not None:
                    node.parent.children.pop(node.key, None)
                continue
            if id(node) not in self._used:
                self._used[id(node)] = node
                self.tokens += len(node.key[0])
            self._used.move_to_end(id(node))

    def _evict(self) -> None:
        while self.tokens > self.most_tokens:
            _, node = self._used.popitem(last=False)
            self.tokens -= len(node.key[0])
            if node.parent is not None:
                node.parent.children.pop(node.key, None)


def _bounds(encoded: Encoded) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """The item's spans: begin, end, and the places within at which numbers are read."""
    start = 0
    for end in encoded.cuts:
        inside = {read - start for read in encoded.reads if start <= read < end}
        yield start, end, tuple(sorted(inside | {end - start - 1}))
        start = end


def _straight(node: _Node) -> list[_Node]:
    """The span and those after it, as long as nothing branches off: they are computed in one go."""
    run = [node]
    while len(run[-1].children) == 1:
        run += run[-1].children.values()
    return run


def _result(path: Sequence[_Node], new: Sequence[_Node]) -> Run:
    numbers: dict[int, float] = {}
    start = 0
    for node in path:
        ids, reads = node.key
        numbers |= {start + place: number for place, number in zip(reads, node.numbers, strict=True)}
        start += len(ids)
    return Run(numbers, sum(len(node.key[0]) for node in new))
