"""What a run tells tracers: spans under the GenAI conventions, names and labels, and nothing where nobody listens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from reflectree.graphs import blueprints
from reflectree.graphs.adapters import telemetry
from reflectree.graphs.adapters.telemetry import CAPTURE, labels, provider_and_model, traced
from reflectree.graphs.carry import carry_on
from reflectree.graphs.preparing import prepare
from reflectree.graphs.reasoning import build_graph
from reflectree.graphs.result import Result
from reflectree.models.base import Choice, PolicyModel
from reflectree.models.calling import Retries
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import ModelRejected, NeedsPerson, TransientModelError
from reflectree.rlm_ops.task import Task
from reflectree.testing import ScriptedPolicy

TASK = Task("What is 6 times 7?", context="Integers only.")
QUICK = Retries(first_wait=0.001, longest_wait=0.001)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Where this test's spans go. The process's own provider cannot be set twice, so it is put in place by hand."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    monkeypatch.delenv(CAPTURE, raising=False)
    yield exporter
    provider.shutdown()


async def run(policy: Any, blueprint: Any = "self-consistency", **options: Any) -> Result:
    setup = prepare(blueprint, policy, retries=QUICK, **options)
    return await traced(setup, "r1", lambda seen: carry_on(seen, TASK, None, "r1"))


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_a_run_is_a_span_and_each_request_one_below_it(spans: InMemorySpanExporter) -> None:
    policy = ScriptedPolicy("Answer: 42", name="openai/gpt-5-mini")
    result = await run(policy, concurrency=2)
    *chats, agent = spans.get_finished_spans()
    about = attributes(agent)
    assert (agent.name, agent.kind, agent.parent) == ("invoke_agent self-consistency", SpanKind.INTERNAL, None)
    assert about["gen_ai.operation.name"] == "invoke_agent"
    assert about["gen_ai.agent.name"] == "self-consistency"
    assert (about["gen_ai.provider.name"], about["gen_ai.request.model"]) == ("openai", "gpt-5-mini")
    assert about["gen_ai.usage.input_tokens"] == result.usage.prompt_tokens
    assert about["gen_ai.usage.output_tokens"] == result.usage.completion_tokens
    assert (about["reflectree.run.id"], about["reflectree.stop_reason"]) == ("r1", "complete")
    assert len(chats) == result.usage.calls == 8
    for span in chats:
        told = attributes(span)
        assert (span.name, span.kind) == ("chat gpt-5-mini", SpanKind.CLIENT)
        assert span.parent is not None
        assert span.parent.span_id == id_of(agent)
        assert told["gen_ai.operation.name"] == "chat"
        assert (told["gen_ai.provider.name"], told["gen_ai.request.model"]) == ("openai", "gpt-5-mini")
        assert (told["gen_ai.request.temperature"], told["gen_ai.request.max_tokens"]) == (0.7, 1024)
        assert told["gen_ai.request.choice.count"] == 2
        assert told["gen_ai.response.finish_reasons"] == ("stop", "stop")
        assert told["reflectree.role"] == "policy"
    assert sum(attributes(span)["gen_ai.usage.output_tokens"] for span in chats) == result.usage.completion_tokens


async def test_the_judge_has_spans_of_its_own(spans: InMemorySpanExporter) -> None:
    judge = ScriptedPolicy('{"score": 7, "reason": ""}', name="anthropic/claude")
    await run(ScriptedPolicy("Answer: 42"), "best-of-n", judge=judge)
    roles = [attributes(span).get("reflectree.role") for span in spans.get_finished_spans()]
    assert roles.count("judge") == 16
    named = {span.name for span in spans.get_finished_spans()}
    assert named == {"chat scripted", "chat claude", "invoke_agent best-of-n"}


async def test_critics_and_nested_runs_have_spans_too(spans: InMemorySpanExporter) -> None:
    critic = ScriptedPolicy("Look again at the sum.", name="anthropic/claude")
    refining = blueprints.load("self-refine").with_overrides({"operators.refine.critique": "critic"})
    policy, caps = ScriptedPolicy("Answer: 42"), Budget(calls=8)
    result = await run(policy, refining, models={"critic": critic}, evaluator=lambda path: 0.5, budget=caps)
    chats = [attributes(span)["reflectree.role"] for span in spans.get_finished_spans()[:-1]]
    assert (chats.count("critic"), len(chats)) == (len(critic.requests), result.usage.calls)
    assert "critic" in chats
    spans.clear()
    result = await run(ScriptedPolicy("Answer: 42"), "forest", evaluator=lambda path: 0.5, budget=caps)
    *inner, agent = spans.get_finished_spans()
    assert len(inner) == result.usage.calls > 1
    assert all(span.parent is not None and span.parent.span_id == id_of(agent) for span in inner)


async def test_an_error_is_told_by_its_type(spans: InMemorySpanExporter) -> None:
    secret = TransientModelError("no: you asked 'What is 6 times 7?'")
    await run(ScriptedPolicy([secret, "Answer: 42"]), "cot")
    failed, fine, agent = spans.get_finished_spans()
    assert attributes(failed)["error.type"] == "TransientModelError"
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "TransientModelError")
    assert not failed.events
    assert (fine.status.status_code, agent.status.status_code) == (StatusCode.UNSET, StatusCode.UNSET)
    spans.clear()
    with pytest.raises(ModelRejected):
        await run(ScriptedPolicy([ModelRejected("a wrong key", 401)]), "cot")
    chat, agent = spans.get_finished_spans()
    assert attributes(chat)["error.type"] == attributes(agent)["error.type"] == "ModelRejected"


async def test_a_run_that_waits_for_a_person_has_not_failed(spans: InMemorySpanExporter) -> None:
    blueprint = blueprints.load("react").with_overrides({"operators.enrich.approve": True})
    policy = ScriptedPolicy("Thought: multiply.\nAction: calculator[6 * 7]")
    setup = prepare(blueprint, policy, tools=["calculator"])
    with pytest.raises(NeedsPerson):
        await traced(setup, "r1", lambda seen: carry_on(seen, TASK, InMemorySaver(), "r1"))
    agent = spans.get_finished_spans()[-1]
    assert agent.status.status_code == StatusCode.UNSET
    assert attributes(agent)["reflectree.stop_reason"] == "person"


async def test_content_is_told_only_when_asked(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = ScriptedPolicy([Choice("So.\nAnswer: 42")])
    await run(policy, "cot")
    assert "6 times 7" not in "".join(span.to_json() for span in spans.get_finished_spans())
    spans.clear()
    monkeypatch.setenv(CAPTURE, "true")
    await run(ScriptedPolicy([Choice("So.\nAnswer: 42")]), "cot")
    chat, agent = map(attributes, spans.get_finished_spans())
    said = {"role": "assistant", "parts": [{"type": "text", "content": "So.\nAnswer: 42"}], "finish_reason": "stop"}
    assert json.loads(chat["gen_ai.output.messages"]) == [said]
    assert "6 times 7" in json.loads(chat["gen_ai.input.messages"])[-1]["parts"][0]["content"]
    assert json.loads(agent["gen_ai.output.messages"])[0]["parts"][0]["content"] == "42"
    assert "Integers only." in agent["gen_ai.input.messages"]


async def test_tracing_changes_nothing_else(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = await run(ScriptedPolicy("Answer: 42"), "mcts", evaluator=lambda path: 0.5, concurrency=1)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    unseen = await run(ScriptedPolicy("Answer: 42"), "mcts", evaluator=lambda path: 0.5, concurrency=1)
    assert seen.trace.rows == unseen.trace.rows
    assert spans.get_finished_spans()


async def test_a_run_is_a_child_of_the_span_around_it(spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("host").start_as_current_span("request"):
        await run(ScriptedPolicy("Answer: 42"), "cot")
    _, agent, request = spans.get_finished_spans()
    assert agent.parent is not None
    assert agent.parent.span_id == id_of(request)


async def test_a_span_goes_to_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{server.server_port}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    try:
        await run(ScriptedPolicy("Answer: 42"), "cot")
    finally:
        provider.shutdown()
        server.shutdown()
        server.server_close()
        thread.join()
    names = [
        span.name
        for request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert names == ["chat scripted", "invoke_agent cot"]


async def test_nothing_is_done_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    setup = prepare("cot", ScriptedPolicy("Answer: 42"))
    given: list[Any] = []

    async def work(seen: Any) -> Any:
        given.append(seen)
        return await carry_on(seen, TASK, None, "r1")

    await traced(setup, "r1", work)
    assert given == [setup]


def test_it_needs_no_opentelemetry() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from reflectree import solve\n"
        "from reflectree.graphs.adapters import telemetry\n"
        "assert telemetry._tracer() is None"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("openai/gpt-5-mini", ("openai", "gpt-5-mini")),
        ("litellm/anthropic/claude-x", ("anthropic", "claude-x")),
        ("litellm/bedrock/meta/llama", ("aws.bedrock", "meta/llama")),
        ("http://localhost:8000/v1#Qwen/Qwen3", ("openai_compatible", "Qwen/Qwen3")),
        ("embedded", ("reflectree", "embedded")),
        ("local//models/mine", ("reflectree", "local//models/mine")),
        ("langchain/gpt-5", ("langchain", "gpt-5")),
    ],
)
def test_providers_have_the_conventions_names(name: str, meant: tuple[str, str]) -> None:
    assert provider_and_model(name) == meant


async def test_an_observed_policy_is_a_policy(spans: InMemorySpanExporter) -> None:
    policy = ScriptedPolicy("x", name="openai/m")
    tracer = telemetry._tracer()
    assert tracer is not None
    observed = telemetry.ObservedPolicy(policy, "policy", tracer, trace.set_span_in_context(trace.INVALID_SPAN))
    assert isinstance(observed, PolicyModel)
    assert (observed.name, observed.price, observed.capabilities) == (policy.name, policy.price, policy.capabilities)
    assert observed.samples == 0
    await observed.aclose()
    assert policy.closed


async def test_nodes_are_named_and_do_not_send_the_trace_again_and_again() -> None:
    options: Any = {"evaluator": lambda path: 0.5, "budget": Budget(calls=20)}
    setup = prepare("mcts", ScriptedPolicy("Answer: 42"), **options)
    graph = build_graph("mcts", ScriptedPolicy("Answer: 42"), **options).compile()
    collected = RunCollectorCallbackHandler()
    await graph.ainvoke({"task": "What is 6 times 7?"}, {**labels(setup), "callbacks": [collected]})
    [root] = collected.traced_runs
    assert root.name == "reflectree:mcts"
    assert {child.name for child in root.child_runs} == {"recall", "controller", "generator", "evaluator", "answer"}
    turns = [child.inputs for child in root.child_runs if child.name == "controller"]
    assert all(set(given) == {"events"} for given in turns)
    assert turns[-1]["events"] > 2
    assert {"reflectree", "mcts"} <= set(root.tags or [])
    assert root.metadata["reflectree_policy"] == "scripted"
    assert root.metadata["reflectree_blueprint"] == "mcts"
