"""A structure drawn as a tree for a terminal: one line a step, the answer's path marked, the rest folded away.

What is shown is chosen best first: the answer's path, then the most visited steps, until there are enough lines. So a
tree of any size is drawn in the time it takes to read it once. Colours only repeat what the symbols say.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from reflectree.apps.terminal import many, one_line
from reflectree.rlm_ops.events import Event, Failed
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

SYMBOLS = {"answer": "★", "path": "▸", "terminal": "●", "open": "○", "failed": "✗", "pruned": "⊘"}
STYLES = {"answer": "bold green", "path": "bold", "terminal": "cyan", "open": "", "failed": "red", "pruned": "dim"}
LEGEND = "★ the answer  ▸ the way to it  ● another answer  ○ open  ✗ failed  ⊘ pruned   0.50 x3: value, visits"
_TEXT_LIMIT = 2000
_INDENT_LIMIT = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is drawn: steps, children a step, steps on a path. `None` is all."""

    nodes: int | None = 60
    width: int | None = None
    depth: int | None = None


def failures_by_node(events: Sequence[Event]) -> dict[int, list[str]]:
    """Why calls at each node came to nothing."""
    failures: dict[int, list[str]] = defaultdict(list)
    for event in events:
        if isinstance(event, Failed) and event.nodes:
            failures[event.nodes[0]].append(f"{event.of}: {event.reason}")
    return failures


class Drawing:
    """The lines of one tree.

    Args:
        structure: What is drawn.
        failures: Why calls at a node came to nothing.
        limits: How much of it.
    """

    def __init__(self, structure: ReasoningStructure, failures: Mapping[int, Sequence[str]], limits: Limits) -> None:
        self._structure = structure
        self._failures = failures
        answered = structure.answered
        self._answer = answered.node if answered is not None and answered.node > ROOT else None
        self._path = set(structure.path_ids(self._answer)) if self._answer is not None else set()
        self._sizes, self._bests = self._measure()
        self._shown = self._choose(limits)

    @property
    def shown(self) -> frozenset[int]:
        """The steps that are drawn: always a connected tree, at least the answer's path."""
        return frozenset(self._shown)

    def lines(self) -> Iterator[Text]:
        """The tree, one line a step; the root's line is the caller's."""
        if not len(self._structure):
            return
        stack: list[tuple[int | Text, str, bool]] = list(self._below(ROOT, ""))
        while stack:
            entry, indent, last = stack.pop()
            line = Text(_shortened(indent) + ("└─ " if last else "├─ "), style="dim", no_wrap=True, overflow="ellipsis")
            if isinstance(entry, Text):
                yield line.append(entry)
                continue
            yield line.append(self._words(entry))
            stack.extend(self._below(entry, indent + ("   " if last else "│  ")))

    def _below(self, node: int, indent: str) -> list[tuple[int | Text, str, bool]]:
        """What hangs below a node, the last first."""
        children = self._structure.children[node]
        entries: list[int | Text] = [child for child in children if child in self._shown]
        hidden = [child for child in children if child not in self._shown]
        reasons = self._failures.get(node, ())
        if reasons and self._structure.steps[node].status != "failed":
            entries.append(Text(f"✗ {many(len(reasons), 'call')} failed: {one_line(reasons[-1])}", style="red"))
        if hidden:
            entries.append(self._folded(hidden))
        lines = [(entry, indent, position == len(entries) - 1) for position, entry in enumerate(entries)]
        return lines[::-1]

    def _folded(self, hidden: Sequence[int]) -> Text:
        best = max((value for node in hidden if (value := self._bests[node]) is not None), default=None)
        steps = many(sum(self._sizes[node] for node in hidden), "more step")
        return Text(f"… {steps}" + ("" if best is None else f", best {best:.2f}"), style="dim italic")

    def _words(self, node: int) -> Text:
        structure, step = self._structure, self._structure.steps[node]
        kind = "answer" if node == self._answer else "path" if node in self._path else step.status
        value = structure.value(node)
        score = " ····" if value is None else f" {value:.2f}"
        line = Text(f"{SYMBOLS[kind]} ", style=STYLES[kind]).append(f"{node}", style="dim")
        line.append(score, style=STYLES[kind] or "yellow").append(f" x{structure.visits[node]}  ", style="dim")
        made = self._made(node)
        if made:
            line.append(f"({made}) ", style="dim")
        if step.answer is not None:
            line.append(f"⇒ {one_line(step.answer, 60)}  ", style="bold" if node != self._answer else STYLES["answer"])
        if step.status == "failed" and (reasons := self._failures.get(node)):
            line.append(f"[{one_line(reasons[-1], 60)}] ", style="red")
        return line.append(one_line(step.text[:_TEXT_LIMIT]), style="dim" if kind == "pruned" else "default")

    def _made(self, node: int) -> str:
        """How the step came about, where it was not simply generated, and what became of it."""
        structure = self._structure
        op, parents = structure.ops[node], structure.parents[node]
        words = [] if op == "generate" else [f"{op} of {', '.join(map(str, parents))}"]
        if node in structure.runs:
            inside = len(structure.traces[node])
            words.append(f"a run of {many(inside, 'event')} inside")
        if node in structure.versions:
            words.append(f"version {structure.versions[node] + 1}")
        if node in structure.left:
            words.append("left")
        return "; ".join(words)

    def _measure(self) -> tuple[list[int], list[float | None]]:
        """Steps and best value at and below each node; children have higher ids than their parents."""
        structure = self._structure
        sizes = [1] * len(structure)
        bests = [structure.value(node) for node in range(len(structure))]
        for node in range(len(structure) - 1, ROOT, -1):
            parent, value = structure.parents[node][0], bests[node]
            sizes[parent] += sizes[node]
            if value is not None and value > (bests[parent] if bests[parent] is not None else -1.0):  # type: ignore[operator]
                bests[parent] = value
        return sizes, bests

    def _choose(self, limits: Limits) -> set[int]:
        """The steps that are drawn: always a connected tree, at least the answer's path."""
        structure = self._structure
        shown: set[int] = set(self._path)
        room = len(structure) if limits.nodes is None else limits.nodes - len(shown)
        queue: list[tuple[tuple[int, float, int], int]] = []

        def offer(parent: int) -> None:
            if limits.depth is not None and structure.depth[parent] >= limits.depth:
                return
            ranked = sorted((self._rank(child), child) for child in structure.children[parent])
            for entry in ranked if limits.width is None else ranked[: limits.width]:
                heapq.heappush(queue, entry)

        if len(structure):
            offer(ROOT)
        while queue and (room > 0 or queue[0][1] in self._path):
            _, node = heapq.heappop(queue)
            if node not in shown:
                shown.add(node)
                room -= 1
            offer(node)
        return shown

    def _rank(self, node: int) -> tuple[int, float, int]:
        """The answer's path first, then the most visited, then the most valued."""
        value = self._structure.value(node)
        visits = len(self._structure) if node in self._path else self._structure.visits[node]
        return (-visits, -(value if value is not None else -1.0), node)


def _shortened(indent: str) -> str:
    """An indent that leaves room for words however deep it is."""
    return indent if len(indent) <= _INDENT_LIMIT else "⋯" + indent[-(_INDENT_LIMIT - 1) :]
