"""Free text answers: everything after the first line of a text that begins with `Answer:`.

Pure functions of text for tasks of form `text`, beside those of `reflectree.agents.replies` for answers of one line.
What an answer must hold, and how one that a stop string cut is completed, is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from reflectree.agents.prompts.solving import REPLY, SUBQUESTION
from reflectree.agents.replies import CUT, Draft, Reader, Reading, last_lines, read_action, read_code
from reflectree.rlm_ops.parsing import parse_action
from reflectree.rlm_ops.step import Granularity

_MARKER = re.compile(
    r"^[ \t>*_#`]*(?:(?:the|my) )?(?:final )?(?:answer|reply)[*_`]*[ ]?[:\uff1a][*_`]*[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(r"\s*(?:<\|[a-z_]{1,24}\|>|</s>|<eos>|<end_of_turn>)\s*\Z", re.IGNORECASE)


def begun_at(text: str) -> int | None:
    """Where the answer begins in a text: after the first marker that begins a line; `None` where there is none."""
    marker = _MARKER.search(text)
    return None if marker is None else marker.end()


def stated(text: str) -> str | None:
    """The answer that a text gives, without blank lines around it; `None` where it gives none."""
    start = begun_at(text)
    return None if start is None else tidy(text[start:]) or None


def tidy(answer: str) -> str:
    """An answer without white space around it and without end-of-text tokens; all else in it is the writer's."""
    return _END.sub("", answer).strip()


def reader_of(prompt: str, granularity: Granularity, default: Reader) -> Reader:
    """What reads the replies to a prompt where answers are free text; `default` where that makes no difference."""
    if prompt == "solve":
        return {"solution": read_whole, "step": read_step, "token": read_tokens}[granularity]
    return _READERS.get(prompt, default)


def read_whole(draft: Draft) -> Reading | str:
    """A whole solution. One that marks no answer is the answer itself: a person would read it as one."""
    if draft.cut:
        return CUT
    text = draft.lead + draft.text
    answer = stated(text) if begun_at(text) is not None else tidy(text)
    return Reading(text.strip(), answer) if answer else "the reply holds no answer"


def read_step(draft: Draft) -> Reading | str:
    """A step. One that begins the answer is cut by what ends a step, so that the rest is still to be asked for."""
    text = draft.lead + draft.text
    if begun_at(text) is not None:
        return Reading(text.strip(), stated(text) or "", begun=True)
    return CUT if draft.cut else Reading(text.strip() if draft.strips else text)


def read_tokens(draft: Draft) -> Reading | str:
    """A mini-step of a few tokens; one with which the answer is begun is still to be completed."""
    whole = last_lines(draft.before) + draft.text
    return Reading(draft.text, stated(whole) or "", begun=True) if begun_at(whole) is not None else Reading(draft.text)


def read_proposal(draft: Draft) -> Reading | str:
    """A step out of a list of several: an answer in it is as long as its item."""
    text = draft.text.strip()
    return CUT if draft.cut else Reading(text, stated(text))


def read_answer(draft: Draft) -> Reading | str:
    """The answer alone, marked as one or not."""
    if draft.cut:
        return CUT
    text = draft.text.strip()
    if begun_at(text) is None:
        text = f"{draft.lead or 'Answer:'} {text}"
    return Reading(text, answer) if (answer := stated(text)) else "the reply holds no answer"


def read_subquestion(draft: Draft) -> Reading | str:
    """A sub-question with its reply; the reply to the last one is the answer, where no other is marked."""
    if draft.cut:
        return CUT
    own = draft.text.lstrip().startswith(SUBQUESTION)
    text = (draft.text if own or not draft.lead else f"{draft.lead} {draft.text.lstrip()}").strip()
    answer = stated(text)
    if answer is None and draft.last:
        answer = tidy(text.partition(REPLY)[2]) or None
    return Reading(text, answer)


def read_turn(draft: Draft) -> Reading | str:
    """A thought and an action; `finish[...]`, or an answer in place of the action, ends the task."""
    text = draft.text.strip()
    action = parse_action(text if not draft.lead else f"{draft.lead.rstrip()} {text}")
    if action is None and begun_at(text) is not None:
        return CUT if draft.cut else Reading(text, stated(text))
    reading = read_action(draft)
    if isinstance(reading, str) or reading.answer is None:
        return reading
    finish = parse_action(reading.text)
    return reading._replace(answer=_finished(finish.arguments_text) if finish else reading.answer)


def read_program(draft: Draft) -> Reading | str:
    """Words and a block of code, or the answer, which the end of a block in it would cut."""
    start, block = begun_at(draft.text), draft.text.find("```")
    if start is not None and (block < 0 or start <= block):
        return Reading(draft.text.strip(), stated(draft.text) or "", begun=True)
    if block < 0:
        return CUT if draft.cut else "the step holds neither code nor an answer"
    reading = read_code(draft)
    return reading if isinstance(reading, str) else reading._replace(answer=None)


def _finished(arguments: str) -> str:
    """The answer in the arguments of `finish`, whole."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        value = arguments
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    return tidy(value if isinstance(value, str) else arguments)


_READERS: Mapping[str, Reader] = {
    "propose": read_proposal,
    "subquestion": read_subquestion,
    "again": read_subquestion,
    "answer": read_answer,
    "act": read_turn,
    "action": read_turn,
    "code": read_program,
}
"""By the prompt's name, where free text is read in another way than an answer of one line."""
