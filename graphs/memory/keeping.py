"""What becomes of what a run learnt: records, votes and evidence in the ledger, and the outcome credited.

All of it rests on a run's declared feedback; the ledger refuses what no record may be (of a test task, gold without an
oracle, what memory itself said), and what it refuses is left out. Keeping a run twice is keeping it once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reflectree.agents.memory.base import Episode, Item
from reflectree.graphs.memory.access import Memory
from reflectree.graphs.memory.replaying import trials
from reflectree.graphs.memory.standing import SHEET, rules, statements
from reflectree.memory.learning import Learning, Operation, Proposal, Trial, operate, tag, take
from reflectree.memory.ledger import Ledger
from reflectree.memory.records import (
    OUTCOMES,
    Concept,
    Experience,
    Origin,
    Record,
    Reflection,
    Skill,
    clipped,
    task_key,
)
from reflectree.memory.records.kinds import LONG, WHOLE
from reflectree.memory.records.origin import VERIFIED
from reflectree.memory.records.texts import plain
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Answered
from reflectree.rlm_ops.remembering import Remember
from reflectree.rlm_ops.structure import ReasoningStructure

PROBATION = Learning(gate="candidate")
"""A run is no trial of what it teaches: where that was not replayed it is kept on probation, for later outcomes."""


class Keeper:
    """Writes one run's lessons.

    Args:
        memory: Where to.
        part: The blueprint's memory part.
        episode: The run.
        origin: Where its records come from.
    """

    def __init__(self, memory: Memory, part: Remember, episode: Episode, origin: Origin) -> None:
        self.memory, self.part, self.episode, self.origin = memory, part, episode, origin
        self.ledger: Ledger = memory.ledger
        self.question = clipped(episode.task.prose, WHOLE)
        self.experience = ""

    @property
    def checked(self) -> bool:
        """Whether somebody checked how the run went, so that it is evidence."""
        return self.episode.verdict.success is not None and self.origin.source in VERIFIED

    def take(self, items: Sequence[Item]) -> None:
        """Keep items: records, then operations on rules together, in ExpeL's order, then tags."""
        ways: Mapping[str, Callable[[Item], None]] = {
            "experience": self._experience,
            "reflection": self._reflection,
            "sheet": self._sheet,
            "concept": self._concept,
            "skill": self._skill,
        }
        for item in items:
            way = ways.get(str(item.get("kind")))
            with contextlib.suppress(BadInput):  # an echo, a text that is too long: not kept, and no harm done
                if way is not None:
                    way(item)
        with contextlib.suppress(BadInput):
            self._operate([item for item in items if item.get("kind") == "edit"])
        tags = {item["target"]: item["verdict"] for item in items if item.get("kind") == "tag"}
        shown = [known.id for known in self.episode.shown]
        tag(self.ledger, tags, shown, task=self.origin.task if self.checked else "", split=self.memory.split)

    def write(self, record: Record, tried: tuple[Trial, ...] = ()) -> str:
        """Keep a record, or vote for the one that says the same; its id, or that one's; "" where it is refused.

        One that was tried is refused where the trial failed (`gates.judged`), and has the task for it where it passed.
        """
        (taken,) = take(self.ledger, [Proposal(record, tried)], PROBATION)
        return "" if taken.became == "refused" else taken.id

    def _experience(self, item: Item) -> None:
        last = self.episode.last
        record = Experience(
            origin=self.origin,
            task=self.question,
            solution=last[0].text if last else "",
            answer=clipped(str(item.get("answer") or ""), LONG),
            trace=self.origin.run,
            succeeded=bool(self.episode.verdict.success),
        )
        self.experience = self.write(record)

    def _reflection(self, item: Item) -> None:
        said: dict[str, Any] = {
            name: str(item.get(name, "")) for name in ("lesson", "title", "cause", "applies", "excludes")
        }
        self.write(Reflection(origin=self.origin, task=self.question, **said), item.get("trials", ()))

    def _operate(self, edits: Sequence[Item]) -> None:
        """ExpeL's operations on the rules there are now, by their ids."""
        there = rules(self.memory)
        numbers = {rule.id: number for number, rule in enumerate(there, 1)}
        asked = []
        for edit in edits:
            op, text, number = edit["op"], edit["text"], numbers.get(edit["target"] or "", 0)
            if op == "ADD" and any(text in rule.text or rule.text in text for rule in there):
                continue
            same = next((at for at, rule in enumerate(there, 1) if plain(rule.text) == plain(text)), 0)
            if op == "EDIT" and same:
                op, number = "AGREE", same
            if op == "ADD" or number:
                asked.append(Operation(op, number, text))
        if asked:
            most = next((stage.capacity for stage in self.part.learn if stage.how == "curate"), 20)
            parents = tuple(dict.fromkeys(name for edit in edits for name in edit.get("parents", ())))
            if parents and self.experience:
                parents = (*parents, self.experience)
            operate(self.ledger, there, asked, replace(self.origin, parents=parents), most)

    def _sheet(self, item: Item) -> None:
        old = item.get("target")
        new = self.ledger.write(Reflection(origin=self._derived(old), lesson=item["text"], title=SHEET))
        if new and old:
            self.ledger.merge([str(old)], new[0], counters=False)

    def _concept(self, item: Item) -> None:
        claim = Concept(
            origin=self._derived(self.experience),
            left=item["left"],
            relation=item["relation"],
            right=item["right"],
            polarity=bool(item["polarity"]),
            certainty=item["certainty"],
            scope=self.memory.scope,
        )
        about = (plain(claim.left), plain(claim.right))
        kin = [one for one in statements(self.memory) if (plain(one.left), plain(one.right)) == about]
        for other in kin:
            self._evidence(other.id, other.polarity == claim.polarity)
        same = next((one for one in kin if one.polarity == claim.polarity), None)
        if same is None:
            name = self.write(claim)
            if name:
                self._evidence(name, True)
        elif same.certainty != claim.certainty:
            self.ledger.edit(same.id, certainty=claim.certainty)

    def _skill(self, item: Item) -> None:
        verdict = self.episode.verdict
        if verdict.success and (verdict.source in OUTCOMES or self.part.opinions):  # Voyager: what was seen to work
            said: dict[str, Any] = {name: str(item[name]) for name in ("name", "description", "body", "language")}
            self.write(Skill(origin=self._derived(self.experience), **said))

    def _evidence(self, name: str, supports: bool) -> None:
        """The task as evidence for or against a record, where somebody checked how it went."""
        if self.checked:
            self.ledger.vote(
                name, task=self.origin.task, supports=supports, by=self.origin.source, split=self.memory.split
            )

    def _derived(self, parent: str | None) -> Origin:
        return replace(self.origin, parents=(parent,)) if parent else self.origin


