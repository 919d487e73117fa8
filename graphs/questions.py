"""The calls of one run that wait for a person, who is asked one question at a time.

The clock stands while a reply is awaited. Who answers is in `reflectree.graphs.people`; what is asked, and what a reply
comes to, in `reflectree.agents.asking`.
"""

from __future__ import annotations

from reflectree.agents.asking import Asking, Question
from reflectree.rlm_ops.budget import Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.structure import ReasoningStructure


class Questions:
    """Those a person is asked about, once nothing else is under way.

    Args:
        asking: Says which calls a person is asked about; without it nobody is.
        structure: The run's structure.
        ledger: Its account, whose clock stands while a person is asked.
    """

    def __init__(self, asking: Asking | None, structure: ReasoningStructure, ledger: Ledger) -> None:
        self._asking = asking
        self._structure = structure
        self._ledger = ledger
        self._waiting: list[tuple[Call, Question]] = []
        self._asked: Call | None = None
        self._asked_at = 0.0

    @property
    def waiting(self) -> bool:
        """Whether any question has not been asked yet."""
        return bool(self._waiting)

    def take(self, call: Call) -> bool:
        """Keep a call back, if a person is asked about it."""
        question = None if self._asking is None else self._asking.question(call, self._structure)
        if question is None:
            return False
        self._waiting.append((call, question))
        return True

    def next(self) -> Question | None:
        """What a person is to be asked now, alone: one question at a time, and the clock stands until the reply."""
        if not self._waiting:
            return None
        self._asked, question = self._waiting.pop(0)
        self._asked_at = self._ledger.elapsed
        return question

    def hear(self) -> None:
        """Go on after a reply, which the trace tells of: one that gave leave leaves the call to be asked for again."""
        if self._asked is not None:
            self._structure.cancel(self._asked)
            self._ledger.discount(self._ledger.elapsed - self._asked_at)
            self._asked = None

    def withdraw(self) -> None:
        """The search is over: nobody is asked any more."""
        for call, _ in self._waiting:
            self._structure.cancel(call)
        self._waiting.clear()
