"""What a run tells LangSmith and OpenTelemetry: names, labels, and spans under the GenAI semantic conventions.

A run is a span `invoke_agent BLUEPRINT`, each request to a model below it a span `chat MODEL`, with tokens, settings
and the type of an error. What was said is only recorded where `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` asks
for it. Nothing is imported or done where the process has set up no tracing; how to set it up is not known here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from typing_extensions import override

from reflectree.graphs.result import Result
from reflectree.graphs.setup import Setup
from reflectree.models.base import Choice, Message, PolicyModel, Reply, Request
from reflectree.models.wrapping import Wrapped
from reflectree.rlm_ops.errors import NeedsPerson

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind, Tracer

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
SCOPE = "reflectree"
_YES = frozenset({"true", "1", "yes", "span_only", "span_and_event"})
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""The conventions' names of providers where LiteLLM has others."""


async def traced(setup: Setup, run_id: str, work: Callable[[Setup], Awaitable[Result]]) -> Result:
    """Carry out a run, and tell of it where tracing is set up.

    Args:
        setup: What it runs with.
        run_id: Its name.
        work: Carries it out with the set-up it is given, whose models tell of each request.
    """
    tracer = _tracer()
    if tracer is None:
        return await work(setup)
    provider, model = provider_and_model(setup.policy.name)
    name = setup.blueprint.name
    about = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": name,
        "gen_ai.agent.description": setup.blueprint.description,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.request.seed": setup.seed,
        "reflectree.run.id": run_id,
        "reflectree.strategy": setup.blueprint.scheme.strategy.name,
    }
    with _span(tracer, f"invoke_agent {name}", "INTERNAL", about) as (span, context):
        result = await work(_observed(setup, tracer, context))
        _set(span, _outcome(result))
        began = result.trace.began
        if span.is_recording() and captures() and began is not None:
            asked = f"{began.context}\n\n{began.question}" if began.context else began.question
            span.set_attribute("gen_ai.input.messages", _messages([Message("user", asked)]))
            span.set_attribute("gen_ai.output.messages", _choices([Choice(result.answer or "")]))
        return result


def labels(setup: Setup) -> RunnableConfig:
    """The name, tags and metadata of a run in LangSmith, and wherever callbacks go.

    There are few, for LangGraph writes metadata into each checkpoint.
    """
    name = setup.blueprint.name
    return {
        "run_name": f"reflectree:{name}",
        "tags": ["reflectree", name],
        "metadata": {"reflectree_blueprint": name, "reflectree_policy": setup.policy.name},
    }


def captures() -> bool:
    """Whether what models are asked and say is to be recorded."""
    return os.environ.get(CAPTURE, "").strip().lower() in _YES


def provider_and_model(name: str) -> tuple[str, str]:
    """The provider and the model that a policy's name means, by the conventions' names."""
    if "://" in name:
        return "openai_compatible", name.partition("#")[2] or "unknown"
    kind, _, rest = name.partition("/")
    if kind == "litellm" and "/" in rest:
        kind, _, rest = rest.partition("/")
    if not rest or kind == "local":
        return "reflectree", name
    return _PROVIDERS.get(kind, kind), rest


class ObservedPolicy(Wrapped):
    """A policy whose requests are spans.

    Args:
        policy: The policy.
        role: Whose model it is: `policy`, `judge`, ...
        tracer: Makes the spans.
        context: The run's, under which they stand.
    """

    def __init__(self, policy: PolicyModel, role: str, tracer: Tracer, context: Context) -> None:
        super().__init__(policy)
        self._role, self._tracer, self._context = role, tracer, context
        self._provider, self._model = provider_and_model(policy.name)

    @override
    async def complete(self, request: Request) -> Reply:
        """Make one attempt, as a span `chat MODEL`."""
        about = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": self._model,
            "gen_ai.request.max_tokens": request.max_tokens,
            "gen_ai.request.temperature": request.temperature,
            "gen_ai.request.top_p": request.top_p,
            "gen_ai.request.seed": request.seed,
            "gen_ai.request.choice.count": request.n if request.n > 1 else None,
            "gen_ai.request.stop_sequences": request.stop or None,
            "reflectree.role": self._role,
        }
        with _span(self._tracer, f"chat {self._model}", "CLIENT", about, self._context) as (span, _):
            told = span.is_recording() and captures()
            if told:
                span.set_attribute("gen_ai.input.messages", _messages(request.messages, request.prefill))
            reply = await self._policy.complete(request)
            _set(span, _paid(reply))
            if told:
                span.set_attribute("gen_ai.output.messages", _choices(reply.choices))
            return reply