def keep(
    memory: Memory,
    part: Remember,
    episode: Episode,
    structure: ReasoningStructure,
    answered: Answered,
    *,
    run: str,
    model: str,
) -> None:
    """Write what a run learnt, and settle its outcome.

    Args:
        memory: Where to.
        part: The blueprint's memory part.
        episode: The run.
        structure: The run's structure, with what it learnt.
        answered: The answer as it will be given.
        run: The run's name.
        model: The model's.
    """
    ledger, verdict = memory.ledger, episode.verdict
    if run in ledger.state.closed:
        return
    began = structure.began
    origin = Origin(
        source=verdict.source,
        split=memory.split,
        task=task_key(episode.task),
        scope=memory.scope,
        subject=memory.subject,
        run=run,
        model=model,
        seed=began.seed if began is not None else 0,
        reward=verdict.reward,
    )
    keeper = Keeper(memory, part, episode, origin)
    tried = trials(part, structure, origin.task)
    for index, event in sorted(structure.reflected.items()):
        told = {"answer": answered.answer}
        keeper.take([{**item, **told, "trials": tried.get((index, at), ())} for at, item in enumerate(event.items)])
    won = bool(verdict.success)
    opinions = part.opinions and verdict.success is not None
    source: Any = verdict.source if verdict.success is not None else "self"
    ledger.settle(run, won=won, reward=verdict.reward, source=source, opinions=opinions, split=memory.split)
