"""What a run spent on which of its stages, read off its trace.

A stage is what calls were made *for*: the variant of the operator that they name. Nothing here knows any strategy.
"""

from __future__ import annotations

from collections.abc import Iterable

from reflectree.rlm_ops.events import Enriched, Evaluated, Event, Failed, Grown
from reflectree.rlm_ops.usage import NO_USAGE, Usage


def spent_by_stage(trace: Iterable[Event]) -> dict[str, Usage]:
    """The bill of each stage, in order of their first calls; together they are the bill of the trace.

    A stage is named by the calls' variant (`whole`, `search`, `large`), and by their operator where they name none.
    Calls that came to nothing are on the bill of their stage; a nested run's whole bill is on that of the call that
    made it.
    """
    bills: dict[str, Usage] = {}
    for event in trace:
        if isinstance(event, Grown | Evaluated | Enriched | Failed):
            stage = event.how or (event.of if isinstance(event, Failed) else event.op)
            bills[stage] = bills.get(stage, NO_USAGE) + event.usage
    return bills
