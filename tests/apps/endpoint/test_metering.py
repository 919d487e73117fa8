from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reflectree.apps.endpoint.metering import Metered
from reflectree.models.base import Message, PolicyModel, Price, Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import ModelError, ModelTimeout, TransientModelError
from reflectree.rlm_ops.usage import NO_USAGE, Usage

ASK = Request((Message("user", "one two three four"),), max_tokens=10)
PRICE = Price(1000.0, 2000.0)


class Held(ScriptedPolicy):
    """Answers once it is let go of."""

    def __init__(self, text: Any = "five six", **options: Any) -> None:
        super().__init__(text, price=PRICE, **options)
        self.open = asyncio.Event()

    async def complete(self, request: Request) -> Any:
        await self.open.wait()
        return await super().complete(request)


async def test_a_call_counts_as_the_most_it_can_cost_until_it_is_answered() -> None:
    model = Held()
    metered = Metered(model)
    assert metered.usage == NO_USAGE
    calls = [asyncio.create_task(metered.complete(ASK)) for _ in range(2)]
    await asyncio.sleep(0)
    most = Usage(1, 1, 4, 10, PRICE.of(4, 10))
    assert metered.usage == most + most
    model.open.set()
    replies = await asyncio.gather(*calls)
    assert metered.usage == replies[0].usage + replies[1].usage
    assert metered.usage.failed_calls == 0


async def test_a_call_that_is_cut_stays_on_the_bill() -> None:
    metered = Metered(Held())
    call = asyncio.create_task(metered.complete(ASK))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call])
    assert metered.usage == Usage(1, 1, 4, 10, PRICE.of(4, 10))


@pytest.mark.parametrize(
    ("error", "bill"),
    [
        (TransientModelError("busy"), Usage(1, 1, 0, 0, 0.0)),
        (ModelTimeout("slow"), Usage(1, 1, 4, 0, PRICE.of(4, 0))),
    ],
)
async def test_what_the_model_refused_costs_nothing_and_what_timed_out_its_prompt(
    error: ModelError, bill: Usage
) -> None:
    metered = Metered(ScriptedPolicy(lambda request, index: error, price=PRICE))
    with pytest.raises(type(error)):
        await metered.complete(ASK)
    assert metered.usage == bill


async def test_it_is_the_policy_but_for_its_end() -> None:
    model = Held(name="mine")
    metered = Metered(model)
    assert isinstance(metered, PolicyModel)
    assert (metered.name, metered.price, metered.capabilities) == ("mine", PRICE, model.capabilities)
    assert metered.prompt_bound(ASK) == 4
    assert metered.requests is model.requests
    await metered.aclose()
    assert not model.closed
