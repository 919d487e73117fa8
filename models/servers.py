"""What is known of the servers that speak the chat-completions dialect: addresses, keys, quirks and assumptions.

Data only. What it gets wrong for a given model, the client learns from the server's refusals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from reflectree.models.base import Capabilities

# Servers of unknown kind may ignore `n` and answer with one sample, so it is not relied on there.
_UNKNOWN = Capabilities(max_n=1, logprobs=True, json_schema=True)
_LOCAL = Capabilities(max_n=16, logprobs=True, prefill=True, json_schema=True)

Prefill = Literal["none", "flags", "plain"]
"""How a begun assistant turn is sent: not at all, with vLLM's two flags, or as a plain last assistant turn."""


@dataclass(frozen=True, slots=True)
class Server:
    """One kind of server.

    Attributes:
        kind: Its prefix in a model string, as in `vllm/NAME`.
        key_env: The environment variable that holds its key; empty where only a key that is passed will do.
        base_url: Where it is unless told otherwise.
        url_env: The environment variable that moves it.
        prefill: How a begun assistant turn is sent.
        max_tokens_field: What it calls the limit on written tokens.
        max_stop: Most stop strings it takes; the others are cut on our side.
        local: It runs the user's own weights: a token has no price.
        capabilities: What it is assumed to do.
    """

    kind: str
    key_env: str
    base_url: str = ""
    url_env: str = ""
    prefill: Prefill = "none"
    max_tokens_field: str = "max_tokens"
    max_stop: int = 16
    local: bool = False
    capabilities: Capabilities = _UNKNOWN


GENERIC = Server("http", key_env="")
"""A server nothing is known of. No variable holds its key: keys are not sent to whoever is named by an address."""

OPENAI_ELSEWHERE = Server("openai", key_env="OPENAI_API_KEY")
"""`openai/NAME` at an address that is not OpenAI's own: a server of unknown kind to which OpenAI's variables apply."""

SERVERS: dict[str, Server] = {
    server.kind: server
    for server in (
        Server(
            "openai",
            key_env="OPENAI_API_KEY",
            base_url="https://api.openai.com/v1",
            url_env="OPENAI_BASE_URL",
            max_tokens_field="max_completion_tokens",
            max_stop=4,
            capabilities=replace(_UNKNOWN, max_n=16),
        ),
        Server(
            "vllm",
            key_env="VLLM_API_KEY",
            base_url="http://localhost:8000/v1",
            url_env="VLLM_BASE_URL",
            prefill="flags",
            local=True,
            capabilities=_LOCAL,
        ),
        Server(
            "sglang",
            key_env="SGLANG_API_KEY",
            base_url="http://localhost:30000/v1",
            url_env="SGLANG_BASE_URL",
            prefill="flags",
            local=True,
            capabilities=_LOCAL,
        ),
        Server(
            "ollama",
            key_env="OLLAMA_API_KEY",
            base_url="http://localhost:11434/v1",
            url_env="OLLAMA_BASE_URL",
            prefill="plain",
            local=True,
            capabilities=replace(_LOCAL, max_n=1, logprobs=False),
        ),
        Server(
            "llamacpp",
            key_env="LLAMA_API_KEY",
            base_url="http://localhost:8080/v1",
            url_env="LLAMACPP_BASE_URL",
            prefill="plain",
            local=True,
            capabilities=replace(_LOCAL, max_n=1),
        ),
    )
}
"""Servers that have a prefix of their own, by prefix."""

_OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp", "library": "ollama"}
_OPENAI_REASONING = re.compile(r"(?:o\d(?:-|$)|gpt-5(?!.*chat))")
_THINKING = re.compile(r"deepseek-r1|deepseek-reasoner|qwq|qwen-?3|gpt-oss|magistral|thinking|reasoner|reasoning", re.I)


def assume(server: Server, model: str) -> Capabilities:
    """What `model` on `server` is assumed to do, judged by its name.

    OpenAI's reasoning models take no sampling parameters, no stop strings and give no log-probabilities; models whose
    names speak of thought may spend `max_tokens` on it.
    """
    name = model.rsplit("/", 1)[-1]
    if _OPENAI_REASONING.match(name):
        return replace(server.capabilities, hidden_reasoning=True, temperature=False, stop=False, logprobs=False)
    if _THINKING.search(name):
        return replace(server.capabilities, hidden_reasoning=True)
    return server.capabilities


def recognise(owner: str) -> Server | None:
    """The kind of server that signs its models with `owned_by: owner`."""
    return SERVERS.get(_OWNERS.get(owner, ""))
