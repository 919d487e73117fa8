"""A run's part in memory, from its first event to its last but one: recall, verdict, stages of learning, keeping.

What a run learns stands in its trace, one event a stage, so that a run that is resumed pays no stage twice. Records are
written once, at the end, from these events: a run that never ends leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from reflectree.agents.base import AgentRun
from reflectree.agents.memory import WAYS, Episode, Known, Verdict, learn
from reflectree.agents.prompts.remembering import Told
from reflectree.graphs.memory import replaying
from reflectree.graphs.memory.access import Memory
from reflectree.graphs.memory.batches import batch_of, listed, with_parents
from reflectree.graphs.memory.keeping import keep
from reflectree.graphs.memory.outcome import opinion, provisional, verdict_of
from reflectree.graphs.memory.standing import known_for
from reflectree.graphs.setup import Setup
from reflectree.memory.recall import Recall as Settings
from reflectree.memory.recall import Recalled, Recaller
from reflectree.memory.recall.rendering import entry
from reflectree.memory.records import Source, task_key
from reflectree.memory.records.echo import without_memory
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Answered, Failed
from reflectree.rlm_ops.reflected import REFLECT, Arm, Reflected
from reflectree.rlm_ops.remembering import DEFAULT, Learn, Remember
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.rlm_ops.task import Task

OUTCOME = "outcome"
"""The first stage: how it went."""
KEEP = "keep"
"""The last stage: writing what was learnt. It stands in the trace only where it failed."""
MOST_TOLD = 8
"""Most attempts of a run that are shown to a model that learns."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remembering:
    """Carries out a blueprint's memory part.

    Args:
        memory: Whose memory.
        setup: The run's set-up; its blueprint has a memory part.
    """

    memory: Memory
    setup: Setup

    @property
    def part(self) -> Remember:
        """The blueprint's memory part."""
        return self.setup.blueprint.memory or DEFAULT  # a run inside another one may have none

    async def recall(self, task: Task, run: str) -> tuple[Arm, tuple[dict[str, Any], ...]]:
        """What a run on this task is shown, and the arm it belongs to; the ledger notes both."""
        memory, recall = self.memory, self.part.recall
        if memory.hand is not None:
            return "memory", memory.hand
        found = Recalled()
        if recall is not None and memory.ledger.index is not None:
            recaller = Recaller(memory.ledger, Settings(**recall.model_dump()))
            split = memory.split if memory.writes else "test"  # where nothing may be noted
            found = await recaller.arecall(task, run=run, seed=self.setup.seed, split=split)
        if memory.writes and not (found.shown or found.held):
            await self._off(lambda: memory.ledger.use(run, (), task=task_key(task)))
        if found.control:
            return "control", tuple({"id": one.record.id, "kind": one.record.kind} for one in found.held)
        records = [one.record for one in found.shown]
        return "memory", tuple({"id": one.id, "kind": one.kind, "text": entry(one)} for one in records)

    def ended(self, structure: ReasoningStructure) -> str | None:
        """Why the search ended, where it has and learning has begun."""
        first = structure.reflected.get(0)
        return None if first is None else str(first.items[0].get("stop_reason", "complete"))

    async def next(self, run: AgentRun, reason: str) -> Reflected | Failed | None:
        """The next stage carried out; `None` once there is none left.

        Args:
            run: The run, whose search is over.
            reason: Why it ended.
        """
        structure = run.structure
        if self.memory.hand is not None:
            return None
        answered = provisional(structure, self.setup, reason)
        if 0 not in structure.reflected:
            return await self._judged(run, answered, reason)
        verdict = self.verdict(structure)
        if not self.memory.writes or answered.answer is None:
            return None
        for index, stage in enumerate(self.part.learn, 1):
            if _settled(structure, index) or not _called_for(stage, verdict):
                continue
            if stage.how == "experience":
                return Reflected(index=index, how=stage.how, source=verdict.source, items=({"kind": "experience"},))
            known = await self._off(lambda stage=stage: known_for(self.memory, stage))  # type: ignore[misc]
            episode = self.episode(structure, answered, verdict, known)
            if not stage.batch:
                return await learn(WAYS[stage.how], stage, episode, run, index=index)
            others = batch_of(self.memory, stage.batch, task_key(structure.task))
            if others is not None:
                event = await learn(WAYS[stage.how], stage, listed(episode, others), run, index=index)
                return with_parents(event, others)
        slot = replaying.due(self.part, structure) if verdict.success is False else None
        if slot is None:
            return None
        return await replaying.replayed(slot, run, self.setup, self.memory, self.part, verdict.source)

    async def keep(self, structure: ReasoningStructure, run: str, reason: str) -> Failed | None:
        """Write what was learnt, and credit the outcome to what was shown; doing it twice is doing it once.

        Returns:
            What went wrong, where the memory cannot be written: the answer is not lost for that.
        """
        index = len(self.part.learn) + 1
        if self.memory.hand is None:
            await replaying.forget_threads(self.part, structure)
        if not self.memory.writes or _settled(structure, index):
            return None
        answered, verdict = provisional(structure, self.setup, reason), self.verdict(structure)
        episode = self.episode(structure, answered, verdict)
        model = self.setup.policy.name
        try:
            await self._off(lambda: keep(self.memory, self.part, episode, structure, answered, run=run, model=model))
        except BadInput as error:
            return Failed(of=REFLECT, nodes=(ROOT,), index=index, how=KEEP, reason=" ".join(str(error).split()))
        return None

    def verdict(self, structure: ReasoningStructure) -> Verdict:
        """How the run went, as its trace says."""
        event = structure.reflected[0]
        item = event.items[0]
        source: Source = event.source  # type: ignore[assignment]
        return Verdict(item.get("success"), source, item.get("reward"), event.note)

    def episode(
        self,
        structure: ReasoningStructure,
        answered: Answered,
        verdict: Verdict,
        known: tuple[Known, ...] = (),
    ) -> Episode:
        """The run as something to learn from, without what memory said in it."""
        began = structure.began
        rows = began.recalled if began is not None and began.arm == "memory" else ()
        shown = tuple(Known(row["id"], row.get("text", ""), row["kind"]) for row in rows)
        others = [node for node in structure.terminals if node != answered.node]
        nodes = [*others[1 - MOST_TOLD :], *([answered.node] if answered.node > 0 else [])]
        told = tuple(Told(without_memory(structure.path(node).text), structure.value(node)) for node in nodes)
        return Episode(structure.task, told, verdict, shown, known, self.part.attempts)

    @property
    def _wants_verdict(self) -> bool:
        """Whether it is worth asking a model how the run went: something learns from it, or is credited by it."""
        part = self.part
        learns = any(stage.how != "sheet" for stage in part.learn)
        return self.memory.writes and (learns or (part.opinions and part.recall is not None))

    async def _judged(self, run: AgentRun, answered: Answered, reason: str) -> Reflected:
        """The outcome, from its declared source; a model is asked where nobody else has said anything."""
        verdict = verdict_of(run.structure, answered, self.setup, self.part)
        if verdict is not None:
            return _outcome(verdict, reason)
        source = opinion(self.setup, self.part)
        if not self._wants_verdict:
            return _outcome(Verdict(None, source, note="nobody was asked: nothing depends on it"), reason)
        episode = self.episode(run.structure, answered, Verdict(None, source))
        stage = Learn(how="reflect", model="judge" if source == "judge" else "policy", max_tokens=256)
        event = await learn(WAYS["judge"], stage, episode, run, how=OUTCOME)
        if isinstance(event, Failed):
            failed = _outcome(Verdict(None, source, note=event.reason), reason)
            return Reflected(how=OUTCOME, source=source, items=failed.items, note=failed.note, usage=event.usage)
        success = bool(event.items[0]["success"])
        said = _outcome(Verdict(success, source, float(success), event.note), reason)
        return Reflected(how=OUTCOME, source=source, items=said.items, note=said.note, usage=event.usage)

    async def _off(self, work: Callable[[], T]) -> T:
        """Do what touches files and embeds texts in a thread; what lies in this process alone is done at once."""
        ledger = self.memory.ledger
        if ledger.log is None and ledger.index is None:
            return work()
        return await asyncio.to_thread(work)


def _outcome(verdict: Verdict, reason: str) -> Reflected:
    item = {"kind": OUTCOME, "success": verdict.success, "reward": verdict.reward, "stop_reason": reason}
    return Reflected(how=OUTCOME, source=verdict.source, items=(item,), note=verdict.note)


def _settled(structure: ReasoningStructure, index: int) -> bool:
    """Whether a stage has been carried out, with success or without."""
    return index not in structure.free_indices(REFLECT, (ROOT,), index, 1)


def _called_for(stage: Learn, verdict: Verdict) -> bool:
    if stage.how == "sheet":
        return True  # nobody has to say whether it was right
    if verdict.success is None:
        return False
    return stage.when == "always" or (stage.when == "success") == verdict.success
