"""What a discovery run found, read off its trace: every evaluation in the order in which it settled.

Runs that are nested in it (restarts, a forest) have evaluated candidates, too: theirs stand where those runs came back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reflectree.graphs.discovery.base import Sense, is_better, objective, running_best, worst
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.structure import fold
from reflectree.rlm_ops.trace import Trace


@dataclass(frozen=True, slots=True)
class Measurement:
    """One settled evaluation.

    Attributes:
        candidate: What was evaluated; `None` where the node states nothing.
        objective: Its objective; not-a-number where the evaluation failed.
    """

    candidate: str | None
    objective: float


def measurements(trace: Trace) -> list[Measurement]:
    """All evaluations of candidates, those that failed included: they were paid for, too."""
    found, steps = list[Measurement](), fold(trace).steps
    for event in trace:
        if isinstance(event, Grown) and event.trace:
            found += measurements(Trace.from_rows(event.trace, run_id=event.run))
        elif isinstance(event, Evaluated) and event.scores and not event.aside and event.against == -1:
            found.append(Measurement(steps[event.node].answer, objective(event.scores)))
        elif isinstance(event, Failed) and event.of == "evaluate" and not event.aside and len(event.nodes) == 1:
            found.append(Measurement(steps[event.nodes[0]].answer, math.nan))
    return found


def best_so_far(found: list[Measurement], sense: Sense) -> list[float]:
    """The best objective after each evaluation."""
    return running_best([one.objective for one in found], sense)


def best_measured(found: list[Measurement], sense: Sense) -> Measurement | None:
    """The first evaluation with the best objective; `None` where nothing was measured."""
    best = Measurement(None, worst(sense))
    for one in found:
        if not math.isnan(one.objective) and is_better(one.objective, best.objective, sense):
            best = one
    return None if best.candidate is None else best
