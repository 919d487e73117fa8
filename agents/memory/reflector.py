"""The reflector: why did a run fail or succeed, and what does that teach (Reflexion, ReasoningBank, ACE).

The signal comes from a declared source, which the lesson carries. `Contrast` looks at all attempts of a run at once
(MaTTS' parallel self-contrast).
"""

from __future__ import annotations

from typing import Any

from reflectree.agents.memory.base import (
    Episode,
    Item,
    Learnt,
    last_object,
    rows_of,
    says_anything,
    without_echoes,
    words,
)
from reflectree.agents.prompts.remembering import VERDICTS, contrasting, lessons_schema, reflecting_on
from reflectree.memory.records.kinds import LONG, SHORT
from reflectree.models.base import Message
from reflectree.rlm_ops.remembering import Learn


class Reflector:
    """Lessons of the attempt a run answered with, and tags of the records it was shown."""

    def ask(self, episode: Episode, stage: Learn) -> tuple[tuple[Message, ...], dict[str, Any] | None]:
        """What does this attempt teach?"""
        shown = _tagged(episode, stage)
        turns = reflecting_on(episode.task, episode.last, episode.verdict.told, most=stage.most, shown=shown)
        return turns, lessons_schema(stage.most, range(1, len(shown) + 1))

    def read(self, text: str, episode: Episode, stage: Learn) -> Learnt | str:
        """Lessons and tags."""
        found = last_object(text, "lessons")
        rows = rows_of(found.get("lessons")) if found is not None else None
        if found is None or rows is None:
            return "the reply holds no list of lessons"
        cause = words(found, "cause", LONG)
        lessons = [lesson for row in rows if (lesson := read_lesson(row, cause)) is not None]
        if rows and not lessons:
            return "none of the lessons says anything"
        fresh = without_echoes(lessons, "lesson", episode)[: stage.most]
        return Learnt((*fresh, *_tags(found.get("tags"), episode, stage)), cause)


class Contrast(Reflector):
    """Lessons from the difference between a run's attempts."""

    def ask(self, episode: Episode, stage: Learn) -> tuple[tuple[Message, ...], dict[str, Any] | None]:
        """What tells the good attempts from the bad ones?"""
        shown = _tagged(episode, stage)
        turns = contrasting(episode.task, episode.clipped, episode.verdict.told, most=stage.most, shown=shown)
        return turns, lessons_schema(stage.most, range(1, len(shown) + 1))


def read_lesson(row: dict[str, Any], cause: str) -> Item | None:
    """A lesson, or `None` where it says nothing."""
    lesson = words(row, "lesson", LONG)
    if not says_anything(lesson):
        return None
    return {
        "kind": "reflection",
        "title": words(row, "title", SHORT),
        "lesson": lesson,
        "cause": cause,
        "applies": words(row, "applies", LONG),
        "excludes": words(row, "excludes", LONG),
    }


def _tagged(episode: Episode, stage: Learn) -> list[str]:
    return [known.text for known in episode.shown] if stage.tags else []


def _tags(given: object, episode: Episode, stage: Learn) -> list[Item]:
    """What helped and what harmed, by the numbers under which it was shown; each record once."""
    tags: dict[str, Item] = {}
    for row in rows_of(given) or () if stage.tags else ():
        number, verdict = row.get("number"), row.get("verdict")
        if type(number) is int and 1 <= number <= len(episode.shown) and verdict in VERDICTS:
            target = episode.shown[number - 1].id
            tags.setdefault(target, {"kind": "tag", "target": target, "verdict": verdict})
    return list(tags.values())
