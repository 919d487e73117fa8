"""Lessons of a failure put to the test: the task is run again with the lesson in view, and kept if that run succeeds.

This is the gate of autogen's task-centric memory and of Voyager. A replay is a nested run on the account of the run
that learns; it recalls nothing, learns nothing, and is shown what that run was shown and the lesson. With a
checkpointer it has a thread of its own, so that a killed run does not pay for it twice. What becomes of the lesson is
decided by `reflectree.memory.learning`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.config import get_config

from reflectree.agents.base import AgentRun
from reflectree.agents.memory import Verdict
from reflectree.graphs.memory.access import Memory
from reflectree.graphs.memory.outcome import verdict_of
from reflectree.graphs.setup import Setup
from reflectree.memory.learning import Trial
from reflectree.memory.recall.rendering import entry
from reflectree.memory.records import Origin, Reflection, clipped, task_key
from reflectree.memory.records.kinds import WHOLE
from reflectree.rlm_ops.errors import ModelError
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.reflected import REFLECT, Reflected
from reflectree.rlm_ops.remembering import Remember
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure, fold
from reflectree.rlm_ops.usage import NO_USAGE, Usage

REPLAY = "replay"
"""The way to learn whose events are replays; each says of one lesson how one run with it went."""
_CHECKPOINTER = "__pregel_checkpointer"
"""Where LangGraph tells a node of the checkpointer; it has no public name."""
_TEXTS = ("lesson", "title", "cause", "applies", "excludes")


class Slot(NamedTuple):
    """One replay: its place among the run's reflections, the stage and lesson it is of, and its number."""

    at: int
    stage: int
    lesson: int
    number: int


def slots(part: Remember, structure: ReasoningStructure) -> Iterator[Slot]:
    """All replays there could be of what was learnt, in order; their indices come after that of the writing."""
    index = len(part.learn) + 2
    for at, stage in enumerate(part.learn, 1):
        event = structure.reflected.get(at)
        lessons = [] if event is None else [n for n, item in enumerate(event.items) if item["kind"] == "reflection"]
        for lesson in lessons[: stage.most]:
            for number in range(stage.replay):
                yield Slot(index + lesson * stage.replay + number, at, lesson, number)
        index += stage.most * stage.replay


def due(part: Remember, structure: ReasoningStructure) -> Slot | None:
    """The next replay; none once one could not be carried out, and no other of a lesson that did not pass."""
    failed: set[tuple[int, int]] = set()
    for slot in slots(part, structure):
        event = structure.reflected.get(slot.at)
        if event is not None:
            if not event.items[0]["success"]:
                failed.add((slot.stage, slot.lesson))
        elif slot.at not in structure.free_indices(REFLECT, (ROOT,), slot.at, 1):
            return None  # it came to nothing: the budget is spent, or the model does not answer
        elif (slot.stage, slot.lesson) not in failed:
            return slot
    return None


def trials(part: Remember, structure: ReasoningStructure, task: str) -> Mapping[tuple[int, int], tuple[Trial, ...]]:
    """The trial each replayed lesson was put to, by stage and place: passed if all its replays succeeded.

    A lesson whose replays came to nothing was put to none.
    """
    seen: dict[tuple[int, int], list[Reflected]] = {}
    for slot in slots(part, structure):
        event = structure.reflected.get(slot.at)
        if event is not None:
            seen.setdefault((slot.stage, slot.lesson), []).append(event)
    made: dict[tuple[int, int], tuple[Trial, ...]] = {}
    for (stage, lesson), events in seen.items():
        passed = all(event.items[0]["success"] for event in events)
        if not passed or len(events) == part.learn[stage - 1].replay:
            source: Any = events[-1].source
            made[stage, lesson] = (Trial(task, after=passed, before=False, source=source),)
    return made


