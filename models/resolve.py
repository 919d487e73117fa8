"""From the name of a model to a policy: the one place where model strings are read.

Everything that can be wrong with a name, an address or a key is said here, before any call. It knows the forms of names
and nothing of what the models do.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from typing_extensions import TypeIs

from reflectree.models.base import FREE, Capabilities, PolicyModel, PolicyOptions, Price
from reflectree.models.prices import price_of
from reflectree.models.servers import GENERIC, OPENAI_ELSEWHERE, SERVERS, Server
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.extras import require

FORMS = ("embedded", "openai/MODEL", "http://HOST:PORT/v1#MODEL", *(f"{k}/MODEL" for k in SERVERS if k != "openai"),
         "litellm/PROVIDER/MODEL", "local/PATH", "countdown-policy")  # fmt: skip
"""The forms a model string can take."""

_POLICY = ("name", "capabilities", "price", "complete", "prompt_bound", "aclose")
_PLAIN = PolicyOptions()
_MAKERS = {"claude": "anthropic", "gemini": "gemini"}
"""Whose models these are, in litellm's words."""

_LOOPBACK = re.compile(r"https?://(?:localhost|127\.[\d.]+|\[::1\])(?:[:/]|$)")


def policy(
    model: str | PolicyModel | Any,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    price: Price | None = None,
    capabilities: Capabilities | None = None,
    extra: Mapping[str, Any] | None = None,
) -> PolicyModel:
    """Build the policy that `model` names; no connection is made.

    Args:
        model: A string (`embedded`, `openai/gpt-5-mini`, `http://localhost:8000/v1#MODEL`, `ollama/NAME`, `vllm/NAME`,
            `litellm/anthropic/...`, `local/FOLDER`, `countdown-policy`; with `base_url` any name), a LangChain chat
            model or Runnable, or a policy, which is returned as it is.
        base_url: Root of an OpenAI-compatible endpoint, `/v1` included.
        api_key: Its key; where absent, the provider's environment variable is read.
        headers: Extra HTTP headers.
        price: Overrides the known price.
        capabilities: Overrides what is assumed of the model.
        extra: Provider-specific fields added to each request body.

    Raises:
        BadInput: The name, the address or an option cannot work, or a key is missing.
    """
    options = PolicyOptions(base_url, api_key, dict(headers or {}), price, capabilities, dict(extra or {}))
    if isinstance(model, str):
        return _named(model.strip(), options)
    if _is_policy(model):
        return _unchanged(model, options)
    if hasattr(model, "ainvoke"):
        from reflectree.models.langchain import LangChainPolicy

        if options.base_url or options.api_key or options.headers or options.extra:
            raise BadInput("a LangChain model has its own address and key: set them where it is built")
        return LangChainPolicy(model, price=price, capabilities=capabilities)
    raise BadInput(f"{type(model).__name__} is no model: give a string ({', '.join(FORMS)}) or a LangChain chat model")


def _is_policy(model: Any) -> TypeIs[PolicyModel]:
    """What `isinstance` says of the protocol, which it takes apart anew each time."""
    return all(hasattr(model, name) for name in _POLICY)


async def check(model: PolicyModel) -> str:
    """One line that says whether the model can be reached and which models its endpoint has; costs nothing."""
    from reflectree.models.local import TransformersPolicy
    from reflectree.models.openai_compatible import OpenAICompatiblePolicy

    if isinstance(model, TransformersPolicy):
        return model.described()
    if not isinstance(model, OpenAICompatiblePolicy):
        return f"{model.name}: ready (it cannot be asked without a call)"
    try:
        names = await model.models()
    except ModelError as error:
        return f"{model.name}: {error}"
    if model.model and model.model not in names:
        near = difflib.get_close_matches(model.model, names, n=5, cutoff=0.0)
        return f"{model.name}: answers, but has no model {model.model!r}; it has: {', '.join(near) or 'none'}"
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{model.name}: answers; models: {shown or 'none'}"


def _named(name: str, options: PolicyOptions) -> PolicyModel:
    kind, _, rest = name.partition("/")
    if name == "embedded":
        return _embedded(options)
    if name == "countdown-policy":
        return _countdown(options)
    if kind == "local":
        return _local(_given(rest, name, "PATH"), options)
    if re.match(r"https?://", name):
        address, _, model = name.partition("#")
        if options.base_url:
            raise BadInput(f"two addresses, {address} and {options.base_url}: give one of them, and a model's name")
        return _client(model, address, GENERIC, options, name)
    if kind == "litellm":
        from reflectree.models.litellm_policy import LiteLLMPolicy

        return LiteLLMPolicy(_given(rest, name), **_keywords(options), base_url=options.base_url)
    if kind == "openai":
        return _openai(_given(rest, name), options, name)
    if kind in SERVERS:
        server = SERVERS[kind]
        address = options.base_url or os.environ.get(server.url_env) or server.base_url
        return _client(_given(rest, name), address, server, options, name)
    if options.base_url:
        return _client(name, options.base_url, GENERIC, options, None)
    raise BadInput(f"unknown model {name!r}: {_suggestion(name)}")


