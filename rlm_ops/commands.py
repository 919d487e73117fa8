"""Reads the command that a step gives to an environment.

A command is words of the environment's own (`go north`, `open door 2`, `left 3`), so all that is around it is taken off
and nothing of it is interpreted: list markers, quotes, code marks, a wrapping `do[...]`. Linear in the length of the
text. Which commands an environment understands is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST = 500
"""Characters of a command: what is longer is prose, and no environment takes it."""

LISTED = "| Commands:"
"""How the line of an observation begins that lists what an environment would take."""

_MORE = re.compile(r"and [0-9]+ more")
_MARKER = re.compile(
    r"^[ \t>*_#`-]{0,12}(?:[0-9]{1,3}[.)][ \t]?)?[*_]{0,3}(?:action|command)(?: ?#?[0-9]{1,4})?[*_]{0,3}[ \t]?:"
    r"[*_]{0,3}",
    re.IGNORECASE | re.MULTILINE,
)
_OBSERVATION = re.compile(r"^[ \t>*_]{0,12}observation\b", re.IGNORECASE | re.MULTILINE)
_WRAPPED = re.compile(r"(?:do|act|action|command|execute)[ ]?(?:\[(.*)\]|\((.*)\))", re.IGNORECASE)
_LISTED = re.compile(r"(?:[-*+>\u2022][ \t]+|[0-9]{1,3}[.)][ \t]+)+")
_FULL_STOP = re.compile(r"(?<=[\w)\]'\"`*\u201d])\.$")
_PAIRS = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "[": "]", "<": ">"}


def command_span(text: str) -> tuple[int, int] | None:
    """Where the line of a step's command begins (after `Action:`) and ends; `None` where there is none.

    It is the first line that gives a command, before any observation: what comes after that was made up.
    """
    seen = _OBSERVATION.search(text)
    marker = _MARKER.search(text, 0, seen.start() if seen else len(text))
    if marker is None:
        return None
    start = marker.end()
    if not text[start:].split("\n", 1)[0].strip("` \t"):  # the command stands on a line of its own
        while start < len(text) and text[start] in "\n\r \t`":
            start += 1
        if seen and start >= seen.start():
            return None
    end = text.find("\n", start)
    return start, len(text) if end < 0 else end


def listed_span(text: str, listed: Iterable[str]) -> tuple[int, int, str] | None:
    """Where the first line stands that is one of the listed commands, and that command as it was listed.

    Of a line that holds several, with semicolons between them, it is the first.
    """
    known = {" ".join(command.split()).casefold(): command for command in listed}
    start = 0
    for line in text.splitlines(keepends=True) if known else ():
        if _OBSERVATION.match(line):
            return None
        for said in (line.rstrip("\r\n"), line.partition(";")[0]):
            if (command := known.get(bare(said).casefold())) is not None:
                return start, start + len(said), command
        start += len(line)
    return None


def listed_commands(text: str) -> tuple[str, ...]:
    """The commands that an environment listed last in a text; those that it only counted are left out."""
    found = text[text.rfind(f"\n{LISTED} ") + 1 :].split("\n", 1)[0]
    if not found.startswith(LISTED):
        return ()
    return tuple(part for part in found.removeprefix(LISTED).strip().split("; ") if not _MORE.fullmatch(part))


def read_command(text: str) -> str | None:
    """The command of a step, with nothing around it; `None` where there is none or it is no command."""
    span = command_span(text)
    if span is None:
        return None
    command = bare(text[slice(*span)])
    return command if command and len(command) <= MOST else None


def bare(line: str) -> str:
    """A command without list marker, emphasis, quotes, brackets and the full stop after them."""
    said = " ".join(line.split())
    if len(said) > 2 * MOST:
        return said
    before = None
    while said != before:
        before = said
        listed = _LISTED.match(said)
        if listed:
            said = said[listed.end() :]
        said = _stripped(_FULL_STOP.sub("", said.strip().strip("*").strip()))
        wrapped = _WRAPPED.fullmatch(said)
        if wrapped:
            said = (wrapped[1] or wrapped[2] or "").strip()
    return said


def _stripped(said: str) -> str:
    """Without one pair of quotes or brackets around the whole."""
    closing = _PAIRS.get(said[:1])
    if closing is None or len(said) < 2 or not said.endswith(closing) or closing in said[1:-1]:
        return said
    return said[1:-1].strip()