async def replayed(
    slot: Slot, run: AgentRun, setup: Setup, memory: Memory, part: Remember, source: Any
) -> Reflected | Failed:
    """Carry a replay out.

    Args:
        slot: Which.
        run: The run that learns; its account pays.
        setup: Its set-up, with which the task is run again, with another seed.
        memory: Its memory.
        part: The memory part of its blueprint, which says who judges.
        source: Who said that it failed.
    """
    from reflectree.graphs.carry import carry_on  # the graph is built of nodes that replay

    structure = run.structure
    hand = _hand(slot, structure, memory, source)
    seed = zlib.crc32(f"{run.seed}:{REPLAY}:{slot.at}".encode()) & 0x7FFFFFFF
    inner = replace(
        setup,
        memory=replace(memory, hand=hand),
        seed=seed,
        verifier=setup.usable_verifier,
        on_event=setup.on_nested,
    )
    saver, name = _thread(structure, slot, hand, seed)
    task = replace(structure.task, verifier=None)
    before = run.ledger.spent
    # in a context of its own: LangGraph would otherwise take it for a part of the superstep that started it
    work = carry_on(inner, task, saver, name, parent=run.ledger)
    try:
        result = await asyncio.get_running_loop().create_task(work, context=contextvars.Context())
    except ModelError as error:
        return _failed(slot, " ".join(str(error).split()), _less(run.ledger.spent, before))
    answered = result.trace.answered
    assert answered is not None
    verdict = verdict_of(fold(result.trace), answered, inner, part)
    if not (verdict is not None and verdict.success) and result.stop_reason.startswith("budget:"):
        return _failed(slot, f"it was cut short by the {result.stop_reason}", result.usage)
    if verdict is None or verdict.success is None:
        note = "nobody could say how it went" if verdict is None else verdict.note
        return _failed(slot, note, result.usage)
    return _said(slot, verdict, result.answer, "" if saver is None else name, result.usage)


async def forget_threads(part: Remember, structure: ReasoningStructure) -> None:
    """Delete what replays saved: how they went stands in the trace by now."""
    saver = _saver(_config())
    if saver is None:
        return
    for slot in slots(part, structure):
        event = structure.reflected.get(slot.at)
        name = "" if event is None else str(event.items[0].get("run", ""))
        if name:
            with contextlib.suppress(NotImplementedError):
                await saver.adelete_thread(name)


def _hand(slot: Slot, structure: ReasoningStructure, memory: Memory, source: Any) -> tuple[dict[str, Any], ...]:
    """What the replay is shown: what the run was shown, and the lesson."""
    item = structure.reflected[slot.stage].items[slot.lesson]
    said: dict[str, Any] = {name: str(item.get(name, "")) for name in _TEXTS}
    origin = Origin(source=source, split=memory.split, task=task_key(structure.task))
    lesson = Reflection(origin=origin, task=clipped(structure.task.prose, WHOLE), **said)
    began = structure.began
    shown = began.recalled if began is not None and began.arm == "memory" else ()
    return (*shown, {"id": lesson.id, "kind": lesson.kind, "text": entry(lesson)})


def _thread(
    structure: ReasoningStructure, slot: Slot, hand: tuple[dict[str, Any], ...], seed: int
) -> tuple[BaseCheckpointSaver[Any] | None, str]:
    """Where the replay is saved and under which name: the same for the same replay of the same run, and no other."""
    config = _config()
    what = json.dumps([structure.task.question, structure.task.context, hand, seed], sort_keys=True)
    digest = hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:12]
    thread = config.get("configurable", {}).get("thread_id") or "run"
    return _saver(config), f"{thread}/{REPLAY}-{slot.at}-{digest}"


def _config() -> RunnableConfig:
    try:
        return get_config()
    except RuntimeError:  # not inside a graph
        return {}


def _saver(config: RunnableConfig) -> BaseCheckpointSaver[Any] | None:
    saver = config.get("configurable", {}).get(_CHECKPOINTER)
    return saver if isinstance(saver, BaseCheckpointSaver) else None


def _said(slot: Slot, verdict: Verdict, answer: str | None, thread: str, usage: Usage) -> Reflected:
    item: dict[str, Any] = {"kind": REPLAY, "stage": slot.stage, "lesson": slot.lesson}
    item |= {"success": bool(verdict.success), "answer": answer, **({"run": thread} if thread else {})}
    return Reflected(index=slot.at, how=REPLAY, source=verdict.source, items=(item,), note=verdict.note, usage=usage)


def _failed(slot: Slot, reason: str, usage: Usage = NO_USAGE) -> Failed:
    return Failed(of=REFLECT, nodes=(ROOT,), index=slot.at, how=REPLAY, reason=reason, usage=usage)


def _less(now: Usage, before: Usage) -> Usage:
    """What was spent since."""
    return Usage(
        now.calls - before.calls,
        now.failed_calls - before.failed_calls,
        now.prompt_tokens - before.prompt_tokens,
        now.completion_tokens - before.completion_tokens,
        None if now.usd is None or before.usd is None else now.usd - before.usd,
    )
