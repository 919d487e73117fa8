"""One command a turn, out of four: Coscientist's grammar (Boiko et al. 2023, arXiv 2304.05332).

A command begins a line with its word in capitals and a colon, and goes on to the end of the turn:
`EXPERIMENT: {"temperature": 80}`, `PYTHON:` and a program below. Lines inside a code fence begin none. A turn with none
or with several is not read: the error is what the turn observes. What a command does is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from reflectree.rlm_ops.parsing import Action

SEARCH, PYTHON, DOCUMENTATION, EXPERIMENT = COMMANDS = ("SEARCH", "PYTHON", "DOCUMENTATION", "EXPERIMENT")
"""The commands. Each is the name of a tool, in capitals."""
NO_COMMAND = f"a turn is exactly one command, and this one has none: begin a line with one of {', '.join(COMMANDS)}"

_LINE = re.compile(rf"[ \t>*_]*({'|'.join(COMMANDS)})[*_]*[ \t]*:[*_]*[ \t]*")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_OBSERVATION = re.compile(r"^([ \t>*_#|]*)(observation[ \t]*\d*[*_]*[ \t]*:)", re.IGNORECASE | re.MULTILINE)
_MADE_UP = "(made up) "
_AFTERWARDS = re.compile(rf"^[ \t>*_#|]*(?:{re.escape(_MADE_UP)})?observation[ \t]*\d*[*_]*[ \t]*:", re.I | re.M)
"""What a turn was not waited for: it is no part of the command."""
_WHOLE_FENCE = re.compile(r"\A(`{3,}|~{3,})[^\n`]*\n(.*?)\n?[ \t]*\1\Z", re.DOTALL)


def one_command(text: str) -> Action | str:
    """The command of a turn, its word in small letters as the tool's name; or what is wrong, in words for the model."""
    found = list(commands_in(text))
    if not found:
        return NO_COMMAND
    if len(found) > 1:
        words = ", ".join(match[1] for match in found)
        return f"a turn is exactly one command, and this one has {len(found)} ({words:.80}): nothing was carried out"
    (match,) = found
    argument = unfenced(_AFTERWARDS.split(text[match.end() :], maxsplit=1)[0].strip())
    if not argument:
        return f"{match[1]} has nothing after it: write what it is to take on the same line or below"
    return Action(match[1].lower(), argument)


def commands_in(text: str) -> Iterator[re.Match[str]]:
    """The beginnings of commands, those inside code fences left out."""
    fence, start = "", 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        mark = _FENCE.match(text, start, end)
        if mark is not None:
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
        elif not fence and (command := _LINE.match(text, start, end)) is not None:
            yield command
        start = end + 1


def unfenced(argument: str) -> str:
    """An argument out of the code fence that wraps the whole of it, if one does."""
    fenced = _WHOLE_FENCE.match(argument)
    return fenced[2].strip() if fenced else argument


def disowned(text: str) -> str:
    """A turn in which no line can pass for an observation: the model does not write those."""
    return _OBSERVATION.sub(rf"\1{_MADE_UP}\2", text)