def _openai(model: str, options: PolicyOptions, name: str) -> PolicyModel:
    own = SERVERS["openai"]
    address = options.base_url or os.environ.get(own.url_env) or own.base_url
    if address.rstrip("/") != own.base_url:
        return _client(model, address, OPENAI_ELSEWHERE, options, name)
    if not (options.api_key or os.environ.get(own.key_env)):
        raise BadInput(f"{name} needs a key: set {own.key_env}, or pass api_key= (or base_url= for another server)")
    return _client(model, address, own, options, name, price_of(name))


def _client(
    model: str, address: str, server: Server, options: PolicyOptions, name: str | None, price: Price | None = None
) -> PolicyModel:
    from reflectree.models.openai_compatible import OpenAICompatiblePolicy

    # The user's own weights on the user's own machine cost nothing a token; models served through a cloud are not that.
    if server.local and _LOOPBACK.match(address) and not model.endswith("cloud"):
        price = FREE
    keywords = _keywords(options)
    keywords["price"] = options.price or price
    return OpenAICompatiblePolicy(model, base_url=address, server=server, name=name, **keywords)


def _embedded(options: PolicyOptions) -> PolicyModel:
    if options != _PLAIN:
        raise BadInput("the embedded model has no address, key or options: leave base_url and the others out")
    from reflectree.models.embedded import EmbeddedPolicy

    return EmbeddedPolicy()


def _countdown(options: PolicyOptions) -> PolicyModel:
    if options != _PLAIN:
        raise BadInput("countdown-policy has no address, key or options: leave base_url and the others out")
    load = require("reflectree.models.neural.countdown.load", "serving", "countdown-policy")
    model: PolicyModel = load.load_policy()
    return model


def _local(path: str, options: PolicyOptions) -> PolicyModel:
    """Weights in a folder; `local//absolute`, `local/~/home` and `local/relative` are all read as paths."""
    from reflectree.models.local import TransformersPolicy

    if options != _PLAIN:
        raise BadInput("a local model has no address, key or options: leave base_url and the others out")
    folder = FilePath(path).expanduser()
    if not folder.is_dir():
        near = difflib.get_close_matches(folder.name, _models_beside(folder), n=1, cutoff=0.0)
        raise BadInput(f"there is no folder {folder}" + (f": did you mean local/{folder.parent / near[0]}?" if near else
                       ": give one that save_pretrained wrote"))  # fmt: skip
    return TransformersPolicy(path)


def _models_beside(folder: FilePath) -> list[str]:
    """The names of the folders beside one that hold a model."""
    try:
        return sorted(found.parent.name for found in folder.parent.glob("*/config.json"))
    except OSError:
        return []


def _unchanged(model: PolicyModel, options: PolicyOptions) -> PolicyModel:
    if options != _PLAIN:
        raise BadInput("this is a policy already: set its options where it is built")
    return model


def _keywords(options: PolicyOptions) -> dict[str, Any]:
    return {
        "api_key": options.api_key,
        "headers": options.headers,
        "price": options.price,
        "capabilities": options.capabilities,
        "extra": options.extra,
    }


def _given(model: str, name: str, form: str = "MODEL") -> str:
    if not model.strip("/"):
        raise BadInput(f"{name!r} names no model: write {name.partition('/')[0]}/{form}")
    return model


def _suggestion(name: str) -> str:
    """The nearest form that would do."""
    kind, slash, rest = name.partition("/")
    alone = ["embedded", "countdown-policy"]
    near = difflib.get_close_matches(kind.lower(), [*alone, "litellm", "local", *SERVERS], n=1, cutoff=0.7)
    if near and (slash or near[0] in alone):
        return f"did you mean {near[0] + slash + rest!r}?"
    if slash:
        return f"write 'litellm/{name}', or 'openai/{name}' with a base_url"
    if re.match(r"gpt-|o\d\b|chatgpt", name):
        return f"write 'openai/{name}'"
    if (maker := re.match(r"claude|gemini", name)) is not None:
        return f"write 'litellm/{_MAKERS[maker[0]]}/{name}'"
    if re.match(r"[\w.-]+:\d+", name):
        return f"write 'http://{name}/v1#MODEL'"
    return f"write 'openai/{name}', 'ollama/{name}' or 'http://HOST:PORT/v1#{name}', or pass a base_url"
