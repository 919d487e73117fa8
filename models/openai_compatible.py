"""The client of every chat-completions endpoint: OpenAI, vLLM, SGLang, Ollama, llama.cpp and what imitates them.

One attempt a call, with as little processor time as HTTP allows. What goes wrong is raised as a typed error. A
parameter that the server refuses by name is remembered, and left out of every later request: the error then says that
the next attempt, at once, will fare better. It knows nothing of retries, budgets or searches.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reflectree.models import fallback, faults, wire
from reflectree.models.base import Capabilities, Choice, Price, Reply, Request
from reflectree.models.servers import GENERIC, Server, assume, recognise
from reflectree.models.transport import Answer, Transport, without_login
from reflectree.rlm_ops.errors import ModelError, ModelRejected, TransientModelError
from reflectree.rlm_ops.usage import Usage

LISTING_TIMEOUT_S = 3.0
"""Seconds that asking a server for its models may take."""


class OpenAICompatiblePolicy:
    """A model behind `POST {base_url}/chat/completions`.

    `capabilities` starts from what the server's kind and the model's name tell, and shrinks with what is refused.
    The key is sent, and never shown: not in errors, not in `repr`.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        price: Price | None = None,
        capabilities: Capabilities | None = None,
        extra: Mapping[str, Any] | None = None,
        server: Server = GENERIC,
        name: str | None = None,
    ) -> None:
        """Describe the endpoint; no connection is made.

        Args:
            model: The model's name at the endpoint. Empty: the only one it serves, asked for on the first call.
            base_url: Root of the endpoint, `/v1` included.
            api_key: Bearer key; where absent, `server.key_env` is read from the environment.
            headers: Extra HTTP headers.
            price: The model's price; `None` means unknown.
            capabilities: Overrides what is assumed of the model.
            extra: Provider-specific fields added to each body.
            server: What is known of this kind of server.
            name: The model's string for people; made from `base_url` and `model` where absent.

        Raises:
            BadInput: `base_url` is no http(s) address.
        """
        key = api_key or (os.environ.get(server.key_env, "") if server.key_env else "")
        self._secrets = tuple(value for value in (key, *(headers or {}).values()) if value)
        self._has_key = bool(key)
        self._transport = Transport(
            base_url, {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        )
        self.model = model
        self.name = without_login(name or f"{self._transport.where}#{model}")
        self.price = price
        self.server = server
        self.capabilities = capabilities or assume(server, model)
        self._assumed = capabilities is None
        self._extra = dict(extra or {})
        self._max_tokens_field = server.max_tokens_field
        self._preamble = wire.PREAMBLE_TOKENS

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def complete(self, request: Request) -> Reply:
        """Make one attempt; see `PolicyModel.complete`."""
        if not self.model:
            await self._take_only_model()
        return await fallback.complete(self._attempt, request, self.capabilities)

    def prompt_bound(self, request: Request) -> int:
        """At least the tokens of one prompt; see `reflectree.models.wire.prompt_bound`."""
        return wire.prompt_bound(request, self._preamble)

    async def models(self) -> list[str]:
        """The names of the models the endpoint serves; asking costs nothing.

        Raises:
            ModelError: It does not answer, refuses the key, or answers something else.
        """
        return [name for name, _ in await self._listing()]

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._transport.aclose()

    async def _attempt(self, request: Request) -> Reply:
        """One exchange for a request that fits the capabilities."""
        field = self._max_tokens_field
        body = wire.write_body(request, self.model, self.server, field, self._extra)
        answer = await self._transport.exchange("POST", "/chat/completions", request.timeout, body)
        if answer.status == 200:
            return self._read(answer.body, request)
        self._raise_if_avoidable(answer, request, field)
        raise await self._error(answer)

    def _read(self, body: bytes, request: Request) -> Reply:
        where = self._transport.where
        data = wire.read_json(body, where)
        if "choices" not in data and "error" in data:
            raise self._error_in_body(data)
        choices = wire.read_choices(data, where)
        counted = wire.read_usage(data)
        if counted is None:
            hidden = self.capabilities.hidden_reasoning
            counted = (self.prompt_bound(request), wire.estimate_completion(request, choices, hidden))
        prompt, completion = counted
        self._learn(request, choices, prompt)
        usd = None if self.price is None else self.price.of(prompt, completion)
        return Reply(choices, Usage(1, 0, prompt, completion, usd))

    def _learn(self, request: Request, choices: tuple[Choice, ...], prompt_tokens: int) -> None:
        """Remember what a good reply shows of the server."""
        self._preamble += max(0, prompt_tokens - self.prompt_bound(request))
        if len(choices) < request.n:
            self.capabilities = replace(self.capabilities, max_n=len(choices))
        if request.top_logprobs and all(choice.token_logprobs is None and choice.text for choice in choices):
            self.capabilities = fallback.without(self.capabilities, "logprobs")

    def _raise_if_avoidable(self, answer: Answer, request: Request, field: str) -> None:
        """Learn which parameter the server refuses, if leaving it out changes the request.

        Raises:
            TransientModelError: It does: the next attempt will be without. It is raised rather than made here, so that
                the refused request and the next one are both on the books of whoever counts calls.
        """
        message, code, param = faults.error_text(answer.body)
        refused = faults.refused_parameter(answer.status, message, code, param)
        if refused == "max_tokens":
            if field != self.server.max_tokens_field:
                return
            self._max_tokens_field = "max_tokens" if field == "max_completion_tokens" else "max_completion_tokens"
        elif refused is None or not fallback.helps(request, fallback.without(self.capabilities, refused)):
            return
        else:
            self.capabilities = fallback.without(self.capabilities, refused)
        raise TransientModelError(f"{self.name} does not take {refused}: it is left out from now on", retry_after=0.0)

    async def _error(self, answer: Answer) -> ModelError:
        message, code, _ = faults.error_text(answer.body)
        error = self._from_status(answer.status, message, code, faults.retry_after(answer.headers))
        about_model = answer.status == 404 or "model_not_found" in code
        return await self._unknown_model(error) if about_model and isinstance(error, ModelRejected) else error

    def _error_in_body(self, data: dict[str, Any]) -> ModelError:
        """The error for a body that says 200 on the outside and `error` inside."""
        message, code, _ = faults.error_fields(data)
        if code.isdigit() and 400 <= int(code) < 600:
            return self._from_status(int(code), message, code, None)
        return TransientModelError(f"{self._transport.where} failed: {faults.scrub(message, self._secrets)}")

    def _from_status(self, status: int, message: str, code: str, wait: float | None) -> ModelError:
        said = faults.scrub(message, self._secrets)
        return faults.from_status(status, self._transport.where, said, code=code, wait=wait, key_hint=self._key_hint())

    def _key_hint(self) -> str:
        env = self.server.key_env
        hint = f"set {env} or pass api_key=" if env else "pass api_key= (on the command line, --api-key-env NAME)"
        return hint + ("" if self._secrets else "; none was sent")

    async def _unknown_model(self, error: ModelRejected) -> ModelRejected:
        """The rejection of an unknown model, with the names that would do, where the server tells them."""
        where = self._transport.where
        try:
            names = await self.models()
        except ModelError:
            return ModelRejected(f"{error} (is {where} the right base_url? it usually ends in /v1)", error.status)
        if self.model in names:
            return error
        near = difflib.get_close_matches(self.model, names, n=5, cutoff=0.0)
        return ModelRejected(f"{where} has no model {self.model!r}; it has: {', '.join(near) or 'none'}", error.status)

    async def _listing(self) -> list[tuple[str, str]]:
        """Names and owners of the models served."""
        answer = await self._transport.exchange("GET", "/models", LISTING_TIMEOUT_S)
        if answer.status != 200:
            message, code, _ = faults.error_text(answer.body)
            raise self._from_status(answer.status, message, code, faults.retry_after(answer.headers))
        rows = wire.read_json(answer.body, self._transport.where).get("data")
        if not isinstance(rows, list):
            raise wire.Malformed(f"{self._transport.where} sent a list of models without data")
        return [(str(row["id"]), str(row.get("owned_by", ""))) for row in rows if isinstance(row, dict) and "id" in row]

    async def _take_only_model(self) -> None:
        """Use the only model the endpoint serves, and what its owner's name tells of the server."""
        listing = await self._listing()
        if len(listing) != 1:
            names = ", ".join(name for name, _ in listing[:8]) or "none"
            raise ModelRejected(f"name a model, as in {self._transport.where}#MODEL; the endpoint has: {names}")
        self.model, owner = listing[0]
        if self.server is GENERIC:
            self.server = recognise(owner) or GENERIC
        if self._assumed:
            self.capabilities = assume(self.server, self.model)
