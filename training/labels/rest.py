"""ReST-MCTS*'s process labels, from the answers a tree holds (arXiv 2406.03816, section 3.2 and its release).

m_k is the number of steps from step k to the nearest right answer below it, that answer counted; a branch without one
inherits the m of its nearest ancestor that has one. V_k = max(0, V_(k-1) + (1 - V_(k-1)) r / m_k) from V_0 = 0, with
r = +1 where a right answer lies below and -1 where none does. The recursion is `formulas.rest_process_value`. A branch
the search did not follow to an answer counts as one without a right answer, as in the release.
"""

from __future__ import annotations

from reflectree.rlm_ops.formulas import rest_process_value
from reflectree.rlm_ops.structure import ROOT
from reflectree.training.labels.source import Source
from reflectree.training.samples import Labelled, Valued


def distances(source: Source) -> dict[int, int]:
    """Steps to a right answer, m, of every node from which a right answer can be reached, the root among them."""
    found: dict[int, int] = {}
    for end in source.ends:
        if source.right(end):
            for steps, node in enumerate([*reversed(source.read(end)), ROOT], 1):
                found[node] = min(steps, found.get(node, steps))
    return found


def process_values(source: Source) -> dict[int, float]:
    """V of every step; none where nothing is known of any answer of the run."""
    if not any(end in source.outcomes for end in source.ends):
        return {}
    reaching = distances(source)
    nearest, values = {ROOT: reaching.get(ROOT, 1)}, {ROOT: 0.0}
    for node in source.nodes:  # a node is younger than the one it is read after
        above = source.above(node)
        nearest[node] = reaching.get(node, nearest[above])
        values[node] = rest_process_value(values[above], nearest[node], node in reaching)
    del values[ROOT]
    return values


def rest_mcts(source: Source) -> list[Valued]:
    """Each prefix and its quality value V."""
    return source.valued("rest-mcts", process_values(source))


def rest_mcts_steps(source: Source) -> list[Labelled]:
    """Each solution with the V of its steps."""
    return source.labelled("rest-mcts/steps", process_values(source))


def rest_mcts_simple(source: Source) -> list[Valued]:
    """The release's simple mode: how far along the route to the answer a step is.

    A step on the route is worth its depth over the route's length; a step beside it (read after a step of the route, or
    after the question, and not on it) one depth less. Steps further off have no label. The route is that of the run's
    answer where it is right, else of the shortest right solution; the older one of equals.
    """
    rights = [end for end in source.ends if source.right(end)]
    if not rights:
        return []
    goal = source.given if source.given in rights else min(rights, key=lambda end: (len(source.read(end)), end))
    route = source.read(goal)
    values = {node: depth / len(route) for depth, node in enumerate(route, 1)}
    for depth, above in enumerate([ROOT, *route[:-1]], 1):
        for node in source.readers.get(above, ()):
            values.setdefault(node, (depth - 1) / len(route))
    return source.valued("rest-mcts/simple", values)
