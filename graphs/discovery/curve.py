"""What a discovery run found, read off its trace: every evaluation in the order in which it settled."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reflectree.graphs.discovery.base import Sense, is_better, objective, running_best, worst
from reflectree.rlm_ops.events import Evaluated, Failed
from reflectree.rlm_ops.trace import Trace


@dataclass(frozen=True, slots=True)
class Measurement:
    """One settled evaluation: its node, and its objective; not-a-number where it failed."""

    node: int
    objective: float


def measurements(trace: Trace) -> list[Measurement]:
    """All evaluations of candidates, those that failed included: they were paid for, too."""
    found = list[Measurement]()
    for event in trace:
        if isinstance(event, Evaluated) and event.scores and not event.aside and event.against == -1:
            found.append(Measurement(event.node, objective(event.scores)))
        elif isinstance(event, Failed) and event.of == "evaluate" and not event.aside and len(event.nodes) == 1:
            found.append(Measurement(event.nodes[0], math.nan))
    return found


def best_so_far(found: list[Measurement], sense: Sense) -> list[float]:
    """The best objective after each evaluation."""
    return running_best([one.objective for one in found], sense)


def best_node(found: list[Measurement], sense: Sense) -> tuple[int, float] | None:
    """The first node with the best objective, and that objective; `None` where nothing was measured."""
    best: tuple[int, float] = (-1, worst(sense))
    for one in found:
        if not math.isnan(one.objective) and is_better(one.objective, best[1], sense):
            best = (one.node, one.objective)
    return None if best[0] == -1 else best
