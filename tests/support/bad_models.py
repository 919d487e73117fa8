"""Models that behave badly, each in one way or in all by turns; what they say depends on the request alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.support.author import author
from tests.support.engine import Oracle, digest, require_isolation, search
from tests.support.toy_world import WIN, toy
from tests.support.virtual_time import run_virtually

from reflectree.agents.prompts import ACT
from reflectree.graphs.result import Result
from reflectree.models.base import Choice, Reply, Request
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import TransientModelError
from reflectree.rlm_ops.usage import Usage

Saying = Callable[[Request], Choice | Exception]

ACTING = frozenset({"react-env", "reflexion-env", "lats-env", "voyager-env"})
"""Blueprints that act in an environment."""
THREADED = frozenset({"react", "rstar-math"}) | ACTING
"""Blueprints that wait for threads and programs, for which virtual time does not wait: they run in real time."""

_GOOD = author()
_THINGS = ("rows", "columns", "a grid", "counting", "doubling", "halves", "tables", "squares", "thirds", "dozens")
_JUNK = (
    "",
    "{",
    "[]",
    "null",
    '{"score": 99, "best": 99}',
    '{"score": "NaN", "winner": null}',
    '{"score": [1], "x": {}}',
)


def good(request: Request) -> Choice:
    """A useful reply to any kind of prompt."""
    if request.messages[0].content == ACT:
        number = digest(request.seed, request.prefill)
        command = (*WIN, "jump")[(number // 7 + request.prefill.count("Action:")) % 5]
        return cut_at_stops(Choice(f"Thought: case {number % 9973}.\nAction: {command}"), request)
    choice = _GOOD._reply(replace(request, n=1), 0).choices[0]
    return cut_at_stops(choice, request)


def prose(request: Request) -> Choice:
    """Talk without an answer in the form that was asked for."""
    number = digest(request.seed, request.prefill, request.messages[-1].content)
    one, other = _THINGS[number % 10], _THINGS[number // 10 % 10]
    return Choice(f"Hard to say in case {number % 9973}: one may think of {one}, another of {other}.")


def loop(request: Request) -> Choice:
    """The same words again and again, to the end of its tokens or not."""
    finish = "length" if digest(request.seed, request.prefill) % 2 else "stop"
    return Choice("the " * 300, finish)  # type: ignore[arg-type]


def parrot(request: Request) -> Choice:
    """The same sentence at every call."""
    return Choice("Let us first work out the product of six and seven.")


def chinese(request: Request) -> Choice:
    """Another language than the task's."""
    return Choice("首先我们需要仔细计算这个乘积。然后检查每一步是否正确。最后再把所有的结果加起来得到总和。")


def empty(request: Request) -> Choice:
    """Nothing, or only white space."""
    return Choice(("", " ", "\n\n", "\t \n")[digest(request.seed, request.prefill) % 4])


def cut(request: Request) -> Choice:
    """Never done when its tokens are used up."""
    number = digest(request.seed, request.prefill, request.messages[-1].content)
    return Choice(f"First of all, in case {number % 9973}, one multiplies six by se", "length")


def junk(request: Request) -> Choice:
    """Broken JSON wherever JSON is asked for."""
    if request.json_schema is None:
        return good(request)
    return Choice(_JUNK[digest(request.seed, request.messages[-1].content) % len(_JUNK)])


def faulty(request: Request) -> Exception:
    """An overloaded endpoint."""
    return TransientModelError("503 overloaded")


BAD: Mapping[str, Saying] = {
    "prose": prose,
    "loop": loop,
    "parrot": parrot,
    "chinese": chinese,
    "empty": empty,
    "cut": cut,
    "junk": junk,
}
_MIXED: tuple[Saying, ...] = (*BAD.values(), faulty)


def mixture(seed: int, share: float = 0.3) -> Saying:
    """Good replies, a share of which is replaced by something bad; what is said depends on the request and the seed."""

    def say(request: Request) -> Choice | Exception:
        number = digest(seed, request.seed, request.prefill, request.messages[-1].content, request.temperature)
        return _MIXED[number // 100 % len(_MIXED)](request) if number % 100 < share * 100 else good(request)

    return say


def cut_at_stops(choice: Choice, request: Request) -> Choice:
    """The choice as a server gives it, which ends it where a stop string begins."""
    ends = [at for stop in request.stop if (at := choice.text.find(stop)) >= 0]
    if not ends:
        return choice
    text = choice.text[: min(ends)]
    words = len(text.split())
    return replace(
        choice,
        text=text,
        finish="stop",
        token_logprobs=choice.token_logprobs and choice.token_logprobs[:words],
        alternatives=choice.alternatives and choice.alternatives[:words],
    )


class Speaker(Oracle):
    """A policy that says the same in any order of arrival, and counts requests as a provider does.

    Args:
        saying: What it says to one sample; the sample's number is mixed into the seed it sees.
        **options: Those of `Oracle`.
    """

    def __init__(self, saying: Saying = good, **options: Any) -> None:
        super().__init__(**options)
        self.made = 0
        self._saying = saying

    async def complete(self, request: Request) -> Reply:
        self.made += self._requests(request)
        return await super().complete(request)

    def _requests(self, request: Request) -> int:
        return -(-request.n // self.capabilities.max_n)

    def _reply(self, request: Request, number: int) -> Reply:
        choices = []
        for sample in range(request.n):
            said = self._saying(replace(request, seed=(request.seed or 0) + sample))
            if isinstance(said, Exception):
                raise said
            choices.append(cut_at_stops(said, request))
        requests = self._requests(request)
        prompt = self.prompt_bound(request) * requests
        written = sum(min(len(choice.text) // 4 + 1, request.max_tokens) for choice in choices)
        return Reply(tuple(choices), Usage(requests, 0, prompt, written, 0.0))


async def reason(name: Any, policy: Oracle, **options: Any) -> Result:
    """A small run of a blueprint with all it may ask for; its evaluator is its own."""
    if name == "rstar-math":
        require_isolation()
    given: dict[str, Any] = {
        "blueprint": name,
        "evaluator": None,
        "tools": ["calculator"],
        "models": {"critic": policy},
        "budget": Budget(calls=24),
        "environment": toy if isinstance(name, str) and name in ACTING else None,
        **options,
    }
    return await search(policy, **given)


def reasoned(name: str, policy: Oracle, **options: Any) -> Result:
    """`reason` in virtual time, but for blueprints that wait for threads and programs."""
    if name not in THREADED:
        return run_virtually(reason(options.pop("blueprint", name), policy, **options))

    async def in_time() -> Result:
        return await asyncio.wait_for(reason(name, policy, **options), 30)

    return asyncio.run(in_time())
