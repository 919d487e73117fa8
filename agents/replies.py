"""Reads replies of the policy: which text a step keeps, which answer it gives, or what is wrong with it.

Pure functions of text, one a kind of prompt. They know nothing of requests, models or events.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from reflectree.agents.prompts.solving import SUBQUESTION
from reflectree.rlm_ops.answers import cut_at_answer, extract_answer
from reflectree.rlm_ops.commands import MOST as LONGEST_COMMAND
from reflectree.rlm_ops.commands import bare, command_span, listed_span
from reflectree.rlm_ops.one_command import commands_in, disowned
from reflectree.rlm_ops.parsing import parse_action, parse_subquestions
from reflectree.rlm_ops.splitting import parse_reasoning


class Draft(NamedTuple):
    """A reply as it came.

    Attributes:
        text: What was written, without hidden thought.
        lead: What the step begins with that was begun for the model: it is part of the step, and not of `text`.
        cut: Whether it ended at the most tokens.
        before: The path before it, where steps run on (granularity `token`).
        last: Whether it replies to the last of the task's sub-questions.
        strips: Whether white space around a step is no part of it.
        commands: The commands that an environment listed.
    """

    text: str
    lead: str = ""
    cut: bool = False
    before: str = ""
    last: bool = False
    strips: bool = True
    commands: tuple[str, ...] = ()


class Reading(NamedTuple):
    """A step that was read from a reply: its text, and the answer it gives, if it does.

    `begun` marks an answer of which only the beginning is there: what ends a step has cut it.
    """

    text: str
    answer: str | None = None
    begun: bool = False


Reader = Callable[[Draft], Reading | str]
"""Reads a step, or says what is wrong."""

CUT = "the reply was cut"
ANSWER_ROOM = 400
"""Characters at the end of a path of tokens in which an answer may have begun."""
_ANSWER_LINE = re.compile(r"^[ \t>*_#]*(?:the |my )?(?:final )?answer[*_]*[ ]?:", re.IGNORECASE | re.MULTILINE)
_AROUND = "` \t\r\n"
_ACTION_LINE = re.compile(r"^[ \t>*_#]*action\b(?! input)", re.IGNORECASE | re.MULTILINE)
_TURN = re.compile(r"[ \t>*_#]*(?:thought|action(?! input))\b", re.IGNORECASE)
_NEXT_TURN = re.compile(r"\n[ \t>*_#]*(?:thought|observation|action(?! input))\b", re.IGNORECASE)
_PROGRAM = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_FENCED = re.compile(r"```[^\n]*\n.*?(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)


def split_thought(text: str) -> tuple[str, str]:
    """The thought in a reply's tags and the rest, which is left as it is where there are no tags."""
    if "<" not in text:  # most replies
        return "", text
    thought, rest = parse_reasoning(text)
    return (thought, rest) if len(rest) < len(text.strip()) else ("", text)


def read_solution(draft: Draft) -> Reading | str:
    """A step, or a whole solution, which ends with the line that gives the answer."""
    written = draft.text
    text = cut_at_answer(written)
    answer = extract_answer(text)
    if draft.cut and (answer is None or text == written):
        return CUT  # it may have fallen into the answer
    text = draft.lead + text
    return Reading(text.strip() if draft.strips else text, answer)


def written_program(text: str) -> str | None:
    """The program in the last code block of a text, once the block is closed."""
    blocks = _PROGRAM.findall(text)
    return blocks[-1] if blocks and blocks[-1].strip() else None


def read_tokens(draft: Draft) -> Reading | str:
    """A mini-step of a few tokens: being cut is its nature, and an answer is whole once its line is ended."""
    begun = last_lines(draft.before)
    whole = begun + draft.text
    until = cut_at_answer(whole)
    answer = extract_answer(until)
    if answer is None or (draft.cut and until == whole):
        return Reading(draft.text)
    head, newline, _ = draft.text.partition("\n")
    return Reading(until[len(begun) :] or head + newline, answer)


def last_lines(text: str) -> str:
    """The end of a path, from the beginning of a line: an answer that was whole before would have ended it."""
    return text[text.rfind("\n", 0, max(0, len(text) - ANSWER_ROOM)) + 1 :]


def awaits_end(draft: Draft) -> bool:
    """Whether the steps before give an answer of which only the end of its line was missing."""
    return (not draft.cut or "\n" in draft.text) and extract_answer(last_lines(draft.before)) is not None


def read_preparation(draft: Draft) -> Reading | str:
    """A plan, or the task in other words: an answer is no part of it."""
    if draft.cut:
        return CUT
    stated = _ANSWER_LINE.search(draft.text)
    text = (draft.text[: stated.start()] if stated else draft.text).strip()
    return Reading(text) if text else "the reply answers at once"


def read_decomposition(draft: Draft) -> Reading | str:
    """A list of sub-questions, kept whole."""
    reading = read_preparation(draft)
    if isinstance(reading, Reading) and not parse_subquestions(reading.text):
        return "the reply lists no sub-questions"
    return reading


