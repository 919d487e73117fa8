"""A structure as a graph for other tools: a Mermaid flowchart, Graphviz DOT, or JSON of nodes and links.

All text comes from models and tasks, so nothing of it may be read as the grammar of what it is written into: Mermaid
gets every sign but letters, digits and a few harmless ones as a numbered entity, DOT gets quoted strings with
backslashes, quotes and ampersands escaped, and ids are made here. Nothing here reads files or prints.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from reflectree.apps.drawing import Drawing, Limits
from reflectree.apps.terminal import one_line
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.rlm_ops.trace import Trace

FORMAT, VERSION = "reflectree-graph", 1
TEXT_WIDTH, ANSWER_WIDTH = 60, 40
"""Characters of a step and of an answer that a label shows."""
HARMLESS = frozenset(" .,:=+*/?!")
"""Signs that mean nothing to Mermaid inside quotes; letters and digits of any script are left alone, too."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a kind of node looks."""

    fill: str
    stroke: str
    dashed: bool = False
    width: int = 1


STYLES: Mapping[str, Style] = {
    "root": Style("#eeeeee", "#555555"),
    "answer": Style("#b7e4c7", "#1b7837", width=3),
    "path": Style("#e6f5ea", "#1b7837", width=2),
    "terminal": Style("#d6eaf8", "#2874a6"),
    "open": Style("#ffffff", "#555555"),
    "pruned": Style("#f2f2f2", "#aaaaaa", dashed=True),
    "failed": Style("#fadbd8", "#c0392b", dashed=True),
}
"""The kinds of nodes: what a node is on the way to the answer comes before its status."""


class Graph:
    """What is exported of a run: all of it, or the steps that matter most.

    Attributes:
        trace: The run.
        structure: Its structure.
        nodes: The ids of what is shown, the root first; always a connected tree with the answer's path.
    """

    def __init__(self, trace: Trace, structure: ReasoningStructure, nodes: int | None = None) -> None:
        self.trace, self.structure = trace, structure
        answered = structure.answered
        self._answer = answered.node if answered is not None and answered.node > ROOT else None
        self._path = set(structure.path_ids(self._answer)) if self._answer is not None else set()
        shown = Drawing(structure, {}, Limits(nodes)).shown
        self.nodes = [ROOT, *sorted(shown - {ROOT})]

    @property
    def left_out(self) -> int:
        """Steps that are not shown."""
        return len(self.structure) - len(self.nodes)

    def kind(self, node: int) -> str:
        """Which of `STYLES` a node is."""
        if node == ROOT:
            return "root"
        if node == self._answer:
            return "answer"
        return "path" if node in self._path else self.structure.steps[node].status

    def links(self) -> Iterator[tuple[int, int, bool]]:
        """Parent, child and whether the parent is the child's primary one, of what is shown."""
        shown = set(self.nodes)
        for node in self.nodes[1:]:
            for place, parent in enumerate(self.structure.parents[node]):
                if parent in shown:
                    yield parent, node, place == 0

    def is_way(self, parent: int, node: int) -> bool:
        """Whether a link lies on the way to the answer."""
        return node in self._path and (parent in self._path or parent == ROOT)

    def label(self, node: int) -> list[str]:
        """The lines of a node: its number, value and visits, its answer, its text."""
        structure, step = self.structure, self.structure.steps[node]
        if node == ROOT:
            return ["task", one_line(structure.task.question, TEXT_WIDTH)]
        value = structure.value(node)
        kind = self.kind(node)
        head = f"{node}: " + ("no value" if value is None else f"{value:.2f}") + f" x{structure.visits[node]}"
        head += "" if structure.ops[node] == "generate" else f", {structure.ops[node]}"
        head += f", {kind}" if kind in ("pruned", "failed", "answer") else ""
        lines = [head]
        if step.answer is not None:
            lines.append("= " + one_line(step.answer, ANSWER_WIDTH))
        return [*lines, one_line(step.text, TEXT_WIDTH)]


