"""From what a client sent to what a run is begun with: a `Chat`, wholly checked, its budget within the server's caps.

Who may ask, and how often, is not known here; nor is how a run is carried out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from reflectree.apps.endpoint.body import ChatBody, Effort, SchemaFormat, ToolChoice
from reflectree.apps.endpoint.headers import asked_budget, asked_idempotency_key, asked_run_id, least, of_run
from reflectree.apps.endpoint.turns import message_of
from reflectree.graphs import blueprints
from reflectree.graphs.adapters.conversation import asked
from reflectree.graphs.adapters.names import Offered, UnknownModel, full_name, parse_model
from reflectree.graphs.adapters.wants import ToolSpec, Wants
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput

EFFORTS: Mapping[Effort, float] = {"none": 0.1, "minimal": 0.1, "low": 0.25, "medium": 0.5, "high": 1.0, "xhigh": 1.0}
"""The part of the caps on calls and tokens that each effort may use. Without a word it is all of them."""


_LEAST_TOP_P = 0.001
"""What a `top_p` of 0 means: the likeliest token."""


@dataclass(frozen=True, slots=True)
class Chat:
    """What a run is begun with.

    Attributes:
        model: The model as `BLUEPRINT/POLICY`.
        blueprint: Its blueprint, one of those offered.
        policy: Its policy, one of those offered.
        messages: The conversation.
        wants: What the answer may and must be.
        budget: The run's caps: the client's, and never above the server's.
        seed: Of all sampling; 0 where the client gives none, so that the same request has the same answer.
        stop: Texts that end the answer.
        max_tokens: Most tokens that one call of the policy may write.
        temperature: Of what writes, in place of the blueprint's.
        top_p: As `temperature`.
        stream: Whether the reply is a stream.
        include_usage: Whether the stream ends with the bill.
        run_id: The name that the client gave the run.
        idempotency_key: The client's word for "the same request as before".
        sent: The client's body.
    """

    model: str
    blueprint: str
    policy: str
    messages: tuple[BaseMessage, ...]
    wants: Wants
    budget: Budget
    seed: int
    stop: tuple[str, ...]
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stream: bool
    include_usage: bool
    run_id: str | None
    idempotency_key: str | None
    sent: ChatBody

    @property
    def body(self) -> dict[str, Any]:
        """The client's body, its known fields only: `restored` takes it again."""
        return self.sent.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @property
    def digest(self) -> str:
        """Of what changes the reply; how it is sent does not."""
        said = {name: value for name, value in self.body.items() if name not in ("stream", "stream_options", "user")}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def plan(self, source: Any) -> Blueprint:
        """The blueprint to run: what the offered name stands for, sampling as the client wants."""
        blueprint = blueprints.load(source)
        generate = blueprint.operators.generate
        changes: dict[str, Any] = {}
        if self.temperature is not None:
            changes["operators.generate.temperature"] = self.temperature
        if self.top_p is not None:
            changes["operators.generate.top_p"] = max(self.top_p, _LEAST_TOP_P)
        if self.max_tokens is not None:
            changes["operators.generate.max_tokens"] = min(self.max_tokens, generate.max_tokens)
            for how, changed in generate.variants.items():
                if "max_tokens" in changed:
                    least_of = min(self.max_tokens, changed["max_tokens"])
                    changes[f"operators.generate.variants.{how}.max_tokens"] = least_of
        return blueprint.with_overrides(changes) if changes else blueprint


def chat_of(body: ChatBody, headers: Mapping[str, str], offered: Offered, caps: Budget) -> Chat:
    """What a body and its headers ask for.

    Args:
        body: The body.
        headers: The request's headers.
        offered: The models that may be named.
        caps: The server's caps of a run.

    Raises:
        ApiError: The model is not offered (404), or something cannot be done (422).
    """
    told = of_run(headers)
    budget = _scaled(least(asked_budget(told), caps), body.reasoning_effort)
    return _chat(body, budget, offered, asked_run_id(told), asked_idempotency_key(told))


def restored(
    body: Mapping[str, Any], budget: Budget, offered: Offered, *, run_id: str | None, idempotency_key: str | None
) -> Chat:
    """A `Chat` again from what was kept of it.

    Args:
        body: Its `body`.
        budget: Its `budget`.
        offered: The models that may be named now.
        run_id: Its `run_id`.
        idempotency_key: Its `idempotency_key`.

    Raises:
        ApiError: The model is not offered any more (404).
    """
    return _chat(ChatBody.model_validate_json(json.dumps(body)), budget, offered, run_id, idempotency_key)


def _chat(body: ChatBody, budget: Budget, offered: Offered, run_id: str | None, idempotency_key: str | None) -> Chat:
    try:
        blueprint, policy = parse_model(body.model, offered)
    except UnknownModel as error:
        raise ApiError(404, "model_not_found", str(error), param="model") from error
    messages, wants = tuple(message_of(turn, index) for index, turn in enumerate(body.messages)), _wants(body)
    _check_asked(messages, wants)
    return Chat(
        model=full_name(blueprint, policy),
        blueprint=blueprint,
        policy=policy,
        messages=messages,
        wants=wants,
        budget=budget,
        seed=(body.seed or 0) % 2**31,
        stop=_stops(body.stop),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        run_id=run_id,
        idempotency_key=idempotency_key,
        sent=body,
    )


def _check_asked(messages: tuple[BaseMessage, ...], wants: Wants) -> None:
    """Refuse a conversation that asks nothing, before anybody's rate or budget is touched.

    Raises:
        ApiError: It has no words of a user.
    """
    try:
        asked(messages, wants)
    except BadInput as error:
        raise ApiError(422, "invalid_conversation", str(error), param="messages") from error


def _wants(body: ChatBody) -> Wants:
    """What the answer may and must be.

    Raises:
        ApiError: A schema cannot be met.
    """
    choice = body.tool_choice.function.name if isinstance(body.tool_choice, ToolChoice) else body.tool_choice
    form = body.response_format
    schema = form.json_schema.schema_ if isinstance(form, SchemaFormat) else None
    try:
        return Wants(
            tools=tuple(
                ToolSpec(tool.function.name, tool.function.description or "", tool.function.parameters or _NOTHING)
                for tool in body.tools or ()
            ),
            choice=choice or "auto",
            parallel=body.parallel_tool_calls is not False,
            schema=schema,
            json=form is not None and form.type != "text",
        )
    except BadInput as error:
        raise ApiError(422, "unsupported_schema", str(error)) from error


_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}
"""The schema of a tool without arguments."""


def _stops(given: str | list[str] | None) -> tuple[str, ...]:
    found = (given,) if isinstance(given, str) else tuple(given or ())
    return tuple(text for text in found if text)


def _scaled(budget: Budget, effort: Effort | None) -> Budget:
    """The part of the caps on calls and tokens that an effort may use: at least one."""
    if effort is None:
        return budget
    part = EFFORTS[effort]
    calls = None if budget.calls is None else max(1, int(budget.calls * part))
    tokens = None if budget.tokens is None else max(1, int(budget.tokens * part))
    return Budget(calls, tokens, budget.usd, budget.seconds)
