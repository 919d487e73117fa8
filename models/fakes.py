"""A policy without a model: it says what a script says, and remembers what it was asked.

First-class and deterministic, so that tests patch nothing. It goes through the same fall-backs as real clients, so a
test can also say what the pretended model cannot do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reflectree.models import fallback
from reflectree.models.base import FREE, Capabilities, Choice, Price, Reply, Request
from reflectree.rlm_ops.errors import BadInput, ModelTimeout
from reflectree.rlm_ops.usage import Usage

Scripted = str | Choice | Exception
Script = Callable[[Request, int], Scripted]

ABLE = Capabilities(max_n=1024, logprobs=True, prefill=True, json_schema=True)
"""A model that can do everything."""


@dataclass(frozen=True, slots=True)
class _Sequence:
    """A script that is a list: one entry a sample, in order, and an error after the last."""

    replies: Sequence[Scripted]

    def __call__(self, request: Request, index: int) -> Scripted:
        if index >= len(self.replies):
            raise BadInput(f"the script has {len(self.replies)} replies, and this is sample {index + 1}: add one")
        return self.replies[index]


class ScriptedPolicy:
    """Says what a script says.

    The script is a text (said for ever), a list (one entry a sample, in order) or a callable that gets the request and
    the sample's number from 0. An entry is a text, a `Choice` (for finish reasons, log-probabilities, hidden thought)
    or an exception, which is raised. Tokens are counted in words.

    >>> import asyncio
    >>> from reflectree.models.base import Message, Request
    >>> policy = ScriptedPolicy(["6 * 4 = 24", "8 * 3 = 24"])
    >>> asyncio.run(policy.complete(Request((Message("user", "Make 24."),)))).choices[0].text
    '6 * 4 = 24'
    >>> len(policy.requests)
    1

    Attributes:
        requests: The requests sent, as a provider would see them.
        samples: How many samples were drawn.
        max_in_flight: Most requests that were under way at once.
        closed: Whether `aclose` was called.
    """

    def __init__(
        self,
        replies: str | Sequence[Scripted] | Script,
        *,
        latency: float | Callable[[int], float] = 0.0,
        capabilities: Capabilities = ABLE,
        price: Price | None = FREE,
        name: str = "scripted",
    ) -> None:
        """Take the script.

        Args:
            replies: What to say.
            latency: Seconds a request takes; a callable gets the request's number from 0.
            capabilities: What the pretended model can do.
            price: Its price.
            name: Its name.
        """
        self.name = name
        self.capabilities = capabilities
        self.price = price
        self.requests: list[Request] = []
        self.samples = 0
        self.max_in_flight = 0
        self.closed = False
        self._latency = latency
        self._in_flight = 0
        self._script: Script
        if isinstance(replies, str):
            text = replies
            self._script = lambda request, index: text
        else:
            self._script = replies if callable(replies) else _Sequence(replies)

    async def complete(self, request: Request) -> Reply:
        """Make one attempt; see `PolicyModel.complete`."""
        if self.closed:
            raise BadInput(f"the policy {self.name!r} was closed: build a new one")
        return await fallback.complete(self._attempt, request, self.capabilities)

    def prompt_bound(self, request: Request) -> int:
        """The words of the prompt, and no more than enough for those the fall-backs add."""
        words = sum(map(_words, (message.content for message in request.messages))) + _words(request.prefill)
        return words + (64 + _words(str(request.json_schema)) if request.prefill or request.json_schema else 0)

    async def aclose(self) -> None:
        """Refuse further calls."""
        self.closed = True

    async def _attempt(self, request: Request) -> Reply:
        number, first = len(self.requests), self.samples
        self.requests.append(request)
        self.samples += request.n
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            await self._wait(number, request)
        finally:
            self._in_flight -= 1
        choices = tuple(self._choice(request, index) for index in range(first, first + request.n))
        prompt = sum(_words(message.content) for message in request.messages) + _words(request.prefill)
        written = sum(_words(choice.text) + _words(choice.reasoning) for choice in choices)
        usd = None if self.price is None else self.price.of(prompt, written)
        return Reply(choices, Usage(1, 0, prompt, written, usd))

    async def _wait(self, number: int, request: Request) -> None:
        seconds = self._latency(number) if callable(self._latency) else self._latency
        await asyncio.sleep(min(seconds, request.timeout))
        if seconds > request.timeout:
            raise ModelTimeout(f"{self.name} gave no answer within {request.timeout:g} s")

    def _choice(self, request: Request, index: int) -> Choice:
        said = self._script(request, index)
        if isinstance(said, Exception):
            raise said
        choice = said if isinstance(said, Choice) else Choice(said)
        return choice if request.top_logprobs else replace(choice, token_logprobs=None, alternatives=None)


def _words(text: str) -> int:
    return len(text.split())
