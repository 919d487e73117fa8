"""A run while it lives in this process: its structure, its budget, and one turn of the search after the other.

None of it is saved. Everything here is rebuilt from the trace when it is absent, or when the trace is not the
continuation of what it holds (resume, fork, time travel).
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from reflectree.agents.asking import Asking
from reflectree.agents.base import Agent
from reflectree.graphs.pool import Pool
from reflectree.graphs.questions import Questions
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Caller, Retries
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import PURE, Call
from reflectree.rlm_ops.errors import ReflectreeError
from reflectree.rlm_ops.events import Answered, Event, Failed, Row, from_row, to_row
from reflectree.rlm_ops.operators import PURE_OPERATORS
from reflectree.rlm_ops.reflected import Reflected
from reflectree.rlm_ops.strategies import Strategy
from reflectree.rlm_ops.structure import ReasoningStructure
from reflectree.rlm_ops.trace import number

OnEvent = Callable[[Event, ReasoningStructure], None]


class LiveRun:
    """One run's working memory.

    Args:
        agents: The agents by operator.
        models: The models by role; `judge` falls back on `policy`.
        strategy: What asks for calls.
        budget: The caps.
        concurrency: Slots: calls in flight at once.
        seed: The run's seed.
        rows: The trace so far.
        elapsed: Seconds spent before, where the run is resumed.
        linger: Seconds in which calls that settle together are gathered into one superstep.
        parent: The account of the run this one is nested in.
        asking: Says which calls a person is asked about; without it nobody is.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent],
        models: Mapping[str, PolicyModel],
        strategy: Strategy,
        budget: Budget,
        *,
        concurrency: int,
        seed: int,
        rows: Sequence[Row],
        elapsed: float = 0.0,
        retries: Retries | None = None,
        linger: float = 0.001,
        on_event: OnEvent | None = None,
        parent: Ledger | None = None,
        asking: Asking | None = None,
    ) -> None:
        self.structure = ReasoningStructure()
        self.seed = seed
        self.on_event = None
        self._agents = agents
        self._strategy = strategy
        self.turn = ""
        """Names the latest batches: a `Send` of another turn, or of another branch of the thread, is not its own."""
        self._name = secrets.token_hex(4)
        self._turns = itertools.count()
        self._taken: set[str] = set()
        self._rows: Sequence[Row] = ()
        self._folded = 0
        self._ahead: list[Row] = []
        self._handed = 0
        self.fold(rows)
        self.on_event = on_event
        began = self.structure.began
        if began is not None and len(rows) == 1:  # a fresh run's has not been shown yet, a resumed one's has
            self._tell(began)
        self.ledger = Ledger(budget, spent=self.structure.usage, elapsed=elapsed, parent=parent)
        self._callers = {role: Caller(model, self.ledger, retries) for role, model in models.items()}
        self.questions = Questions(asking, self.structure, self.ledger)
        self._pool = Pool(self.structure, self.ledger, slots=concurrency, linger=linger)

    # What agents see (AgentRun)

    def caller(self, role: str) -> Caller:
        """The way to call the model of a role; the policy takes every role nobody else has."""
        return self._callers.get(role) or self._callers["policy"]

    # What the controller does

    def continues(self, rows: Sequence[Row]) -> bool:
        """Whether `rows` is the continuation of what this run holds.

        They begin with the rows it folded (the very same objects, unless they were reloaded from a checkpoint), and
        the rows of the pure operators it applied ahead of the trace and those it handed over have arrived.
        """
        folded, ahead = self._folded, len(self._ahead)
        if not 0 < folded <= len(rows) - ahead - self._handed:
            return False
        if rows[folded - 1] is not self._rows[folded - 1] and list(rows[:folded]) != list(self._rows[:folded]):
            return False
        return list(rows[folded : folded + ahead]) == self._ahead

    def takes(self, part: str, turn: str) -> bool:
        """Whether `part` of a turn is this run's to do: it is of the latest one, and was not done before."""
        if turn != self.turn or part in self._taken:
            return False
        self._taken.add(part)
        return True

    @property
    def ahead(self) -> list[Row]:
        """The rows of pure operators that it has applied and that are not in the trace yet."""
        return list(self._ahead)

    def unseen(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows that came since the last turn; in a fresh run's first turn, its task."""
        return rows if len(rows) == 1 else rows[self._folded :]

    def fold(self, rows: Sequence[Row]) -> None:
        """Fold in the rows the structure does not hold yet, and show them."""
        for row in rows[self.structure.applied :]:
            self._show(from_row(row))
        self._ahead.clear()
        self._handed = 0
        self._rows = rows
        self._folded = len(rows)

    def _show(self, event: Event) -> None:
        self.structure.apply(event)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        if self.on_event is not None:
            self.on_event(event, self.structure)

    def advance(self, rows: Sequence[Row]) -> tuple[list[Row], dict[str, list[Call]], str | None]:
        """One turn of the outer search.

        Args:
            rows: The trace.

        Returns:
            The rows of the pure operators it applied, the calls for each operator's agent (an empty batch where calls
            are only waited for), and why the run ends, once it does: then there are no calls.

        Raises:
            ModelError: The run cannot go on, and it has no answer to end with.
        """
        self._pool.begin_turn()
        self.begin_turn(rows)
        self.questions.hear()
        for call in self._pool.take_refused():
            self.structure.cancel(call)
        reason = self._reason()
        if reason:
            self.questions.withdraw()
        pure, batches = ([], {}) if reason or self.questions.waiting else self._ask()
        for op, agent in self._agents.items():
            if self._pool.awaits(agent.op):
                batches.setdefault(op, [])
        if batches or self.questions.waiting:
            return pure, batches, None
        if self._pool.fatal is not None and not self.structure.terminals:
            raise self._pool.fatal
        if reason is None:  # pure operators may have been the last there was to do
            cap = f"budget:{self._pool.refused_cap}" if self._pool.refused_cap else None
            reason = cap or self._strategy.stop(self.structure) or "complete"
        return pure, {}, reason

    def begin_turn(self, rows: Sequence[Row]) -> None:
        """Fold in the trace, and let only what is sent from now on be done."""
        self.fold(rows)
        self.turn = f"{self._name}.{next(self._turns)}"
        self._taken.clear()

    def _reason(self) -> str | None:
        """Why nothing more should be asked for, whatever is still in flight."""
        if self._pool.fatal is not None:
            return f"model:{type(self._pool.fatal).__name__}"
        if self.ledger.seconds_left == 0.0:
            return "budget:seconds"
        return self._strategy.stop(self.structure)

    def _ask(self) -> tuple[list[Row], dict[str, list[Call]]]:
        structure = self.structure
        batches: dict[str, list[Call]] = {}
        pure: list[Row] = []
        free, local = self._pool.free, False
        while True:
            calls = self._strategy.ask(structure, free)
            if calls and calls[0].op in PURE:
                pure.extend(self._apply(calls))
                continue
            unknown = next((call.op for call in calls if call.op not in self._agents), None)
            if unknown is not None:
                raise ReflectreeError(
                    f"strategy {self._strategy.name} asks for {unknown}, which is not among what it says it uses"
                )
            calls = [call for call in calls if self._agents[call.op].local or self._pool.refused_cap is None]
            if not calls:
                break
            for call in calls:
                kept = self.questions.take(call)
                structure.begin(call)
                if kept:
                    continue
                batches.setdefault(call.op, []).append(call)
                if self._agents[call.op].local:
                    local = True
                else:
                    free -= 1
            if self.questions.waiting:  # nothing more until a person has been asked
                break
        self._pool.eager = local and free > 0
        return pure, batches

    def _apply(self, calls: Sequence[Call]) -> list[Row]:
        """Apply pure operators to the structure at once; their rows go to the trace with the controller's update."""
        fresh: list[Row] = []
        for call in calls:  # one after the other: the ids a call gives its nodes follow from those before
            rows = [to_row(event) for event in PURE_OPERATORS[call.op](self.structure, call)]
            numbered = number(rows, self.structure.applied, len(self.structure))
            for row in numbered:
                self._show(from_row(row))
            self._ahead += numbered
            fresh += rows
        if not fresh:
            raise ReflectreeError(f"strategy {self._strategy.name} asks for {calls[0].op}, which changes nothing")
        return fresh

    # What agents' nodes do

    async def work(self, op: str, calls: Sequence[Call]) -> list[Row]:
        """Start a batch, wait until something has settled, and hand over what this operator's calls came to."""
        agent = self._agents[op]
        if agent.local:
            rows = [to_row(agent.act(call, self)) for call in calls]
        else:
            rows = await self._pool.work(agent, calls, self)
        self._handed += len(rows)
        return rows

    def end(self, event: Answered | Reflected | Failed) -> None:
        """Show one of the last events: what was learnt, and the answer."""
        self._show(replace(event, seq=self.structure.applied))

    def close(self) -> None:
        """Cancel whatever is in flight."""
        self._pool.close()
