"""A search over designs seen from outside: the panel that other runs have, and a line on each design.

It knows nothing of how designs are made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from typing_extensions import override

from reflectree.apps.progress import Progress, Sight
from reflectree.apps.terminal import many, note, one_line
from reflectree.rlm_ops.events import Evaluated, Event, Failed
from reflectree.rlm_ops.structure import ReasoningStructure

if TYPE_CHECKING:
    from reflectree.graphs.design_search.cache import Made
    from reflectree.graphs.design_search.planning import Plan
    from reflectree.graphs.design_search.preflight import Preflight


class DesignProgress(Progress):
    """Watches a search.

    Args:
        quiet: Nothing is told.
        clock_now: Monotonic seconds.
    """

    def __init__(self, quiet: bool, clock_now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock_now)
        self._quiet = quiet
        self._examples = 0

    def search_begins(self, before: Preflight, plan: Plan) -> None:
        """Say what the search will cost, before it begins."""
        self.watch(f"{plan.method.name} at level {plan.space.level}", before.search)
        self.begin()
        parts = plan.splits
        self._say(
            f"{many(len(parts.train), 'task')} to train on, {len(parts.validation)} to choose by, {len(parts.test)} "
            f"sealed; {before.said()}"
        )

    def on_example(self, made: Made) -> None:
        """A design was run on an example."""
        self._examples += 1

    def on_lost(self, said: str) -> None:
        """A run was lost with its Ray worker."""
        self._say(said)

    @override
    def on_event(self, event: Event, structure: ReasoningStructure) -> None:
        """A design was measured, or a proposal came to nothing."""
        super().on_event(event, structure)
        if isinstance(event, Evaluated) and not event.aside:
            self._say(f"design {event.node}: {event.value:.2f} on validation, {structure.usage.tokens:,} tokens so far")
        elif isinstance(event, Failed):
            self._say(f"{event.of} came to nothing: {one_line(event.reason)[:120]}")

    @override
    def sight(self) -> Sight:
        """What is to be seen now; of the best design its number, for its text says little."""
        seen, structure = super().sight(), self._structure
        best = None if structure is None else structure.best_terminal
        return seen if seen.best is None or best is None else replace(seen, best=(seen.best[0], f"by design {best}"))

    @override
    def _figures(self, sight: Sight) -> list[str]:
        return [many(self._examples, "example"), *super()._figures(sight)]

    def _say(self, text: str) -> None:
        if not self._quiet:
            note(text)
