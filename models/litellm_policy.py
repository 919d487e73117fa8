"""Any model that litellm can name, as a policy.

litellm is optional, slow to import (seconds) and talkative; it is imported here, once, in a way that keeps it offline
and quiet. Retries are off: they are made once, above all clients. Nothing else in the framework knows of litellm.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from reflectree.models import fallback, faults, wire
from reflectree.models.base import Capabilities, Price, Reply, Request
from reflectree.rlm_ops.errors import BadInput, MissingExtra, ModelTimeout, TransientModelError
from reflectree.rlm_ops.usage import Usage

QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_OFFLINE_MODE": "true", "LITELLM_TELEMETRY": "False"}
"""Environment that must be set before the import: without it, importing litellm downloads its price list."""

SAMPLE = 1000


@cache
def import_litellm() -> Any:
    """The module `litellm`, imported offline and quiet.

    Raises:
        MissingExtra: It is not installed.
    """
    if importlib.util.find_spec("litellm") is None:
        raise MissingExtra('litellm models need the extra: pip install "reflectree[litellm]"')
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm


class LiteLLMPolicy:
    """What a litellm model string names (`anthropic/claude-...`, `bedrock/...`), as a `PolicyModel`."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        price: Price | None = None,
        capabilities: Capabilities | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Import litellm and look the model up; no connection is made.

        Args:
            model: The model as litellm names it, without a `litellm/` before it.
            base_url: Passed as `api_base`.
            api_key: Passed on; where absent, litellm reads the provider's environment variable.
            headers: Extra HTTP headers.
            price: Overrides the price litellm knows; where neither is known, the price is unknown.
            capabilities: Overrides what litellm knows of the model.
            extra: Further arguments of `litellm.acompletion`.

        Raises:
            MissingExtra: litellm is not installed.
            BadInput: litellm knows no provider for the model.
        """
        self._litellm = import_litellm()
        self.model = model
        self.name = f"litellm/{model}"
        self._check_provider()
        self.price = price or self._known_price(base_url)
        self.capabilities = capabilities or self._known_capabilities()
        self._secrets = tuple(filter(None, (api_key, *(headers or {}).values())))
        fixed = {"api_base": base_url, "api_key": api_key, "extra_headers": dict(headers or {})}
        self._fixed = {**{key: value for key, value in fixed.items() if value}, **(extra or {})}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def complete(self, request: Request) -> Reply:
        """Make one attempt; see `PolicyModel.complete`."""
        return await fallback.complete(self._attempt, request, self.capabilities)

    def prompt_bound(self, request: Request) -> int:
        """At least the tokens of the prompt, counted in bytes."""
        return wire.prompt_bound(request)

    async def aclose(self) -> None:
        """Close the clients that litellm keeps."""
        await self._litellm.close_litellm_async_clients()

    async def _attempt(self, request: Request) -> Reply:
        try:
            async with asyncio.timeout(request.timeout):
                response = await self._litellm.acompletion(**self._arguments(request))
            data = response.model_dump()
        except TimeoutError:
            raise ModelTimeout(f"{self.name} gave no answer within {request.timeout:g} s") from None
        except Exception as error:  # the boundary to code that is not ours: everything becomes a typed error here
            raise self._fault(error, request) from None
        choices = wire.read_choices(data, self.name)
        if len(choices) < request.n:
            self.capabilities = replace(self.capabilities, max_n=len(choices))
        hidden = self.capabilities.hidden_reasoning
        estimate = (self.prompt_bound(request), wire.estimate_completion(request, choices, hidden))
        prompt, written = wire.read_usage(data) or estimate
        return Reply(choices, Usage(1, 0, prompt, written, self.price.of(prompt, written) if self.price else None))

    def _arguments(self, request: Request) -> dict[str, Any]:
        body = wire.to_body(request, self.model)
        body["max_tokens"] = request.max_tokens
        return {
            **body,
            "timeout": request.timeout,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": True,
            **self._fixed,
        }

    def _fault(self, error: Exception, request: Request) -> Exception:
        """The typed error; a refused parameter is remembered first."""
        message = faults.scrub(str(error), self._secrets)
        refused = faults.refused_parameter(faults.status_of(error), message)
        if refused and fallback.helps(request, fallback.without(self.capabilities, refused)):
            self.capabilities = fallback.without(self.capabilities, refused)
            return TransientModelError(f"{self.name} does not take {refused}: it is left out from now on", 0.0)
        hint = "set the provider's key variable (for example ANTHROPIC_API_KEY) or pass api_key="
        return faults.from_exception(error, self.name, key_hint=hint, secrets=self._secrets)

    def _check_provider(self) -> None:
        try:
            self._litellm.get_llm_provider(self.model)
        except self._litellm.BadRequestError:
            raise BadInput(
                f"litellm knows no provider for {self.model!r}: write litellm/PROVIDER/MODEL, "
                "for example litellm/anthropic/claude-sonnet-4-5"
            ) from None

    def _known_price(self, base_url: str | None) -> Price | None:
        """The list price, or None where litellm has none; somebody else's address has somebody else's price."""
        if base_url is not None:
            return None
        try:
            prompt, written = self._litellm.cost_per_token(
                model=self.model, prompt_tokens=SAMPLE, completion_tokens=SAMPLE
            )
        except Exception as error:
            if type(error).__name__ == "ModelNotMappedError" or "isn't mapped" in str(error):
                return None
            raise
        return Price(prompt * 1e6 / SAMPLE, written * 1e6 / SAMPLE)

    def _known_capabilities(self) -> Capabilities:
        supported = set(self._litellm.get_supported_openai_params(self.model) or ())
        try:
            info: Mapping[str, Any] = self._litellm.get_model_info(self.model)
        except Exception as error:
            if type(error).__name__ != "ModelNotMappedError" and "isn't mapped" not in str(error):
                raise
            info = {}
        return Capabilities(
            max_n=16 if "n" in supported and info else 1,
            logprobs="logprobs" in supported,
            prefill=bool(info.get("supports_assistant_prefill")),
            system=info.get("supports_system_messages") is not False,
            stop="stop" in supported,
            seed="seed" in supported,
            json_schema=bool(info.get("supports_response_schema")),
            temperature="temperature" in supported,
            hidden_reasoning=bool(info.get("supports_reasoning")),
            context_tokens=info.get("max_input_tokens"),
        )
