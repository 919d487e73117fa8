"""Clients as they are published, unchanged, against the endpoint: Python, JavaScript, LangChain, litellm, curl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from reflectree.apps.endpoint.keys import Key, Keys, digest_of
from reflectree.apps.endpoint.offering import offer
from reflectree.apps.endpoint.run import serving
from reflectree.apps.endpoint.service import Service
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import ModelRejected

openai = pytest.importorskip("openai")

ASK: Any = [{"role": "user", "content": "What is the weather in Ulm?"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}


class Reading(BaseModel):
    """A weather reading."""

    town: str
    degrees: int


def says(request: Request, index: int) -> str:
    """Judges where asked to, calls the tool that is offered and has not answered, gives JSON, else words."""
    asked = "\n".join(message.content for message in request.messages)
    if '"score"' in asked:
        return '{"reason": "It may be so.", "score": 7}'
    if "A tool returned" in asked:
        return "The tool has told me.\nAnswer: It rains in Ulm."
    if '"tool"' in asked:
        return 'I shall look.\nAnswer: {"tool": "weather", "arguments": {"town": "Ulm"}}'
    if "JSON" in asked:
        return 'From memory.\nAnswer: {"town": "Ulm", "degrees": 7}'
    return "From memory.\nAnswer: It rains in Ulm."


@dataclass
class Server:
    """The endpoint, as `reflectree serve` runs it."""

    url: str
    service: Service
    policies: dict[str, ScriptedPolicy]

    def is_idle(self) -> bool:
        """Whether nothing is under way, soon."""
        until = time.monotonic() + 5.0
        while (self.service.in_flight or self.service.gate.under_way) and time.monotonic() < until:
            time.sleep(0.01)
        return self.service.in_flight == self.service.gate.under_way == 0


@pytest.fixture
def client() -> Iterator[Server]:
    """The endpoint over a policy that does as asked, one that fails, one that is slow; the key is `sk-test`."""
    policies = {
        "scripted": ScriptedPolicy(says, name="scripted"),
        "broken": ScriptedPolicy(lambda request, index: ModelRejected("the key is wrong", 401), name="broken"),
        "slow": ScriptedPolicy(says, latency=60, name="slow"),
    }
    keys = Keys([Key(name="tester", digest=digest_of("sk-test"))])
    service = Service(offer(list(policies.values()), ["cot", "best-of-n", "mcts"]), keys=keys)
    with serving(service) as url:
        yield Server(url, service, policies)


@pytest.fixture
def sdk(client: Server) -> Any:
    """OpenAI's own client."""
    with openai.OpenAI(base_url=f"{client.url}/v1", api_key="sk-test", max_retries=0) as made:
        yield made


