"""Draws the candidates of `SearchMiddleware`: an agent's model calls, each read as a proposal with its bill."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config

from reflectree.graphs.adapters.agent_requests import offered, room_of, transcript
from reflectree.graphs.adapters.hosts import under
from reflectree.graphs.adapters.messages_agent import Proposal, problem_of
from reflectree.models import wire
from reflectree.models.base import Choice, Message, PolicyModel, Price, Request
from reflectree.models.langchain import NOSTREAM, LangChainPolicy
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.usage import Usage

Handler = Callable[[Any], Awaitable[Any]]


class Turns:
    """Draws candidates for one request.

    Each is drawn under the host's own configuration, so that what other middleware finds there is right, but as a child
    of the search, and out of the message stream.
    """

    def __init__(
        self,
        request: ModelRequest[Any],
        handler: Handler,
        host: Mapping[str, Any],
        settings: Mapping[str, Any],
        price: Price | None,
    ) -> None:
        self._request = request.override(model_settings={**request.model_settings, **settings}) if settings else request
        self._handler = handler
        self._host = host
        self._offered = offered(request)
        self.policy: PolicyModel = LangChainPolicy(request.model, price=price)
        self._room = room_of(request) or Request(()).max_tokens
        self._asked = Request((Message("user", transcript(request)),), max_tokens=self._room)

    @property
    def most(self) -> tuple[int, float]:
        """The most tokens and dollars a candidate costs."""
        prompt, price = self.policy.prompt_bound(self._asked), self.policy.price
        return prompt + self._room, 0.0 if price is None else price.of(prompt, self._room)

    async def propose(self, call: Call) -> Proposal:
        """Draw one."""
        ours = (var_child_runnable_config.get() or {}).get("callbacks")
        config = {**self._host, "tags": [*(self._host.get("tags") or ()), NOSTREAM]}
        if ours is not None:
            config["callbacks"] = ours
        response = _response(await under(config, lambda: self._handler(self._request)))
        messages = tuple(response.result)
        problem = problem_of(messages, self._offered)
        if not problem and response.structured_response is None and _answered_itself(messages):
            problem = f"its structured response is not valid: {messages[-1].text}"
        return Proposal(messages, response.structured_response, problem, self._usage(messages))

    def _usage(self, messages: Sequence[BaseMessage]) -> Usage:
        """As the provider counted, else estimated from above."""
        replies = [message for message in messages if isinstance(message, AIMessage)]
        counted = [message.usage_metadata for message in replies if message.usage_metadata]
        prompt = sum(usage["input_tokens"] for usage in counted) or self.policy.prompt_bound(self._asked)
        written = sum(usage["output_tokens"] for usage in counted)
        if not written:
            choices = tuple(Choice(f"{message.text}{message.tool_calls or ''}") for message in replies)
            written = wire.estimate_completion(self._asked, choices, hidden_reasoning=False)
        price = self.policy.price
        return Usage(1, 0, prompt, written, None if price is None else price.of(prompt, written))


def _response(given: Any) -> ModelResponse[Any]:
    """What a handler returned, as a response; `ExtendedModelResponse` keeps its response only."""
    if isinstance(given, AIMessage):
        return ModelResponse([given])
    inner = getattr(given, "model_response", given)
    if not isinstance(inner, ModelResponse):
        raise BadInput(f"the model call returned {type(given).__name__}, not a ModelResponse")
    return inner


def _answered_itself(messages: Sequence[BaseMessage]) -> bool:
    """Whether the agent has answered a tool call of the turn itself: with what is wrong with a structured response."""
    return any(isinstance(message, ToolMessage) for message in messages)
