"""What memory itself has said: how it is fenced in a prompt, and how it is known again, so that it is never mined.

A store that learns from transcripts in which its own records are quoted learns them over and over. So the text of a
run is stripped of them before anything is learnt from it, and a record that still repeats one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reflectree.memory.records.kept import ID
from reflectree.memory.records.kinds import Record
from reflectree.memory.records.texts import containment
from reflectree.rlm_ops.errors import BadInput

TAG = "memory"
MARK = re.compile(rf"\[({ID.pattern})\]")
ECHO = 0.8
"""Share of a text's words and word pairs from which on it repeats another."""

_CLOSING = re.compile(rf"<(?=\s*/?\s*{TAG})", re.IGNORECASE)
_FENCED = re.compile(rf"<\s*{TAG}\s*>.*?(?:<\s*/\s*{TAG}\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(rf"<\s*/?\s*{TAG}\s*>", re.IGNORECASE)


class EchoRefused(BadInput):
    """Text that came out of memory was about to go in again."""


def fenced(text: str) -> str:
    """Memory's block in a prompt, which its text can neither close nor open anew."""
    return f"<{TAG}>\n{_CLOSING.sub('&lt;', text)}\n</{TAG}>"


def unmarked(text: str) -> str:
    """Text in which nothing looks like a record's mark."""
    return MARK.sub(r"(\1)", text)


def without_memory(text: str, shown: Iterable[Record] = ()) -> str:
    """A run's text without what memory said in it: its blocks, its marks, and lines that repeat a record it showed."""
    bare = MARK.sub("", _TAG.sub("", _FENCED.sub("", text)))
    told = [record.told for record in shown]
    return "\n".join(line for line in bare.split("\n") if not any(_repeats(line, one) for one in told))


def echoed(text: str, shown: Iterable[Record]) -> str:
    """The id of the shown record that `text` repeats, "" where there is none."""
    return next((record.id for record in shown if _repeats(text, record.told)), "")


def check_echo(record: Record, shown: Sequence[Record]) -> None:
    """Refuse a record that quotes a memory block or repeats what its run was shown; a declared child may.

    Raises:
        EchoRefused: It does.
    """
    for name, text in record.content.items():
        if isinstance(text, str) and (_TAG.search(text) or MARK.search(text)):
            raise EchoRefused(f"the {record.kind}'s {name} quotes what memory said: strip it with without_memory first")
    if record.kind == "experience":
        return
    said = record.lesson if record.kind == "reflection" else record.told
    if name := echoed(said, (one for one in shown if one.id not in record.origin.parents)):
        raise EchoRefused(f"the {record.kind} repeats {name}, which its run was shown: vote for that record instead")


def _repeats(text: str, told: str) -> bool:
    return len(text.split()) >= 4 and containment(text, told) >= ECHO
