"""litellm strings as policies; slow, for importing litellm takes seconds."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from reflectree.models import litellm_policy
from reflectree.models.base import Message, PolicyModel, Request
from reflectree.models.loopback import LoopbackServer
from reflectree.models.resolve import policy
from reflectree.rlm_ops.errors import BadInput, MissingExtra, ModelRejected, ModelTimeout, TransientModelError

ASK = Request((Message("user", "Make 24."),), max_tokens=9, timeout=20.0)


def test_without_litellm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    litellm_policy.import_litellm.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "reflectree\[litellm\]"'):
        policy("litellm/anthropic/claude-sonnet-4-5")


def test_a_provider_must_be_named() -> None:
    with pytest.raises(BadInput, match="names no model: write litellm/MODEL"):
        policy("litellm/")


@pytest.fixture
async def build() -> AsyncIterator[Any]:
    pytest.importorskip("litellm")
    built: list[PolicyModel] = []

    def make(name: str, **options: Any) -> PolicyModel:
        built.append(policy(name, **options))
        return built[-1]

    yield make
    for one in built:
        await one.aclose()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestInstalled:
    """With litellm at hand."""

    async def test_price_and_capabilities_are_looked_up(self, build: Any) -> None:
        claude = build("litellm/anthropic/claude-sonnet-4-5")
        assert (claude.price.prompt, claude.price.completion) == (pytest.approx(3.0), pytest.approx(15.0))
        assert (claude.capabilities.max_n, claude.capabilities.seed, claude.capabilities.stop) == (1, False, True)
        assert build("litellm/openai/never-heard-of").price is None

    async def test_an_unknown_provider_is_bad_input(self, build: Any) -> None:
        with pytest.raises(BadInput, match="write litellm/PROVIDER/MODEL"):
            build("litellm/foo-bar")

    async def test_a_scripted_reply(self, build: Any) -> None:
        reply = await build("litellm/openai/gpt-4o-mini", extra={"mock_response": "8 * 3 = 24"}).complete(ASK)
        assert reply.choices[0].text == "8 * 3 = 24"
        assert reply.usage.calls == 1
        assert reply.usage.usd is not None

    async def test_over_http(self, build: Any) -> None:
        async with LoopbackServer(reply="8 * 3 END", models=("NAME",)) as server:
            model = build("litellm/openai/NAME", base_url=server.base_url, api_key="k")
            reply = await model.complete(replace(ASK, n=2, stop=(" END",), temperature=0.5, seed=4))
        assert [choice.text for choice in reply.choices] == ["8 * 3"] * 2
        assert (reply.usage.calls, reply.usage.prompt_tokens, reply.usage.usd) == (2, 4, None)
        assert server.bodies[0]["seed"] == 4

    async def test_faults_are_typed_and_not_retried(self, build: Any) -> None:
        secret = "sk-secret-0123456789"
        async with LoopbackServer(faults={"500": 1.0}) as server:
            with pytest.raises(TransientModelError):
                await build("litellm/openai/loopback", base_url=server.base_url, api_key="k").complete(ASK)
            assert server.counters.requests == 1
        async with LoopbackServer(api_key="right") as server:
            with pytest.raises(ModelRejected, match="ANTHROPIC_API_KEY") as caught:
                await build("litellm/openai/loopback", base_url=server.base_url, api_key=secret).complete(ASK)
            assert secret not in str(caught.value)
        async with LoopbackServer(faults={"hang": 1.0}) as server:
            model = build("litellm/openai/loopback", base_url=server.base_url, api_key="k")
            with pytest.raises(ModelTimeout):
                await model.complete(replace(ASK, timeout=0.5))
