"""What one variant of *generate* asks for: its settings, read once, as requests.

A `Plan` is made when a run is set up. It knows of no run, no structure and no reply.
"""

from __future__ import annotations

from collections.abc import Mapping

from reflectree.agents import free_text, prompts
from reflectree.agents.prompts.solving import REPLY, SUBQUESTION
from reflectree.agents.replies import READERS, Reader, read_tokens
from reflectree.models.base import Capabilities, Message, Request
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.parsing import parse_subquestions
from reflectree.rlm_ops.step import Granularity, Path

_STOPS: Mapping[str, tuple[str, ...]] = {
    "subquestion": (f"\n{SUBQUESTION}",),
    "again": (f"\n{SUBQUESTION}",),
    "act": ("\nObservation", "Observation:"),
    "action": ("\nObservation", "Observation:"),
    "command": ("\nObservation", "Observation:"),
    "experiment": ("\nObservation", "Observation:"),
    "code": ("\n```\n", "```output"),
}
_SHOWN = frozenset({"propose", "plan", "decompose", "rephrase"})
"""Prompts whose reply is no continuation of the path, so that it is shown in the user turn."""
_ASKED_AS = {"again": "subquestion", "action": "act"}


class Plan:
    """The settings of one variant, and all that follows from them alone.

    Attributes:
        settings: The variant's settings.
        granularity: How much a sample writes.
        alone: Whether each call is a group of its own (nested runs).
        together: Most calls a request may serve; `None` is as many as the model samples at once.
        varied: Whether calls differ by their index, so that not all of them can share a request.
        shown: Whether the path is shown in the user turn rather than continued.
        read: Reads a reply.
        read_free: Reads a reply where answers are free text.
        strips: Whether white space around a step is no part of it.
    """

    __slots__ = (
        "alone",
        "ask",
        "granularity",
        "prompt",
        "read",
        "read_free",
        "settings",
        "shown",
        "stop",
        "strips",
        "together",
        "top_logprobs",
        "varied",
    )

    def __init__(self, settings: Generate, granularity: Granularity) -> None:
        self.settings = settings
        self.prompt = prompt = settings.prompt
        granularity = settings.granularity or granularity
        # what is no bare continuation has a beginning and an end of its own
        self.granularity: Granularity = "step" if granularity == "token" and prompt != "solve" else granularity
        tokens, delimiter = self.granularity == "token", settings.delimiter
        by_step = prompt == "solve" and self.granularity == "step"
        self.stop = (delimiter,) if by_step else _STOPS.get(prompt, ())
        self.strips = not tokens and not (by_step and delimiter.strip())
        self.read: Reader = read_tokens if tokens else READERS[prompt]
        self.read_free: Reader = free_text.reader_of(prompt, self.granularity, self.read)
        self.ask = "\n\n".join(filter(None, (settings.instruction, prompts.ASKS[_ASKED_AS.get(prompt, prompt)])))
        self.shown = prompt in _SHOWN
        self.alone = settings.nested is not None
        self.together = settings.propose if prompt == "propose" else None
        self.varied = bool(settings.ladder or settings.phrasings)
        # the least that tells of alternatives: one alone is the token that was written
        self.top_logprobs = max(2, settings.alternatives) if settings.alternatives else int(settings.priors)

    def turn(self, index: int) -> tuple[int, int]:
        """Which temperature and which phrasing the call of this index takes."""
        settings = self.settings
        return (
            index % len(settings.ladder) if settings.ladder else 0,
            index % len(settings.phrasings) if settings.phrasings else 0,
        )

    def hint(self, index: int) -> str:
        """The phrasing the call of this index takes."""
        phrasings = self.settings.phrasings
        return phrasings[index % len(phrasings)] if phrasings else ""

    def request(
        self,
        turns: tuple[Message, ...],
        prefill: str,
        able: Capabilities,
        *,
        n: int,
        index: int,
        seed: int,
        path: Path | None = None,
        known: tuple[str, ...] = (),
    ) -> Request:
        """The request for `n` calls, the first of which has this index."""
        settings = self.settings
        ladder = settings.ladder
        return Request(
            turns,
            max_tokens=settings.max_tokens,
            temperature=ladder[index % len(ladder)] if ladder else settings.temperature,
            top_p=settings.top_p,
            stop=self.stop,
            seed=seed,
            n=n,
            top_logprobs=self.top_logprobs if able.logprobs else 0,
            prefill=prefill,
            # beams know no chance: the next ones of the same node would be the same again
            diverse=settings.diverse and (able.distinct or (n > 1 and index == 0)),
            timeout=settings.timeout,
            path=path,
            known=known,
        )


def next_subquestion(path: Path, decomposition: str | None) -> tuple[str, bool]:
    """How the next sub-question's step begins, and whether it is the last one.

    Args:
        path: The steps so far.
        decomposition: The list of sub-questions, where there is one; else the model asks its own.
    """
    number = 1 + sum(step.text.lstrip().startswith(SUBQUESTION) for step in path.steps)
    asked = parse_subquestions(decomposition) if decomposition else []
    if number <= len(asked):
        return f"{SUBQUESTION} {number}: {asked[number - 1]}\n{REPLY}", number == len(asked)
    return f"{SUBQUESTION} {number}:", False


def same_subquestion(text: str) -> str:
    """How a step begins that replies to the same sub-question as `text` does; "" where it replies to none."""
    head, reply, _ = text.partition(f"\n{REPLY}")
    return head + reply if reply and head.lstrip().startswith(SUBQUESTION) else ""