class TestOpenAI:
    def test_a_reply(self, sdk: Any) -> None:
        told = sdk.chat.completions.create(model="cot", messages=ASK, temperature=0.2, max_tokens=200, seed=3, user="x")
        assert told.choices[0].message.content == "It rains in Ulm."
        assert told.choices[0].finish_reason == "stop"
        assert told.model == "cot/scripted"
        assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens
        assert told.usage.completion_tokens_details.reasoning_tokens >= 0
        assert told.id == f"chatcmpl-{told.reflectree['run_id']}"

    def test_the_raw_response_and_its_headers(self, sdk: Any) -> None:
        headers = {"X-Reflectree-Max-Calls": "5", "X-Reflectree-Run": "mine"}
        raw = sdk.chat.completions.with_raw_response.create(model="cot", messages=ASK, extra_headers=headers)
        assert raw.headers["x-reflectree-run"] == "mine"
        assert raw.headers["x-reflectree-calls"] == "1"
        assert raw.parse().choices[0].message.content == "It rains in Ulm."

    def test_a_stream(self, sdk: Any) -> None:
        chunks = list(
            sdk.chat.completions.create(model="cot", messages=ASK, stream=True, stream_options={"include_usage": True})
        )
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        assert "".join(delta.content or "" for delta in deltas) == "It rains in Ulm."
        assert "begins: cot" in "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
        assert chunks[-1].choices == []
        assert chunks[-1].usage.total_tokens > 0

    def test_the_stream_helper(self, sdk: Any) -> None:
        with sdk.chat.completions.stream(model="cot", messages=ASK, tools=[WEATHER]) as stream:
            kinds = {event.type for event in stream}
            whole = stream.get_final_completion()
        assert "tool_calls.function.arguments.done" in kinds
        assert whole.choices[0].message.tool_calls[0].function.name == "weather"

    def test_a_tool_is_called_and_answers(self, sdk: Any) -> None:
        told = sdk.chat.completions.create(model="cot", messages=ASK, tools=[WEATHER], tool_choice="auto")
        message = told.choices[0].message
        assert told.choices[0].finish_reason == "tool_calls"
        (call,) = message.tool_calls
        assert json.loads(call.function.arguments) == {"town": "Ulm"}
        answer = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
        again = sdk.chat.completions.create(model="cot", messages=[*ASK, message, answer], tools=[WEATHER])
        assert again.choices[0].message.content == "It rains in Ulm."

    def test_a_structured_reply(self, sdk: Any) -> None:
        told = sdk.chat.completions.parse(model="cot", messages=ASK, response_format=Reading)
        assert told.choices[0].message.parsed == Reading(town="Ulm", degrees=7)

    def test_models(self, sdk: Any) -> None:
        assert "mcts/scripted" in {model.id for model in sdk.models.list()}
        assert sdk.models.retrieve("cot/scripted").owned_by == "reflectree"

    def test_errors_have_their_types(self, client: Server, sdk: Any) -> None:
        with pytest.raises(openai.NotFoundError, match="did you mean 'cot'"):
            sdk.chat.completions.create(model="cott", messages=ASK)
        with pytest.raises(openai.UnprocessableEntityError, match="another seed"):
            sdk.chat.completions.create(model="cot", messages=ASK, n=2)
        with pytest.raises(openai.AuthenticationError):
            sdk.with_options(api_key="sk-wrong").models.list()
        with pytest.raises(openai.InternalServerError, match="the key is wrong") as told:
            sdk.with_options(max_retries=2).chat.completions.create(model="cot/broken", messages=ASK)
        assert told.value.code == "model_failed"
        assert len(client.policies["broken"].requests) == 1, "what is final is not asked for again"

    def test_an_error_within_a_stream_is_raised(self, sdk: Any) -> None:
        with pytest.raises(openai.APIError, match="the key is wrong"):
            list(sdk.chat.completions.create(model="cot/broken", messages=ASK, stream=True))

    def test_leaving_a_stream_ends_the_run(self, client: Server, sdk: Any) -> None:
        stream = sdk.chat.completions.create(model="cot/slow", messages=ASK, stream=True)
        next(iter(stream))
        assert client.service.gate.under_way == 1
        stream.close()
        assert client.is_idle()

    def test_a_time_out_ends_the_run(self, client: Server, sdk: Any) -> None:
        with pytest.raises(openai.APITimeoutError):
            sdk.with_options(timeout=0.5).chat.completions.create(model="cot/slow", messages=ASK)
        assert client.is_idle()
        assert len(client.policies["slow"].requests) == 1

    async def test_the_async_client(self, client: Server) -> None:
        async with openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key="sk-test", max_retries=0) as made:
            told = await made.chat.completions.create(model="best-of-n", messages=ASK)
            assert told.choices[0].message.content == "It rains in Ulm."
            stream = await made.chat.completions.create(model="cot", messages=ASK, stream=True)
            texts = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            assert "".join(texts) == "It rains in Ulm."


class TestChatOpenAI:
    @pytest.fixture
    def model(self, client: Server) -> Any:
        langchain_openai = pytest.importorskip("langchain_openai")
        return langchain_openai.ChatOpenAI(
            model="cot/scripted", base_url=f"{client.url}/v1", api_key="sk-test", max_retries=0, stream_usage=True
        )

    def test_invoke(self, model: Any) -> None:
        told = model.invoke("What is the weather in Ulm?")
        assert told.text == "It rains in Ulm."
        assert told.usage_metadata["total_tokens"] > 0
        assert told.response_metadata["model_name"] == "cot/scripted"

    def test_stream(self, model: Any) -> None:
        chunks = list(model.stream("What is the weather in Ulm?"))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        assert whole.text == "It rains in Ulm."
        assert whole.usage_metadata["total_tokens"] > 0

    def test_bind_tools(self, model: Any) -> None:
        told = model.bind_tools([WEATHER]).invoke("What is the weather in Ulm?")
        (call,) = told.tool_calls
        assert (call["name"], call["args"]) == ("weather", {"town": "Ulm"})

    @pytest.mark.parametrize("method", ["json_schema", "json_mode"])
    def test_with_structured_output(self, model: Any, method: str) -> None:
        told = model.with_structured_output(Reading, method=method).invoke("What is the weather in Ulm? Give JSON.")
        assert told == Reading(town="Ulm", degrees=7)

    async def test_async(self, model: Any) -> None:
        assert (await model.ainvoke("What is the weather in Ulm?")).text == "It rains in Ulm."
        texts = [chunk.text async for chunk in model.astream("What is the weather in Ulm?")]
        assert "".join(texts) == "It rains in Ulm."


