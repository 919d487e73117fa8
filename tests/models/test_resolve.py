"""Model strings: what each form means, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from reflectree.models.base import FREE, Capabilities, PolicyModel, Price
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.langchain import LangChainPolicy
from reflectree.models.local import TransformersPolicy
from reflectree.models.loopback import LoopbackServer
from reflectree.models.openai_compatible import OpenAICompatiblePolicy
from reflectree.models.resolve import check, policy
from reflectree.models.resolve_values import value_model
from reflectree.rlm_ops.errors import BadInput

_PARTS = ("name", "capabilities", "price", "complete", "prompt_bound", "aclose")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("OPENAI", "VLLM", "SGLANG", "OLLAMA", "LLAMA", "LLAMACPP", "REFLECTREE"):
        monkeypatch.delenv(f"{kind}_API_KEY", raising=False)
        monkeypatch.delenv(f"{kind}_BASE_URL", raising=False)


def client(*args: Any, **options: Any) -> OpenAICompatiblePolicy:
    built = policy(*args, **options)
    assert isinstance(built, OpenAICompatiblePolicy)
    assert isinstance(built, PolicyModel)
    return built


def where(built: OpenAICompatiblePolicy) -> str:
    return built._transport.where


def test_openai_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    mini = client("openai/gpt-4o-mini")
    assert (where(mini), mini.model, mini.name) == ("https://api.openai.com/v1", "gpt-4o-mini", "openai/gpt-4o-mini")
    assert mini.price == Price(0.15, 0.60)
    assert mini.capabilities.temperature
    assert client("openai/gpt-4o-mini", price=FREE).price == FREE
    assert client("openai/never-heard-of").price is None


@pytest.mark.parametrize("name", ["gpt-5-mini", "o3", "o4-mini-2025-04-16", "o1"])
def test_reasoning_models_take_no_sampling_parameters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    able = client(f"openai/{name}").capabilities
    assert able.hidden_reasoning
    assert (able.temperature, able.stop, able.logprobs) == (False, False, False)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("gpt-5-chat-latest", False), ("gpt-4.1", False), ("qwen3-8b", True), ("org/DeepSeek-R1", True)],
)
def test_other_models_take_them(name: str, hidden: bool) -> None:
    able = client(f"openai/{name}", base_url="http://localhost:1/v1").capabilities
    assert able.temperature
    assert able.hidden_reasoning is hidden


def test_openai_elsewhere_has_another_price_and_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = client("openai/gpt-4o", base_url="http://localhost:9/v1")
    assert (where(moved), moved.price, moved.capabilities.max_n) == ("http://localhost:9/v1", None, 1)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:7/v1")
    assert where(client("openai/gpt-4o")) == "http://localhost:7/v1"


def test_an_address_with_and_without_a_model() -> None:
    assert client("http://localhost:8000/v1#org/model").model == "org/model"
    assert client("http://localhost:8000/v1").model == ""
    named = client("org/model", base_url="http://localhost:8000/v1/")
    assert (named.model, where(named)) == ("org/model", "http://localhost:8000/v1")


def test_openai_s_key_is_not_sent_to_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert "Authorization" not in client("http://localhost:8000/v1#m")._transport._headers
    assert "Authorization" not in client("ollama/m")._transport._headers
    assert client("openai/m", base_url="http://x/v1")._transport._headers["Authorization"] == "Bearer sk-test"


@pytest.mark.parametrize(
    ("name", "url", "prefill"),
    [
        ("ollama/qwen3:8b", "http://localhost:11434/v1", "plain"),
        ("vllm/org/m", "http://localhost:8000/v1", "flags"),
        ("sglang/m", "http://localhost:30000/v1", "flags"),
        ("llamacpp/m", "http://localhost:8080/v1", "plain"),
    ],
)
def test_local_servers_are_free_while_they_are_local(name: str, url: str, prefill: str) -> None:
    built = client(name)
    assert (where(built), built.server.prefill, built.price) == (url, prefill, FREE)
    assert built.capabilities.prefill
    assert client(name, base_url="http://gpu.example:1/v1").price is None


def test_a_local_server_s_cloud_models_are_not_free() -> None:
    assert client("ollama/gpt-oss:120b-cloud").price is None


def test_options_reach_the_client() -> None:
    able = Capabilities(max_n=3)
    built = client("http://localhost:1/v1#m", price=Price(1, 2), capabilities=able, extra={"top_k": 5}, api_key="k")
    assert (built.price, built.capabilities, built._extra) == (Price(1, 2), able, {"top_k": 5})


def test_models_are_taken_as_they_are() -> None:
    scripted = ScriptedPolicy("ok")
    assert policy(scripted) is scripted
    wrapped = policy(FakeListChatModel(responses=["a"]), price=FREE)
    assert isinstance(wrapped, LangChainPolicy)
    assert wrapped.price == FREE


@pytest.mark.parametrize("missing", [None, *_PARTS])
def test_a_policy_has_all_that_the_protocol_asks_for(missing: str | None) -> None:
    whole = ScriptedPolicy("ok")
    model = SimpleNamespace(**{part: getattr(whole, part) for part in _PARTS if part != missing})
    assert isinstance(model, PolicyModel) is (missing is None)
    if missing is None:
        assert policy(model) is model
    else:
        with pytest.raises(BadInput, match="SimpleNamespace is no model"):
            policy(model)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gpt-5-mini", "write 'openai/gpt-5-mini'"),
        ("claude-sonnet-4-5", "write 'litellm/anthropic/claude-sonnet-4-5'"),
        ("gemini-3-pro", "write 'litellm/gemini/gemini-3-pro'"),
        ("opnai/gpt-5", "did you mean 'openai/gpt-5'"),
        ("embeded", "did you mean 'embedded'"),
        ("anthropic/claude-sonnet-4-5", "write 'litellm/anthropic/claude-sonnet-4-5'"),
        ("localhost:8000", "write 'http://localhost:8000/v1#MODEL'"),
        ("llama3", "'ollama/llama3'"),
        ("", "unknown model ''"),
        ("openai/", "names no model: write openai/MODEL"),
        ("vllm/", "write vllm/MODEL"),
        ("openai/gpt-4o", "set OPENAI_API_KEY"),
        ("http://", "give base_url like"),
        ("locl/weights", "did you mean 'local/weights'"),
        ("local/", "names no model: write local/PATH"),
        ("countdown-polcy", "did you mean 'countdown-policy'"),
    ],
)
def test_mistakes_are_told_the_nearest_form(name: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        policy(name)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        ("embedded", {"base_url": "http://x/v1"}, "leave base_url"),
        ("local/weights", {"api_key": "k"}, "leave base_url"),
        ("countdown-policy", {"price": FREE}, "leave base_url"),
        ("http://x/v1#m", {"base_url": "http://y/v1"}, "two addresses"),
        (ScriptedPolicy("ok"), {"api_key": "k"}, "where it is built"),
        (FakeListChatModel(responses=["a"]), {"api_key": "k"}, "where it is built"),
        (42, {}, "int is no model"),
    ],
)
def test_options_that_make_no_sense_are_refused(model: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        policy(model, **options)


def saved(folder: Path) -> Path:
    """What a folder with a model looks like; its weights are read later."""
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 99}')
    (folder / "model.safetensors").write_bytes(bytes(2_500_000))
    return folder


async def test_weights_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "grown")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (f"local/{tmp_path}/grown", "local/grown", "local/~/grown"):
        built = policy(name)
        assert isinstance(built, TransformersPolicy)
        assert (built.name, built.folder.resolve()) == (name, tmp_path / "grown")
        told = await check(built)
        assert told.startswith(f"{name}: LlamaForCausalLM, 2.5 MB of weights, reads conversations, 99 tokens")
        await built.aclose()


def test_a_folder_that_is_not_there_is_told_its_nearest_neighbour(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="give one that save_pretrained wrote"):
        policy(f"local/{tmp_path}/growm")
    saved(tmp_path / "grown")
    saved(tmp_path / "other")
    with pytest.raises(BadInput, match=f"did you mean local/{tmp_path}/grown"):
        policy(f"local/{tmp_path}/growm")
    with pytest.raises(BadInput, match=r"no readable config\.json"):
        policy(f"local/{tmp_path}")


async def test_checking_asks_for_the_models_and_pays_nothing() -> None:
    async with LoopbackServer(models=("a", "b")) as server:
        good, bad = client(f"{server.base_url}#a"), client(f"{server.base_url}#c")
        assert "answers; models: a, b" in await check(good)
        assert "has no model 'c'; it has: " in await check(bad)
        await good.aclose()
        await bad.aclose()
        assert server.counters.requests == 0
    gone = client(f"{server.base_url}#a")
    assert "cannot be reached" in await check(gone)
    await gone.aclose()
    assert "ready" in await check(ScriptedPolicy("ok"))


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://user:secret@host:8000/v1#m", "http://host:8000/v1#m"),
        ("https://secret@host/v1", "https://host/v1"),
        ("http://host/v1#team@model", "http://host/v1#team@model"),
    ],
)
def test_a_login_in_an_address_is_not_in_the_name_which_traces_hold(address: str, name: str) -> None:
    assert policy(address).name == name
    assert value_model(address).name == name
