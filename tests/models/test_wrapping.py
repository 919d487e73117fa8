from __future__ import annotations

from typing import Any

import pytest

from reflectree.models.base import FREE, Message, PolicyModel, Reply, Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.wrapping import Wrapped

ASK = Request(messages=(Message("user", "What is 6 times 7?"),))


async def test_it_is_the_other_policy_in_all_that_is_not_overridden() -> None:
    inner = ScriptedPolicy("Answer: 42")
    policy = Wrapped(inner)
    assert isinstance(policy, PolicyModel)
    assert (policy.name, policy.capabilities, policy.price) == (inner.name, inner.capabilities, FREE)
    assert (repr(policy), policy.prompt_bound(ASK)) == (repr(inner), inner.prompt_bound(ASK))
    assert (await policy.complete(ASK)).choices[0].text == "Answer: 42"
    assert policy.requests == inner.requests
    assert len(inner.requests) == 1
    await policy.aclose()
    assert inner.closed
    with pytest.raises(AttributeError, match="nothing_such"):
        _: Any = policy.nothing_such


async def test_what_is_overridden_is_its_own() -> None:
    class Shouting(Wrapped):
        async def complete(self, request: Request) -> Reply:
            reply = await super().complete(request)
            return Reply(tuple(type(one)(one.text.upper()) for one in reply.choices), reply.usage)

    assert (await Shouting(ScriptedPolicy("ok")).complete(ASK)).choices[0].text == "OK"
