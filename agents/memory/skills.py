"""The skill extractor: the reusable plan, workflow or program in a solution that worked (Voyager, AWM).

It is asked after successes only; whether the success counts (who says so, and how often) is for the gates. A program is
never run here, and must at least be one: its syntax is checked.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from reflectree.agents.memory.base import Episode, Learnt, last_object, says_anything, words
from reflectree.agents.prompts.remembering import SKILL_SCHEMA, extracting
from reflectree.memory.records.kinds import LONG, SHORT
from reflectree.models.base import Message
from reflectree.rlm_ops.remembering import Learn

BODY = 6_000
"""Most characters of a skill."""
_NAME = re.compile(r"[^\w-]+")
_FENCE = re.compile(r"\A```[^\n]*\n(.*?)\n?```\s*\Z", re.DOTALL)


class SkillExtractor:
    """One skill of a solution that worked."""

    def ask(self, episode: Episode, stage: Learn) -> tuple[tuple[Message, ...], dict[str, Any] | None]:
        """What of it can be used again?"""
        return extracting(episode.task, episode.last, stage.form), SKILL_SCHEMA

    def read(self, text: str, episode: Episode, stage: Learn) -> Learnt | str:
        """The skill."""
        found = last_object(text, "body")
        if found is None:
            return "the reply holds no skill"
        name = _NAME.sub("_", words(found, "name", SHORT)).strip("_").casefold()
        about, body = words(found, "description", LONG), words(found, "body", BODY, lines=True)
        if stage.form == "code":
            fenced = _FENCE.match(body)
            body = fenced[1] if fenced else body
            if not defines_function(body):
                return "the skill's body is no Python function"
        if not name or not says_anything(about) or not says_anything(body):
            return "the skill has no name, no description or no body"
        if episode.echoes(body):
            return Learnt()
        language = "python" if stage.form == "code" else stage.form
        return Learnt(({"kind": "skill", "name": name, "description": about, "body": body, "language": language},))


def defines_function(code: str) -> bool:
    """Whether a text is a Python program that defines a function; it is parsed and never run."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in tree.body)