def read_subquestion(draft: Draft) -> Reading | str:
    """A sub-question with its reply. That a reply says "the answer is" settles only the sub-question."""
    own = draft.text.lstrip().startswith(SUBQUESTION)
    text = (draft.text if own or not draft.lead else f"{draft.lead} {draft.text.lstrip()}").strip()
    stated = _ANSWER_LINE.search(text)
    if draft.last or stated:
        until = cut_at_answer(text)
        if draft.cut and until == text:
            return CUT
        return Reading(until, extract_answer(until))
    return CUT if draft.cut else Reading(text)


def read_answer(draft: Draft) -> Reading | str:
    """The answer alone: it was all that was asked for, so a reply without the form is the answer itself."""
    text = draft.text.strip()
    if extract_answer(text) is None:
        text = f"{draft.lead} {text}" if draft.lead else f"Answer: {text.splitlines()[-1].strip()}"
    until = cut_at_answer(text)
    answer = extract_answer(until)
    if answer is None:
        return "the reply holds no answer"
    return CUT if draft.cut and until == text else Reading(until.strip(), answer)


def read_action(draft: Draft) -> Reading | str:
    """A thought and an action, up to the end of the action; `finish[...]` gives the answer."""
    text = draft.text.strip()
    if draft.lead and not _ACTION_LINE.search(text):
        text = f"{draft.lead.rstrip()} {text}"
    action = parse_action(text)
    if action is None:
        return read_solution(draft) if extract_answer(text) is not None else "the reply holds no action"
    marker = _ACTION_LINE.search(text)
    after = _NEXT_TURN.search(text, marker.end()) if marker else None
    if after is not None:
        text = text[: after.start()].rstrip()
    elif draft.cut and not text.endswith(("]", ")", "}", "`")):
        return CUT
    if action.name.lower() != "finish":
        return Reading(text)
    answer = _finished(action.arguments_text)
    return Reading(text, answer) if answer else "the action finishes without an answer"


def _finished(arguments: str) -> str:
    """The answer in the arguments of `finish`."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        value = arguments
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    text = value if isinstance(value, str) else arguments
    return extract_answer(f"Answer: {text}") or text.strip()


def read_command(draft: Draft) -> Reading | str:
    """A thought and one command for an environment, with nothing around it; what comes after it was made up.

    Where no line is marked as the command, it is the first line that is one of those that the environment listed; of
    several in one line, it is the first.
    """
    said = draft.text.strip()
    text = led(draft.lead, said)
    span = command_span(text)
    if span is None:
        return _unmarked(said, draft)
    start, end = span
    known = listed_span(text[start:end], draft.commands)
    if known is not None:
        end = start + known[1]
    if draft.cut and end == len(text) and not draft.text.endswith("\n"):
        return CUT
    command = known[2] if known else bare(text[start:end])
    if not command:
        return "the action is empty"
    if len(command) > LONGEST_COMMAND:
        return f"the action is no command: it has {len(command)} characters"
    return Reading(f"{text[:start].rstrip(_AROUND)} {command}")


def _unmarked(said: str, draft: Draft) -> Reading | str:
    """A command that no line marks as one."""
    found = listed_span(said, draft.commands)
    if found is None:
        return "the reply holds no action"
    thought = said[: found[0]].rstrip()
    return Reading(f"{led(draft.lead, thought) if thought else ''}\nAction: {found[2]}".lstrip())


def led(lead: str, said: str) -> str:
    """A turn with what it was begun with, unless the model has begun it itself."""
    return said if not lead or _TURN.match(said) else f"{lead.rstrip()} {said}"


def read_turn(draft: Draft) -> Reading | str:
    """A turn of one command, kept whole however many it has: what is wrong with it is for the turn to observe."""
    if draft.cut:
        return CUT
    text = disowned(draft.lead + draft.text).strip()
    if extract_answer(text) is None or next(commands_in(text), None) is not None:
        return Reading(text)
    until = cut_at_answer(text)
    return Reading(until.strip(), extract_answer(until))


def read_code(draft: Draft) -> Reading | str:
    """Words and one block of code, up to the end of the block; what the code prints is no answer of the step's."""
    block = _FENCED.search(draft.text)
    if block is None:
        reading = read_solution(draft)
        unfinished = isinstance(reading, Reading) and reading.answer is None
        return "the step holds neither code nor an answer" if unfinished else reading
    closed = block.group().rstrip().endswith("```") and "\n" in block.group().rstrip()
    if draft.cut and not closed:
        return CUT
    text = draft.text[: block.end()].rstrip()
    return Reading((text if closed else f"{text}\n```").strip(), extract_answer(draft.text[: block.start()]))


READERS: Mapping[str, Reader] = {
    "solve": read_solution,
    "propose": read_solution,
    "plan": read_preparation,
    "rephrase": read_preparation,
    "decompose": read_decomposition,
    "subquestion": read_subquestion,
    "again": read_subquestion,
    "answer": read_answer,
    "act": read_action,
    "action": read_action,
    "code": read_code,
    "command": read_command,
    "experiment": read_turn,
}
"""By the prompt's name in `Generate.prompt`."""
