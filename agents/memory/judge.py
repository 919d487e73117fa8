"""Did a run succeed? Asked of a model where the declared feedback source is a judge, or the policy itself.

It is an opinion and is kept as one: what rests on it is a candidate until outcomes confirm it.
"""

from __future__ import annotations

from typing import Any

from reflectree.agents.memory.base import Episode, Learnt, last_object, words
from reflectree.agents.prompts.remembering import SUCCEEDED_SCHEMA, Told, succeeding
from reflectree.memory.records.kinds import LONG
from reflectree.models.base import Message
from reflectree.rlm_ops.remembering import Learn


class OutcomeJudge:
    """Yes or no, with the reason."""

    def ask(self, episode: Episode, stage: Learn) -> tuple[tuple[Message, ...], dict[str, Any] | None]:
        """Did it succeed?"""
        attempt = episode.last[0] if episode.told else Told("(nothing was written)")
        return succeeding(episode.task, Told(attempt.text)), SUCCEEDED_SCHEMA

    def read(self, text: str, episode: Episode, stage: Learn) -> Learnt | str:
        """The verdict."""
        found = last_object(text, "success")
        success = found.get("success") if found is not None else None
        if found is None or not isinstance(success, bool):
            return "the reply does not say whether it succeeded"
        reason = words(found, "reason", LONG)
        return Learnt(({"kind": "outcome", "success": success},), reason)
