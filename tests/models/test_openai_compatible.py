"""The client against a real server on 127.0.0.1: replies, every kind of fault, refusals, keys and event loops."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from reflectree.models.base import Capabilities, Choice, Message, PolicyModel, Price, Request
from reflectree.models.loopback import LoopbackServer
from reflectree.models.loopback_process import Remote
from reflectree.models.openai_compatible import OpenAICompatiblePolicy
from reflectree.models.servers import SERVERS
from reflectree.rlm_ops.errors import (
    BadInput,
    ModelError,
    ModelRejected,
    ModelTimeout,
    ModelUnreachable,
    TransientModelError,
)

ASK = Request((Message("system", "Think."), Message("user", "Use 3, 5, 7 and 8 to make 24.")), timeout=5.0)
KEY = "sk-proj-very-secret-0123456789"


def client(server: LoopbackServer, model: str = "loopback", **options: Any) -> OpenAICompatiblePolicy:
    return OpenAICompatiblePolicy(model, base_url=server.base_url, **options)


@pytest.fixture
async def raw() -> AsyncIterator[Any]:
    """Starts a server that answers chat requests with one given response."""
    runners: list[web.AppRunner] = []

    async def start(status: int, body: bytes, headers: dict[str, str] | None = None) -> str:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, body=body, headers=headers)

        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_a_reply_with_usage_and_price() -> None:
    async with LoopbackServer(reply="8 * 3 = 24") as server:
        policy = client(server, price=Price(1.0, 10.0))
        assert isinstance(policy, PolicyModel)
        reply = await policy.complete(ASK)
        await policy.aclose()
    assert reply.choices == (Choice("8 * 3 = 24", "stop"),)
    assert reply.usage.to_row() == [1, 0, 10, 5, pytest.approx(60e-6)]
    assert server.bodies[0]["messages"][0] == {"role": "system", "content": "Think."}


async def test_samples_log_probabilities_stop_and_thought() -> None:
    replies: list[str | Choice] = [Choice("a b END c", reasoning="hm"), "d e f g h"]
    async with LoopbackServer(reply=replies) as server:
        policy = client(server, capabilities=Capabilities(max_n=4, logprobs=True))
        reply = await policy.complete(replace(ASK, n=2, stop=(" END",), max_tokens=4, top_logprobs=1))
        await policy.aclose()
    first, second = reply.choices
    assert (first.text, first.finish, first.reasoning) == ("a b", "stop", "hm")
    assert (second.text, second.finish) == ("d e f g", "length")
    assert second.token_logprobs is not None
    assert len(second.token_logprobs) == 4
    assert server.counters.requests == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429", TransientModelError),
        ("500", TransientModelError),
        ("timeout", ModelTimeout),
        ("hang", ModelTimeout),
        ("truncated", TransientModelError),
        ("malformed", TransientModelError),
        ("reset", ModelUnreachable),
    ],
)
async def test_every_fault_is_one_typed_error(fault: str, kind: type[ModelError]) -> None:
    async with LoopbackServer(faults={fault: 1.0}, retry_after="7") as server:
        policy = client(server)
        with pytest.raises(ModelError) as caught:
            await policy.complete(replace(ASK, timeout=0.3))
        await policy.aclose()
    assert type(caught.value) is kind or (fault == "malformed" and isinstance(caught.value, kind))
    assert isinstance(caught.value, TransientModelError)
    assert caught.value.retry_after == (7.0 if fault == "429" else None)
    assert "\n" not in str(caught.value)
    assert server.counters.faults == {fault: 1}


async def test_an_empty_reply_is_a_reply() -> None:
    async with LoopbackServer(faults={"empty": 1.0}) as server:
        policy = client(server)
        reply = await policy.complete(ASK)
        await policy.aclose()
    assert reply.choices == (Choice("", "stop"),)


async def test_a_server_that_does_not_count_is_estimated_from_above() -> None:
    async with LoopbackServer(reply="8 * 3 = 24", usage=False) as server:
        policy = client(server, price=Price(1.0, 1.0))
        usage = (await policy.complete(ASK)).usage
        await policy.aclose()
    assert usage.prompt_tokens == policy.prompt_bound(ASK)
    assert 10 <= usage.completion_tokens <= ASK.max_tokens
    assert usage.usd == pytest.approx(usage.tokens / 1e6)


async def test_the_bound_learns_of_a_long_preamble(raw: Any) -> None:
    body = b'{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":5000,"completion_tokens":1}}'
    policy = OpenAICompatiblePolicy("m", base_url=await raw(200, body))
    assert policy.prompt_bound(ASK) < 5000
    await policy.complete(ASK)
    assert policy.prompt_bound(ASK) == 5000
    await policy.aclose()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "malformed"),
        (b"[]", "malformed"),
        (b"{}", "without choices"),
        (b'{"choices":[]}', "without choices"),
        (b'{"choices":[{"message":{"content":{}}}]}', "no text"),
        (b'{"choices":[{"finish_reason":"error","message":{"content":"a"}}]}', "broke off"),
        (b'{"error":{"message":"overloaded"}}', "overloaded"),
        (b'{"error":{"message":"overloaded","code":503}}', "503"),
    ],
)
async def test_a_good_status_with_a_bad_body_may_be_tried_again(raw: Any, body: bytes, said: str) -> None:
    policy = OpenAICompatiblePolicy("m", base_url=await raw(200, body))
    with pytest.raises(TransientModelError, match=said):
        await policy.complete(ASK)
    await policy.aclose()


async def test_an_error_inside_a_good_status_can_be_final(raw: Any) -> None:
    url = await raw(200, b'{"error":{"message":"No auth credentials found","code":401}}')
    policy = OpenAICompatiblePolicy("m", base_url=url)
    with pytest.raises(ModelRejected, match="refused the key"):
        await policy.complete(ASK)
    await policy.aclose()


async def test_a_redirect_is_not_followed_with_the_key(raw: Any) -> None:
    policy = OpenAICompatiblePolicy("m", base_url=await raw(307, b"", {"Location": "http://127.0.0.1:1/"}), api_key=KEY)
    with pytest.raises(ModelRejected, match="redirects elsewhere"):
        await policy.complete(ASK)
    await policy.aclose()


async def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        policy = OpenAICompatiblePolicy("m", base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with pytest.raises(ModelUnreachable, match="is the server running there"):
            await policy.complete(ASK)
        await policy.aclose()


async def test_a_wrong_key_names_the_variable_and_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with LoopbackServer(api_key="right") as server:
        policy = OpenAICompatiblePolicy(
            "loopback",
            base_url=server.base_url,
            api_key=KEY,
            headers={"X-Org": "org-secret-1"},
            server=SERVERS["openai"],
        )
        with pytest.raises(ModelRejected) as caught:
            await policy.complete(ASK)
        with pytest.raises(ModelRejected, match="OPENAI_API_KEY"):
            await policy.models()
        await policy.aclose()
    assert caught.value.status == 401
    assert "set OPENAI_API_KEY or pass api_key=" in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value)) + repr(policy) + str(policy) + caplog.text
    assert KEY not in shown
    assert "org-secret-1" not in shown
    assert caught.value.__context__ is None


async def test_the_key_is_sent() -> None:
    async with LoopbackServer(api_key=KEY) as server:
        policy = client(server, api_key=KEY)
        assert (await policy.complete(ASK)).choices[0].text == "ok"
        assert await policy.models() == ["loopback"]
        await policy.aclose()


async def test_an_address_with_a_password_is_shown_without() -> None:
    policy = OpenAICompatiblePolicy("m", base_url="http://me:hunter2@127.0.0.1:9/v1")
    with pytest.raises(ModelUnreachable) as caught:
        await policy.complete(ASK)
    await policy.aclose()
    assert "hunter2" not in str(caught.value) + repr(policy) + policy.name


async def test_an_unknown_model_is_answered_with_those_there_are() -> None:
    async with LoopbackServer(models=("qwen3-8b", "llama-3", "gemma")) as server:
        policy = client(server, "qwen3-9b")
        with pytest.raises(ModelRejected, match="has no model 'qwen3-9b'; it has: qwen3-8b") as caught:
            await policy.complete(ASK)
        await policy.aclose()
    assert caught.value.status == 404


async def test_a_wrong_path_suggests_v1(raw: Any) -> None:
    policy = OpenAICompatiblePolicy("m", base_url=(await raw(200, b"{}")).removesuffix("/v1"))
    with pytest.raises(ModelRejected, match="usually ends in /v1"):
        await policy.complete(ASK)
    await policy.aclose()


@pytest.mark.parametrize("base_url", ["localhost:8000/v1", "ftp://x/v1", "http://", ""])
def test_an_address_that_is_none_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(BadInput, match="give base_url like"):
        OpenAICompatiblePolicy("m", base_url=base_url)


@pytest.mark.parametrize(
    ("refused", "field"),
    [
        ("temperature", "temperature"),
        ("stop", "stop"),
        ("seed", "seed"),
        ("logprobs", "logprobs"),
        ("response_format", "json_schema"),
        ("system", "system"),
    ],
)
async def test_a_refused_parameter_is_left_out_from_then_on(refused: str, field: str) -> None:
    full = replace(ASK, stop=("END",), seed=1, top_logprobs=1, json_schema={"type": "string"})
    async with LoopbackServer(reply="a END b", refuse=[refused]) as server:
        policy = client(server)
        with pytest.raises(TransientModelError, match=f"does not take {field}") as caught:
            await policy.complete(full)
        assert caught.value.retry_after == 0.0
        assert (await policy.complete(full)).choices[0].text == "a "
        await policy.complete(full)
        await policy.aclose()
    assert getattr(policy.capabilities, field) is False
    assert server.counters.requests == 3
    if refused != "system":
        assert refused not in server.bodies[-1]


async def test_refused_samples_are_asked_for_one_by_one() -> None:
    async with LoopbackServer(reply=["a", "b", "c"], refuse=["n"]) as server:
        policy = client(server, capabilities=Capabilities(max_n=8))
        with pytest.raises(TransientModelError, match="does not take n"):
            await policy.complete(replace(ASK, n=3))
        reply = await policy.complete(replace(ASK, n=3))
        await policy.aclose()
    assert sorted(choice.text for choice in reply.choices) == ["a", "b", "c"]
    assert reply.usage.calls == 3
    assert policy.capabilities.max_n == 1


async def test_the_limit_on_tokens_goes_by_either_name() -> None:
    async with LoopbackServer(refuse=["max_tokens"]) as server:
        policy = client(server)
        with pytest.raises(TransientModelError, match="does not take max_tokens"):
            await policy.complete(ASK)
        await policy.complete(ASK)
        await policy.aclose()
    assert server.bodies[-1]["max_completion_tokens"] == ASK.max_tokens
    async with LoopbackServer(refuse=["max_tokens", "max_completion_tokens"]) as server:
        policy = client(server)
        with pytest.raises(TransientModelError):
            await policy.complete(ASK)
        with pytest.raises(ModelRejected, match="max_completion_tokens"):
            await policy.complete(ASK)
        await policy.aclose()


async def test_a_refusal_that_nothing_can_be_done_about_is_final() -> None:
    async with LoopbackServer(refuse=["model"]) as server:
        policy = client(server)
        with pytest.raises(ModelRejected, match="Unsupported parameter: 'model'"):
            await policy.complete(ASK)
        await policy.aclose()


async def test_a_server_that_ignores_n_is_not_asked_for_it_again(raw: Any) -> None:
    body = b'{"choices":[{"message":{"content":"a"}}]}'
    policy = OpenAICompatiblePolicy("m", base_url=await raw(200, body), capabilities=Capabilities(max_n=8))
    assert len((await policy.complete(replace(ASK, n=3))).choices) == 1
    assert len((await policy.complete(replace(ASK, n=3))).choices) == 3
    await policy.aclose()


async def test_without_a_name_the_only_model_is_taken() -> None:
    async with LoopbackServer(models=("the-one",)) as server:
        policy = client(server, "")
        assert (await policy.complete(ASK)).choices[0].text == "ok"
        assert policy.model == "the-one"
        await policy.aclose()
    async with LoopbackServer(models=("a", "b")) as server:
        policy = client(server, "")
        with pytest.raises(ModelRejected, match=r"name a model, as in .*#MODEL; the endpoint has: a, b"):
            await policy.complete(ASK)
        await policy.aclose()


async def test_64_at_once() -> None:
    async with LoopbackServer(reply=lambda body, index: str(body["seed"]), latency=0.05) as server:
        policy = client(server)
        replies = await asyncio.gather(*(policy.complete(replace(ASK, seed=seed)) for seed in range(64)))
        await policy.aclose()
    assert [reply.choices[0].text for reply in replies] == [str(seed) for seed in range(64)]
    assert server.counters.max_in_flight == 64


async def test_a_cancelled_call_frees_its_connection() -> None:
    async with LoopbackServer(faults={"timeout": 1.0}) as server:
        policy = client(server)
        task = asyncio.ensure_future(policy.complete(ASK))
        while not server.counters.faults:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await policy.aclose()


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    with LoopbackServer.in_process(reply="8 * 3 = 24") as server:
        yield server


def test_one_policy_serves_event_loops_one_after_another(remote: Remote) -> None:
    policy = OpenAICompatiblePolicy("loopback", base_url=remote.base_url)
    for _ in range(3):
        with asyncio.Runner() as runner:
            assert runner.run(policy.complete(ASK)).choices[0].text == "8 * 3 = 24"
    del policy
    gc.collect()  # a session or socket left open would warn here, and warnings are errors


def test_a_closed_policy_refuses(remote: Remote) -> None:
    async def close_and_ask() -> None:
        policy = OpenAICompatiblePolicy("loopback", base_url=remote.base_url)
        await policy.complete(ASK)
        await policy.aclose()
        with pytest.raises(BadInput, match="closed"):
            await policy.complete(ASK)

    with asyncio.Runner() as runner:
        runner.run(close_and_ask())
