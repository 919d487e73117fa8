"""Rules from lists of successes (ExpeL): after every so many of them, the newest are looked at together.

The list is read from the memory's experiences, which are trajectories of runs and nothing that memory has said. What
is learnt from it has them as its parents, so that forgetting one forgets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reflectree.agents.memory import Episode
from reflectree.agents.prompts.remembering import Told
from reflectree.graphs.memory.access import Memory
from reflectree.graphs.memory.standing import successes
from reflectree.memory.records import Experience
from reflectree.memory.records.echo import without_memory
from reflectree.rlm_ops.events import Failed
from reflectree.rlm_ops.reflected import Reflected


def batch_of(memory: Memory, size: int, task: str) -> list[Experience] | None:
    """The successes that make a whole list with that of the run that has just ended; `None` where it is not full yet.

    Args:
        memory: Where they are.
        size: How many a list has, the run's own included.
        task: The key of the run's task, whose earlier successes are not counted.
    """
    found = [one for one in successes(memory) if one.origin.task != task]
    return found[len(found) + 1 - size :] if (len(found) + 1) % size == 0 else None


def listed(episode: Episode, others: Sequence[Experience]) -> Episode:
    """The run's episode with the others before its own attempt, each under its problem."""
    told = [Told(f"Problem: {one.task}\n{without_memory(one.solution)}") for one in others]
    own = [Told(f"Problem: {episode.task.prose}\n{attempt.text}") for attempt in episode.last]
    many = len(told) + len(own)
    note = f"these are solutions of {many} problems, the last of them the one above; all of them succeeded"
    return replace(episode, told=(*told, *own), verdict=replace(episode.verdict, note=note))


def with_parents(event: Reflected | Failed, others: Sequence[Experience]) -> Reflected | Failed:
    """What was learnt, with what it was learnt from."""
    if isinstance(event, Failed):
        return event
    names = [one.id for one in others]
    return replace(event, items=tuple({**item, "parents": names} for item in event.items))