LITELLM = """
import json, os, sys
import litellm
litellm.suppress_debug_info = True
ask = {"model": "openai/cot/scripted", "api_base": sys.argv[1], "api_key": "sk-test", "num_retries": 0,
       "messages": [{"role": "user", "content": "What is the weather in Ulm?"}]}
whole = litellm.completion(**ask)
called = litellm.completion(**ask, tools=[json.loads(sys.argv[2])])
chunks = list(litellm.completion(**ask, stream=True, stream_options={"include_usage": True}))
print(json.dumps({
    "content": whole.choices[0].message.content,
    "thought": whole.choices[0].message.reasoning_content,
    "tokens": whole.usage.total_tokens,
    "call": called.choices[0].message.tool_calls[0].function.name,
    "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
    "bill": next(chunk.usage.total_tokens for chunk in chunks if getattr(chunk, "usage", None)),
}))
"""


@pytest.mark.slow
def test_litellm(client: Server) -> None:
    pytest.importorskip("litellm")
    told = json.loads(
        _run(
            [sys.executable, "-c", LITELLM, f"{client.url}/v1", json.dumps(WEATHER)],
            LITELLM_LOCAL_MODEL_COST_MAP="True",
        )
        .strip()
        .splitlines()[-1]
    )
    assert told["content"] == told["streamed"] == "It rains in Ulm."
    assert told["call"] == "weather"
    assert "begins: cot" in told["thought"]
    assert min(told["tokens"], told["bill"]) > 0


def _curl(client: Server, *options: str, **fields: Any) -> str:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    body = json.dumps({"model": "cot", "messages": ASK, **fields})
    head = ["-H", "Authorization: Bearer sk-test", "-H", "Content-Type: application/json"]
    return _run(["curl", "-s", *options, *head, "-d", body, f"{client.url}/v1/chat/completions"])


def test_curl(client: Server) -> None:
    told = json.loads(_curl(client))
    assert told["choices"][0]["message"]["content"] == "It rains in Ulm."


def test_curl_streams(client: Server) -> None:
    *events, done, _ = _curl(client, "-N", stream=True).split("\n\n")
    assert done == "data: [DONE]"
    assert all(event.startswith("data: {") for event in events)


def test_curl_tells_an_error(client: Server) -> None:
    told = json.loads(_curl(client, model="nobody"))
    assert told["error"]["code"] == "model_not_found"


JAVASCRIPT = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "sk-test", maxRetries: 0 });
const ask = { model: "cot/scripted", messages: [{ role: "user", content: "What is the weather in Ulm?" }] };
const whole = await client.chat.completions.create(ask);
const called = await client.chat.completions.create({ ...ask, tools: [JSON.parse(process.argv[3])] });
let streamed = "", thought = "", bill = 0;
for await (const chunk of await client.chat.completions.create(
    { ...ask, stream: true, stream_options: { include_usage: true } })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  thought += chunk.choices[0]?.delta?.reasoning_content ?? "";
  bill = chunk.usage?.total_tokens ?? bill;
}
const helper = client.chat.completions.stream(ask);
const helped = await helper.finalContent();
let wrong = "";
try { await client.chat.completions.create({ ...ask, model: "nobody" }); } catch (error) { wrong = error.code; }
const models = [];
for await (const model of client.models.list()) models.push(model.id);
console.log(JSON.stringify({ content: whole.choices[0].message.content, tokens: whole.usage.total_tokens,
  call: called.choices[0].message.tool_calls[0].function.name, streamed, thought, bill, helped, wrong, models }));
"""


@pytest.mark.slow
@pytest.mark.enable_socket
def test_javascript(client: Server, tmp_path: Path) -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    (tmp_path / "ask.mjs").write_text(JAVASCRIPT)
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "openai@6"]
    installed = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False)
    if installed.returncode:
        pytest.skip(f"the JavaScript client cannot be installed: {installed.stderr.strip().splitlines()[-1:]}")
    told = json.loads(_run(["node", "ask.mjs", f"{client.url}/v1", json.dumps(WEATHER)], cwd=tmp_path))
    assert told["content"] == told["streamed"] == told["helped"] == "It rains in Ulm."
    assert "begins: cot" in told["thought"]
    assert (told["call"], told["wrong"]) == ("weather", "model_not_found")
    assert min(told["tokens"], told["bill"]) > 0
    assert "mcts/scripted" in told["models"]


def _run(command: list[str], cwd: Path | None = None, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(
        command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
