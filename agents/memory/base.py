"""What ways to learn have in common: the episode they look at, and one paid request that becomes one event.

A reply that cannot be read is tried once more and then a failed event: never a record of garbage, and never the end of
a run whose answer is found already. Nothing here knows what is asked, or what becomes of what was learnt.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from reflectree.agents.base import AgentRun
from reflectree.agents.prompts.remembering import Told
from reflectree.agents.replies import split_thought
from reflectree.memory.records import Source
from reflectree.memory.records.echo import ECHO
from reflectree.memory.records.texts import clipped, containment, plain
from reflectree.models.base import Choice, Message, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.errors import BudgetRefused, ModelError
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.misbehaviour import loops
from reflectree.rlm_ops.parsing import json_objects
from reflectree.rlm_ops.reflected import REFLECT, Reflected
from reflectree.rlm_ops.remembering import Learn
from reflectree.rlm_ops.structure import ROOT
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE, Usage

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run went, and who says so.

    Attributes:
        success: Whether it succeeded; `None` where nobody could say.
        source: Who says so: the declared feedback source.
        reward: What that source gave, in [0, 1].
        note: Its reason, in words.
    """

    success: bool | None
    source: Source = "self"
    reward: float | None = None
    note: str = ""

    @property
    def told(self) -> str:
        """In words, for a model."""
        if self.success is None:
            return "nobody said whether it succeeded"
        said = f"it {'succeeded' if self.success else 'failed'}, as said by: {self.source}"
        return f"{said}\n{self.note}" if self.note else said


class Known(NamedTuple):
    """A record as a model that learns sees it."""

    id: str
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Episode:
    """A finished run, as something to learn from.

    Attributes:
        task: Its task.
        told: Its attempts, the one it answered with last.
        verdict: How it went.
        shown: The records it was shown: nothing that says what they say is learnt from it.
        known: The records that this way of learning works on: rules, statements, the sheet.
        limit: Most characters of an attempt that are shown.
    """

    task: Task
    told: tuple[Told, ...]
    verdict: Verdict
    shown: tuple[Known, ...] = ()
    known: tuple[Known, ...] = field(default=())
    limit: int = 6000

    @property
    def last(self) -> tuple[Told, ...]:
        """The attempt it answered with."""
        return self.clipped[-1:]

    @property
    def clipped(self) -> tuple[Told, ...]:
        """The attempts, none of them too long."""
        return tuple(Told(clipped(one.text, self.limit), one.score) for one in self.told)

    def echoes(self, text: str) -> bool:
        """Whether a text says what the run was shown: it came out of memory, and is not mined again."""
        return any(containment(text, known.text) >= ECHO for known in self.shown)


class Learnt(NamedTuple):
    """What was read from a reply."""

    items: tuple[Item, ...] = ()
    note: str = ""


class Way(Protocol):
    """A way to learn."""

    def ask(self, episode: Episode, stage: Learn) -> tuple[tuple[Message, ...], dict[str, Any] | None]:
        """The conversation, and the schema of its reply where that is JSON."""
        ...

    def read(self, text: str, episode: Episode, stage: Learn) -> Learnt | str:
        """What a reply teaches, or what is wrong with it."""
        ...


async def learn(
    way: Way, stage: Learn, episode: Episode, run: AgentRun, *, index: int = 0, how: str = ""
) -> Reflected | Failed:
    """Learn from an episode, in one request and at most one more.

    Args:
        way: The way to learn.
        stage: Its settings.
        episode: What to learn from.
        run: The run that pays for it.
        index: Which stage of the run's learning it is.
        how: Its name in the trace, where that is not the stage's.
    """
    how = how or stage.how
    turns, schema = way.ask(episode, stage)
    request = Request(
        turns,
        max_tokens=stage.max_tokens,
        temperature=stage.temperature,
        seed=zlib.crc32(f"{run.seed}:{REFLECT}:{index}:{how}".encode()) & 0x7FFFFFFF,
        timeout=stage.timeout,
        json_schema=schema,
    )
    learnt: dict[int, Learnt] = {}

    def check(choice: Choice) -> str | None:
        read = _read(way, choice, episode, stage)
        if isinstance(read, str):
            return read
        learnt[id(choice)] = read
        return None

    def failed(reason: str, usage: Usage = NO_USAGE) -> Failed:
        return Failed(of=REFLECT, nodes=(ROOT,), index=index, how=how, reason=reason, usage=usage)

    try:
        outcome = await run.caller(stage.model).call(request, check)
    except (ModelError, BudgetRefused) as error:  # an answer that is found is not lost for want of a lesson
        return failed(" ".join(str(error).split()), spent_by(error))
    sample = outcome.samples[0]
    if isinstance(sample, str):
        return failed(sample, outcome.usage)
    items, note = learnt[id(sample)]
    return Reflected(index=index, how=how, source=episode.verdict.source, items=items, note=note, usage=outcome.usage)


def _read(way: Way, choice: Choice, episode: Episode, stage: Learn) -> Learnt | str:
    text = split_thought(choice.text)[1]
    if choice.finish == "filter":
        return "the reply was refused by the provider's filter"
    if not text.strip():
        return "the reply is empty"
    if loops(text) is not None:
        return "the reply repeats itself"
    read = way.read(text, episode, stage)
    if choice.finish == "length" and (isinstance(read, str) or not read.items):
        return f"the reply was cut at max_tokens={stage.max_tokens}"
    return read


def last_object(text: str, key: str) -> dict[str, Any] | None:
    """The last JSON object of a text that has a key."""
    return next((found for found in reversed(list(json_objects(text))) if key in found), None)


def rows_of(given: object) -> list[dict[str, Any]] | None:
    """A list of JSON objects, or `None` where it is none."""
    return given if isinstance(given, list) and all(isinstance(row, dict) for row in given) else None


def words(row: dict[str, Any], key: str, limit: int, *, lines: bool = False) -> str:
    """A text in a row, on one line unless lines matter, without control characters; "" where there is none."""
    given = row.get(key)
    if not isinstance(given, str):
        return ""
    text = "".join(mark for mark in given if mark in "\n\t" or (mark.isprintable() and mark != "\ufffd"))
    return clipped(text.strip() if lines else " ".join(text.split()), limit)


def says_anything(text: str) -> bool:
    """Whether a text is a statement: three words, or as many characters where a script puts no spaces."""
    return len(text.split()) >= 3 or (not text.isascii() and len(text) >= 6)


def without_echoes(items: Sequence[Item], key: str, episode: Episode) -> list[Item]:
    """The items that say something new: no echo of what was shown, and none twice."""
    fresh: list[Item] = []
    seen: set[str] = set()
    for item in items:
        said = plain(str(item[key]))
        if said not in seen and not episode.echoes(str(item[key])):
            fresh.append(item)
            seen.add(said)
    return fresh
