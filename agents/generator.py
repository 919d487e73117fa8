"""The generator: asks the policy for the next step of a path, or for a whole solution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from reflectree.agents import prompts
from reflectree.agents.base import AgentRun
from reflectree.models.base import Choice, Message, PolicyModel, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.answers import cut_at_answer, extract_answer
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Event, Failed, Grown
from reflectree.rlm_ops.step import Granularity, Path
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE, Usage

LEAST_PRIOR = 1e-12
"""No step is impossible once it was sampled."""


class Generator:
    """Carries out *generate*.

    Args:
        settings: The blueprint's settings.
        granularity: How much one sample writes.
        policy: The model; siblings are sampled in one request where it takes `n`.
    """

    name = "generator"
    op: Operator = "generate"
    local = False

    def __init__(self, settings: Generate, granularity: Granularity, policy: PolicyModel) -> None:
        self.settings = settings
        self.granularity: Granularity = granularity
        self.policy = policy
        self._last: tuple[Task | None, tuple[Message, ...]] = (None, ())

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Siblings together, as many as one request may sample."""
        groups: list[list[Call]] = []
        last: dict[tuple[int, ...], list[Call]] = {}
        for call in calls:
            group = last.get(call.nodes)
            if group is None or len(group) >= self.policy.capabilities.max_n:
                group = last[call.nodes] = []
                groups.append(group)
            group.append(call)
        return groups

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One sample a call, all of the same node."""
        first = calls[0]
        request = self.request(run.structure.path(first.nodes[0]), len(calls), first.seed(run.seed))
        try:
            outcome = await run.caller("policy").call(request, self.problem, self.rephrase)
        except ModelUnreachable:  # only where the endpoint has never answered: every other call would fare the same
            raise
        except TransientModelError as error:
            bill = spent_by(error)
            return [
                Failed(of=call.op, nodes=call.nodes, index=call.index, reason=str(error), usage=_share(bill, position))
                for position, call in enumerate(calls)
            ]
        return [
            self.event(call, sample, _share(outcome.usage, position))
            for position, (call, sample) in enumerate(zip(calls, outcome.samples, strict=True))
        ]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local: a model is always waited for."""
        raise TypeError("the generator is not local")

    def request(self, path: Path, n: int, seed: int) -> Request:
        """What the policy is asked."""
        settings = self.settings
        return Request(
            self._turns(path),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            top_p=settings.top_p,
            stop=(settings.delimiter,) if self.granularity == "step" else (),
            seed=seed,
            n=n,
            top_logprobs=1 if settings.priors and self.policy.capabilities.logprobs else 0,
            prefill=prompts.begun(path),
            timeout=settings.timeout,
        )

    def _turns(self, path: Path) -> tuple[Message, ...]:
        """The conversation, which is the same for all paths of a task: the last one made is kept."""
        task, turns = self._last
        if task is not path.task:
            turns = prompts.solving(path, self.granularity)
            self._last = (path.task, turns)
        return turns

    def problem(self, choice: Choice) -> str | None:
        """What is wrong with a sample, or `None`."""
        if not choice.text.strip():
            return "the reply is empty" + (": hidden reasoning used up max_tokens" if choice.finish == "length" else "")
        if choice.finish == "filter":
            return "the reply was refused by the provider's filter"
        if choice.finish == "length" and self.granularity != "token" and not _has_whole_answer(choice.text):
            return f"the reply was cut at max_tokens={self.settings.max_tokens}"
        return None

    def rephrase(self, request: Request, choice: Choice) -> Request:
        """The second try: where a model left a blank line and so ended its step at once, begin after that line."""
        if self.granularity == "step" and choice.finish == "stop" and not choice.text.strip():
            return replace(request, prefill=request.prefill + self.settings.delimiter)
        return request

    def event(self, call: Call, sample: Choice | str, usage: Usage) -> Event:
        """The event a sample makes."""
        if isinstance(sample, str):
            return Failed(of=call.op, nodes=call.nodes, index=call.index, reason=sample, usage=usage)
        text = cut_at_answer(sample.text).strip()
        answer = extract_answer(text)
        return Grown(
            nodes=call.nodes,
            index=call.index,
            text=text,
            granularity=self.granularity,
            status="open" if answer is None else "terminal",
            answer=answer,
            prior=_prior(sample.token_logprobs),
            usage=usage,
        )


def _share(usage: Usage, position: int) -> Usage:
    """The bill of a request stands on the first of its events."""
    return usage if position == 0 else NO_USAGE


def _prior(token_logprobs: tuple[float, ...] | None) -> float | None:
    """Length-normalised probability, in (0, 1]: exp of the mean token log-probability (OpenR)."""
    if not token_logprobs:
        return None
    mean = sum(token_logprobs) / len(token_logprobs)
    # providers send -9999 or -inf for "unlikely": siblings are normalised by their sum, which must not be 0
    return None if math.isnan(mean) else max(math.exp(min(mean, 0.0)), LEAST_PRIOR)


def _has_whole_answer(text: str) -> bool:
    """Whether the text gives an answer and goes on after it, so that the cut did not fall into the answer."""
    return cut_at_answer(text) != text and extract_answer(text) is not None
