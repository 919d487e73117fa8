"""Any LangChain chat model, or any Runnable from messages to a message, as a policy.

Sampling settings reach a chat model through the fields it has (a copy with other values), never as arguments it may not
know; a bare Runnable is only given messages. Inner calls are tagged so that candidates do not leak into the message
stream of a host application. It knows no provider by name. Set the model's own `max_retries` to 0: retrying is done
once, above all clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig

from reflectree.models import fallback, faults, wire
from reflectree.models.background import lasting
from reflectree.models.base import Capabilities, Choice, Price, Reply, Request
from reflectree.rlm_ops.errors import BadInput, ModelTimeout, TransientModelError
from reflectree.rlm_ops.usage import Usage

NOSTREAM = "nostream"
"""LangGraph's tag (`langgraph.constants.TAG_NOSTREAM`) for calls that are not part of the visible conversation."""

_FIELDS: dict[str, tuple[str, ...]] = {
    "max_tokens": ("max_tokens", "max_output_tokens", "num_predict", "max_new_tokens"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "seed": ("seed",),
    "logprobs": ("logprobs",),
    "top_logprobs": ("top_logprobs",),
}
"""What chat models call a setting, in the order in which names are tried."""

_ROLES: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


class LangChainPolicy:
    """A chat model or a Runnable as a `PolicyModel`.

    A Runnable that is no chat model, or a chat model without a field for `max_tokens`, writes as much as it likes: a
    budget of tokens can then be overrun by the calls in flight.
    """

    def __init__(
        self,
        model: BaseChatModel | Runnable[Any, Any],
        *,
        price: Price | None = None,
        capabilities: Capabilities | None = None,
        name: str | None = None,
    ) -> None:
        """Wrap the model.

        Args:
            model: The chat model, or a Runnable from a list of messages to a message or a text.
            price: Its price; `None` means unknown.
            capabilities: Overrides what is assumed of it.
            name: Its name for people.
        """
        self._model = model
        known = set(type(model).model_fields) if isinstance(model, BaseChatModel) else set()
        self._fields = {
            setting: next((name for name in names if name in known), None) for setting, names in _FIELDS.items()
        }
        self.name = name or f"langchain/{_model_name(model)}"
        self.price = price
        self.capabilities = capabilities or Capabilities(
            max_n=1,
            logprobs=self._fields["logprobs"] is not None,
            stop=isinstance(model, BaseChatModel),
            seed=self._fields["seed"] is not None,
            temperature=self._fields["temperature"] is not None,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def complete(self, request: Request) -> Reply:
        """Make one attempt; see `PolicyModel.complete`."""
        return await fallback.complete(self._attempt, request, self.capabilities)

    def prompt_bound(self, request: Request) -> int:
        """At least the tokens of the prompt, counted in bytes."""
        return wire.prompt_bound(request)

    async def aclose(self) -> None:
        """Nothing to release: the model is its owner's."""

    async def _attempt(self, request: Request) -> Reply:
        messages = [_ROLES[message.role](content=message.content) for message in request.messages]
        if request.prefill:
            messages.append(AIMessage(content=request.prefill))
        config = RunnableConfig(tags=[NOSTREAM], run_name="reflectree.policy")
        runnable = self._set(request)
        try:
            options = {"stop": list(request.stop)} if request.stop else {}
            async with asyncio.timeout(request.timeout):
                message = await lasting(lambda: runnable.ainvoke(messages, config, **options))
        except TimeoutError:
            raise ModelTimeout(f"{self.name} gave no answer within {request.timeout:g} s") from None
        except Exception as error:  # the boundary to code that is not ours: everything becomes a typed error here
            raise self._fault(error, request) from None
        return self._reply(message, request)

    def _set(self, request: Request) -> Runnable[Any, Any]:
        """The model with the request's settings in the fields it has for them."""
        wanted = {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "logprobs": True if request.top_logprobs else None,
            "top_logprobs": request.top_logprobs if request.top_logprobs > 1 else None,
        }
        settings = {
            field: wanted[setting] for setting, field in self._fields.items() if field and wanted[setting] is not None
        }
        return self._model.model_copy(update=settings) if isinstance(self._model, BaseChatModel) else self._model

    def _fault(self, error: Exception, request: Request) -> Exception:
        """The typed error; a refused parameter is remembered first."""
        refused = faults.refused_parameter(faults.status_of(error), str(error))
        if refused and fallback.helps(request, fallback.without(self.capabilities, refused)):
            self.capabilities = fallback.without(self.capabilities, refused)
            return TransientModelError(f"{self.name} does not take {refused}: it is left out from now on", 0.0)
        return faults.from_exception(error, self.name, key_hint="set the key where the LangChain model is built")

    def _reply(self, message: Any, request: Request) -> Reply:
        if isinstance(message, str):
            message = AIMessage(content=message)
        if not isinstance(message, BaseMessage):
            raise BadInput(f"{self.name} returned {type(message).__name__}: a policy must return a message or a text")
        metadata = message.response_metadata
        choice = Choice(
            text=str(message.text),
            finish=wire.finish_of(
                metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason")
            ),
            token_logprobs=wire.read_logprobs(metadata.get("logprobs")) if request.top_logprobs else None,
            reasoning=_reasoning(message),
            alternatives=wire.read_alternatives(metadata.get("logprobs")) if request.top_logprobs > 1 else None,
        )
        counted = getattr(message, "usage_metadata", None) or {}
        prompt = counted.get("input_tokens") or self.prompt_bound(request)
        written = counted.get("output_tokens")
        if not written:
            written = wire.estimate_completion(request, (choice,), self.capabilities.hidden_reasoning)
        usd = None if self.price is None else self.price.of(prompt, written)
        return Reply((choice,), Usage(1, 0, prompt, written, usd))


def _model_name(model: Any) -> str:
    for attribute in ("model_name", "model", "model_id"):
        if isinstance(name := getattr(model, attribute, None), str) and name:
            return name
    return type(model).__name__


def _reasoning(message: BaseMessage) -> str:
    thought = message.additional_kwargs.get("reasoning_content") or message.additional_kwargs.get("reasoning")
    if isinstance(thought, str):
        return thought
    blocks = message.content if isinstance(message.content, list) else []
    thoughts = [block.get("thinking") or block.get("reasoning") for block in blocks if isinstance(block, Mapping)]
    return "".join(thought for thought in thoughts if isinstance(thought, str))