def to_json(graph: Graph) -> str:
    """Node-link JSON, as `networkx.node_link_graph(data, edges="links")` and d3 read it; texts are whole.

    The object has `directed`, `multigraph`, `graph` (what ran and what it came to), `nodes` and `links`. A node has
    `id`, `kind` (of `STYLES`), `op`, `how`, `status`, `depth`, `text`, `answer`, `value` (mean of its own evaluations,
    or null), `visits`, `mean` (of all values backed up at and below it, or null), `prior` and `parents`; a link has
    `source`, `target`, `primary` and `way` (whether it leads to the answer).
    """
    structure, trace = graph.structure, graph.trace
    began, answered = trace.began, structure.answered
    about = {
        "format": FORMAT,
        "version": VERSION,
        "run_id": trace.run_id,
        "question": structure.task.question,
        "blueprint": (began.blueprint.get("name") if began else None) or None,
        "policy": began.policy if began else None,
        "answer": answered.answer if answered else None,
        "correct": answered.correct if answered else None,
        "stop_reason": answered.stop_reason if answered else None,
        "usage": asdict(trace.usage),
        "left_out": graph.left_out,
    }
    nodes = [
        {
            "id": node,
            "kind": graph.kind(node),
            "op": structure.ops[node],
            "how": structure.hows[node],
            "status": structure.steps[node].status,
            "depth": structure.depth[node],
            "text": structure.task.question if node == ROOT else structure.steps[node].text,
            "answer": structure.steps[node].answer,
            "value": structure.value(node),
            "visits": structure.visits[node],
            "mean": structure.mean(node),
            "prior": structure.priors[node],
            "parents": list(structure.parents[node]),
        }
        for node in graph.nodes
    ]
    links = [
        {"source": parent, "target": node, "primary": primary, "way": graph.is_way(parent, node)}
        for parent, node, primary in graph.links()
    ]
    data: dict[str, Any] = {"directed": True, "multigraph": False, "graph": about, "nodes": nodes, "links": links}
    return json.dumps(data, ensure_ascii=True, indent=1) + "\n"


def to_mermaid(graph: Graph) -> str:
    """A Mermaid flowchart."""
    lines = ["flowchart TD"]
    for node in graph.nodes:
        lines.append(f'  n{node}["{"<br/>".join(map(mermaid_text, graph.label(node)))}"]:::{graph.kind(node)}')
    ways = []
    for place, (parent, node, primary) in enumerate(graph.links()):
        lines.append(f"  n{parent} {'-->' if primary else '-.->'} n{node}")
        if graph.is_way(parent, node):
            ways.append(str(place))
    for kind in sorted({graph.kind(node) for node in graph.nodes}):
        style = STYLES[kind]
        look = f"fill:{style.fill},stroke:{style.stroke},stroke-width:{style.width}px,color:#111111"
        lines.append(f"  classDef {kind} {look}" + (",stroke-dasharray:4 3" if style.dashed else ""))
    if ways:
        lines.append(f"  linkStyle {','.join(ways)} stroke:#1b7837,stroke-width:3px")
    return "\n".join(lines) + "\n"


def mermaid_text(text: str) -> str:
    """A text as it may stand in the quotes of a Mermaid label: what could mean anything is a numbered entity.

    >>> mermaid_text('a "]-->b')
    'a #34;#93;#45;#45;#62;b'
    """
    return "".join(sign if sign.isalnum() or sign in HARMLESS else f"#{ord(sign)};" for sign in one_line(text))


def to_graphviz(graph: Graph) -> str:
    """A directed graph in Graphviz' DOT language."""
    lines = [
        "digraph reflectree {",
        '  graph [rankdir=TB, bgcolor="white"];',
        '  node [shape=box, fontname="Helvetica", fontsize=10, fontcolor="#111111"];',
        '  edge [color="#888888"];',
    ]
    for node in graph.nodes:
        style = STYLES[graph.kind(node)]
        label = "\\n".join(map(dot_text, graph.label(node)))
        drawn = "rounded,filled,dashed" if style.dashed else "rounded,filled"
        lines.append(
            f'  n{node} [label="{label}", style="{drawn}", fillcolor="{style.fill}", color="{style.stroke}", '
            f"penwidth={style.width}];"
        )
    for parent, node, primary in graph.links():
        looks = [] if primary else ["style=dashed"]
        looks += ['color="#1b7837"', "penwidth=3"] if graph.is_way(parent, node) else []
        lines.append(f"  n{parent} -> n{node}" + (f" [{', '.join(looks)}]" if looks else "") + ";")
    return "\n".join([*lines, "}"]) + "\n"


def dot_text(text: str) -> str:
    r"""A text as it may stand in the quotes of a DOT label, where backslashes and entities mean something.

    >>> print(dot_text('a "b" \\N &lt;'))
    a \"b\" \\N &amp;lt;
    """
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


FORMATS: Mapping[str, tuple[Callable[[Graph], str], int | None]] = {
    "mermaid": (to_mermaid, 100),
    "graphviz": (to_graphviz, 500),
    "json": (to_json, None),
}
"""By name: what writes it, and how many steps where nothing is said. Mermaid itself draws 500 links at most."""