def _tracer() -> Tracer | None:
    """A tracer, where the process has set up tracing: then OpenTelemetry is imported, and has a provider."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or isinstance(trace.get_tracer_provider(), (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        return None
    from reflectree import __version__

    tracer: Tracer = trace.get_tracer(SCOPE, __version__)
    return tracer


def _observed(setup: Setup, tracer: Tracer, context: Context) -> Setup:
    """The set-up with models that tell of their requests; nested ones as well."""
    roles: dict[str, Any] = {role: ObservedPolicy(model, role, tracer, context) for role, model in setup.roles.items()}
    inner = {how: _observed(nested, tracer, context) for how, nested in setup.inner.items()}
    return replace(setup, roles=roles, inner=inner)


@contextmanager
def _span(
    tracer: Tracer, name: str, kind: str, about: Mapping[str, Any], context: Context | None = None
) -> Iterator[tuple[Span, Context]]:
    """A span, current within; an error that leaves it is told by its type alone, for its words may quote a prompt."""
    from opentelemetry import trace
    from opentelemetry.trace import Status, StatusCode

    of_kind: SpanKind = trace.SpanKind[kind]
    given = {key: value for key, value in about.items() if value is not None}
    span = tracer.start_span(name, context=context, kind=of_kind, attributes=given)
    try:
        with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield span, trace.set_span_in_context(span)
    except NeedsPerson:
        span.set_attribute("reflectree.stop_reason", "person")  # it waits, and goes on in another span
        raise
    except BaseException as error:
        kind_of_error = type(error).__name__
        span.set_attribute("error.type", kind_of_error)
        span.set_status(Status(StatusCode.ERROR, kind_of_error))
        raise
    finally:
        span.end()


def _outcome(result: Result) -> dict[str, Any]:
    usage = result.usage
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "reflectree.calls": usage.calls,
        "reflectree.failed_calls": usage.failed_calls,
        "reflectree.usd": usage.usd,
        "reflectree.nodes": result.nodes,
        "reflectree.score": result.score,
        "reflectree.stop_reason": result.stop_reason,
        "reflectree.answered": result.answer is not None,
    }


def _paid(reply: Reply) -> dict[str, Any]:
    return {
        "gen_ai.usage.input_tokens": reply.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": reply.usage.completion_tokens,
        "gen_ai.response.finish_reasons": [choice.finish for choice in reply.choices],
    }


def _set(span: Span, values: Mapping[str, Any]) -> None:
    span.set_attributes({key: value for key, value in values.items() if value is not None})


def _messages(messages: Sequence[Message], prefill: str = "") -> str:
    """Messages in the conventions' form; a turn that is begun for the model stands at their end."""
    turns = [(message.role, message.content) for message in messages] + ([("assistant", prefill)] if prefill else [])
    return json.dumps([{"role": role, "parts": [_part(content)]} for role, content in turns], ensure_ascii=False)


def _choices(choices: Sequence[Choice]) -> str:
    said = [{"role": "assistant", "parts": [_part(choice.text)], "finish_reason": choice.finish} for choice in choices]
    return json.dumps(said, ensure_ascii=False)


def _part(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


__all__ = ["CAPTURE", "ObservedPolicy", "captures", "labels", "provider_and_model", "traced"]
