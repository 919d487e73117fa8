"""One request of the generator and what becomes of its replies: the check of each sample, the second try, the events.

It reads what models wrote and calls none; what a reply must look like is in `reflectree.agents.replies`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from reflectree.agents import free_text
from reflectree.agents.replies import (
    CUT,
    Draft,
    Reading,
    awaits_end,
    last_lines,
    led,
    split_thought,
    written_program,
)
from reflectree.agents.sampling import Plan
from reflectree.models.base import Choice, Request
from reflectree.models.calling import Outcome
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.commands import command_span, listed_commands
from reflectree.rlm_ops.events import Event, Failed, Grown
from reflectree.rlm_ops.formulas import mean_confidence, token_confidence
from reflectree.rlm_ops.misbehaviour import problem_with
from reflectree.rlm_ops.parsing import parse_action
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.usage import NO_USAGE, Usage

LEAST_PRIOR = 1e-12
"""No step is impossible once it was sampled."""
Wanted = Callable[[str], str | None]
"""Says what is wrong with the form of an answer, or `None`."""
_SENTENCE = 3
"""Words from which on saying the last step again is no move that is made twice."""
_TAIL = 1000
"""Characters of a path of tokens in which a loop is looked for."""


class Attempt:
    """One request for some calls of a node.

    Args:
        plan: What is asked for.
        path: The path it goes on from.
        before: The assistant's turn as far as it is written.
        lead: What the step begins with that is begun for the model.
        last: Whether it replies to the last of the task's sub-questions.
        after: The node after whose path the step is read, where it is not the parent.
    """

    __slots__ = ("_readings", "after", "before", "last", "lead", "path", "plan", "wanted")

    def __init__(
        self, plan: Plan, path: Path, before: str = "", lead: str = "", *, last: bool = False, after: int = -1
    ) -> None:
        self.plan, self.path, self.before, self.lead = plan, path, before, lead
        self.last, self.after = last, after
        self.wanted: Wanted | None = None
        self._readings: dict[int, tuple[Reading, str]] = {}

    @property
    def prefill(self) -> str:
        """The assistant's turn as it is begun for the model."""
        return self.before + self.lead

    def samples(self, calls: int) -> int:
        """How many samples so many calls need."""
        return calls

    def check(self, choice: Choice) -> str | None:
        """What is wrong with a sample, or `None`; what was read from it is kept for its event."""
        thought, text = split_thought(choice.text)
        program = self.path.task.form == "code"  # whose indentation is part of it
        strips = self.plan.strips and not program
        draft = Draft(text, self.lead, choice.finish == "length", self.before, self.last, strips, self._commands())
        tokens = self.plan.granularity == "token"
        if not text.strip() and not (tokens and awaits_end(draft)):
            return "the reply is empty" + (": hidden reasoning used up max_tokens" if draft.cut else "")
        if choice.finish == "filter":
            return "the reply was refused by the provider's filter"
        reading = (self.plan.read_free if self.path.task.form == "text" else self.plan.read)(draft)
        if isinstance(reading, str):
            return f"{CUT} at max_tokens={self.plan.settings.max_tokens}" if reading is CUT else reading
        if program and reading.answer is None and self.plan.prompt in ("solve", "answer"):
            reading = reading._replace(answer=written_program(self.before + reading.text))
        problem = self.misbehaves(reading) or self.unwanted(reading)
        if problem is None:
            self._readings[id(choice)] = reading, choice.reasoning or thought
        return problem

    def unwanted(self, reading: Reading) -> str | None:
        """What is wrong with the form of an answer that is whole, where the caller wants a certain one."""
        if self.wanted is None or reading.answer is None or reading.begun:
            return None
        return self.wanted(reading.answer)

    def _commands(self) -> tuple[str, ...]:
        """The commands that an environment listed last."""
        return listed_commands(self.before or self.path.task.context) if self.plan.prompt == "command" else ()

    def misbehaves(self, reading: Reading) -> str | None:
        """What is wrong with the text of a step, in one line: a loop, another language, the last step again."""
        question, text, steps = self.path.task.question, reading.text, self.path.steps
        if self.path.task.form == "text":
            question = ""  # a reply may be wanted in another language than the task's
        if self.plan.granularity == "token":
            return problem_with((self.before + text)[-_TAIL:], question=question)
        says_again = self.plan.prompt != "answer" and steps and text.count(" ") >= _SENTENCE - 1
        earlier = (steps[-1].text,) if says_again else ()
        return problem_with(text, question=question, earlier=earlier)

    def rephrase(self, request: Request, choice: Choice) -> Request:
        """The second try."""
        if request.diverse:  # the same beams would be found again
            request = replace(request, diverse=False)
        plan, text = self.plan, split_thought(choice.text)[1]
        if plan.prompt == "act" and text.strip() and choice.finish != "length" and parse_action(text) is None:
            # only the action is asked for, and the thought is kept (ReAct)
            self.lead = f"{text.strip()}\nAction:"
            return replace(request, prefill=self.prefill)
        if plan.prompt == "command" and self.lead and command_span(led(self.lead, text)) is None:
            # the thought is not kept: a small model that reads "I will go" there says that again as its command
            self.lead = "Action:"
            return replace(request, prefill=self.prefill)
        if plan.granularity == "step" and plan.prompt == "solve" and choice.finish == "stop" and not text.strip():
            # the model began with what ends a step, such as a blank line: begin after it
            delimiter = plan.settings.delimiter
            self.lead = "" if plan.strips else delimiter
            return replace(request, prefill=self.before + delimiter)
        return request

    def begun(self, choice: Choice) -> str | None:
        """The assistant's turn up to where a sample's answer was cut by what ends a step; `None` where it is whole."""
        reading, _ = self._readings.get(id(choice), (None, ""))
        return self.before + reading.text if reading is not None and reading.begun else None

    def completed(self, choice: Choice, rest: str) -> str | None:
        """Take in the rest of a sample's answer; what is wrong with the whole, or `None`."""
        reading, thought = self._readings[id(choice)]
        text = reading.text + split_thought(rest)[1].rstrip()
        answer = free_text.stated(last_lines(self.before) + text)
        if answer is None:
            return "the answer is empty"
        whole = Reading(text, answer)
        self._readings[id(choice)] = whole, thought
        return self.misbehaves(whole) or self.unwanted(whole)

    def events(self, calls: Sequence[Call], outcome: Outcome) -> list[Event]:
        """One event a call; the bill stands on the first."""
        return [
            self._event(call, sample, outcome.usage if position == 0 else NO_USAGE)
            for position, (call, sample) in enumerate(zip(calls, outcome.samples, strict=True))
        ]

    def _event(self, call: Call, sample: Choice | str, usage: Usage) -> Event:
        if isinstance(sample, str):
            return failed(call, sample, usage)
        reading, thought = self._readings[id(sample)]
        settings = self.plan.settings
        return self.grown(
            call,
            reading,
            usage,
            prior=prior_of(sample.token_logprobs, whole=settings.whole_priors) if settings.priors else None,
            confidence=confidence_of(sample) if settings.alternatives else None,
            thought=thought if settings.thought else "",
        )

    def grown(
        self,
        call: Call,
        reading: Reading,
        usage: Usage,
        *,
        prior: float | None = None,
        confidence: float | None = None,
        thought: str = "",
    ) -> Grown:
        """The event of a step."""
        return Grown(
            nodes=call.nodes,
            index=call.index,
            text=reading.text,
            granularity=self.plan.granularity,
            status="open" if reading.answer is None else "terminal",
            answer=reading.answer,
            after=self.after,
            prior=prior,
            confidence=confidence,
            how=call.how,
            note=thought,
            usage=usage,
        )


def failed(call: Call, reason: str, usage: Usage) -> Failed:
    """The event of a call that came to nothing."""
    return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=reason, usage=usage)


def prior_of(token_logprobs: tuple[float, ...] | None, *, whole: bool = False) -> float | None:
    """Probability in (0, 1]: exp of the mean token log-probability (OpenR), or of their sum: the `whole` step's."""
    if not token_logprobs:
        return None
    mean = sum(token_logprobs) / (1 if whole else len(token_logprobs))
    # providers send -9999 or -inf for "unlikely": siblings are normalised by their sum, which must not be 0
    return None if math.isnan(mean) else max(math.exp(min(mean, 0.0)), LEAST_PRIOR)


def confidence_of(choice: Choice) -> float | None:
    """Mean confidence of a sample's tokens, in [0, 1] (Marco-o1); `None` where the model tells no alternatives."""
    written, best = choice.token_logprobs, choice.alternatives
    if not written or best is None or len(best) != len(written):
        return None
    if any(map(math.isnan, itertools.chain(written, *best))):  # JSON has no such number, and some providers send it
        return None
    return mean_confidence([token_confidence(*pair) for pair in zip(written, best, strict=True)])
