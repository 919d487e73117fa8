"""The attempt of a request whose one reply proposes several steps, one a call (Tree of Thoughts).

What a request and its samples are otherwise is in `reflectree.agents.attempts`.
"""

from __future__ import annotations

from collections.abc import Sequence

from reflectree.agents.attempts import Attempt, failed
from reflectree.agents.replies import Draft, Reading, split_thought
from reflectree.agents.sampling import Plan
from reflectree.models.base import Choice
from reflectree.models.calling import Outcome
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Event
from reflectree.rlm_ops.splitting import parse_proposals
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import NO_USAGE


class Proposals(Attempt):
    """One reply that proposes several steps, one a call (Tree of Thoughts).

    Args:
        plan: What is asked for.
        path: The path the steps go on from.
        most: How many steps are wanted.
    """

    __slots__ = ("_proposed", "most")

    def __init__(self, plan: Plan, path: Path, most: int) -> None:
        super().__init__(plan, path)
        self.most = most
        self._proposed: list[Reading | str] = []

    def samples(self, calls: int) -> int:
        """One, however many calls."""
        return 1

    def check(self, choice: Choice) -> str | None:
        """What is wrong with the reply, or `None`; the proposals in it are kept."""
        self._proposed = []
        thought, text = split_thought(choice.text)
        if choice.finish == "filter":
            return "the reply was refused by the provider's filter"
        items = parse_proposals(text, self.most + 1)
        if choice.finish == "length" and len(items) <= self.most:
            items = items[:-1]  # the cut fell into the last one
        readings = [self._read(item) for item in items[: self.most]]
        if not any(isinstance(reading, Reading) for reading in readings):
            return next((reading for reading in readings if isinstance(reading, str)), "the reply proposes nothing")
        self._proposed = readings
        self._readings = {id(choice): (Reading(""), choice.reasoning or thought)}
        return None

    def _read(self, item: str) -> Reading | str:
        reading = (self.plan.read_free if self.path.task.form == "text" else self.plan.read)(Draft(item))
        return (
            (self.misbehaves(reading) or self.unwanted(reading) or reading) if isinstance(reading, Reading) else reading
        )

    def events(self, calls: Sequence[Call], outcome: Outcome) -> list[Event]:
        """One event a call; calls beyond the proposals fail."""
        (sample,) = outcome.samples
        thought = "" if isinstance(sample, str) else self._readings[id(sample)][1]
        events: list[Event] = []
        for position, call in enumerate(calls):
            usage = outcome.usage if position == 0 else NO_USAGE
            if isinstance(sample, str):
                events.append(failed(call, sample, usage))
            elif position >= len(self._proposed):
                events.append(failed(call, f"only {len(self._proposed)} of {len(calls)} proposed", usage))
            elif isinstance(reading := self._proposed[position], str):
                events.append(failed(call, reading, usage))
            else:
                note = thought if self.plan.settings.thought else ""
                events.append(self.grown(call, reading, usage, thought=note))
        return events
