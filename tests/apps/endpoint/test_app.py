"""The application on a real socket: replies, models, runs, health, and every refusal in one form."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.apps.endpoint.conftest import ASK, Start, refused
from tests.apps.endpoint.small_service import SmallService, scripted

from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.http.hosts import Address
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import ModelRejected

JSON = {"content-type": "application/json"}


def test_a_reply_has_the_answer_and_the_bill(start: Start) -> None:
    client = start()
    reply = client.ask()
    told = reply.json()
    assert reply.status_code == 200, reply.text
    assert told["object"] == "chat.completion"
    assert told["model"] == "cot/scripted"
    (choice,) = told["choices"]
    assert choice["message"]["content"] == "24"
    assert (choice["index"], choice["finish_reason"], choice["logprobs"]) == (0, "stop", None)
    assert "6 * 4 = 24" in choice["message"]["reasoning_content"]
    usage = told["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert told["reflectree"]["calls"] == 1
    assert reply.headers["x-reflectree-run"] == told["reflectree"]["run_id"] == "run-0"
    assert reply.headers["x-reflectree-stop-reason"] == "complete"
    assert float(reply.headers["x-reflectree-score"]) == told["reflectree"]["score"]
    assert client.service.counted == [("/v1/chat/completions", 200)]
    assert client.service.in_flight == 0


def test_calls_of_tools_are_told_in_openais_form(start: Start) -> None:
    client = start(scripted('Let me look.\nAnswer: {"tool": "weather", "arguments": {"town": "Ulm"}}'))
    parameters = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
    tool = {"type": "function", "function": {"name": "weather", "parameters": parameters}}
    (choice,) = client.ask(tools=[tool]).json()["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert (call["type"], call["function"]) == ("function", {"name": "weather", "arguments": '{"town": "Ulm"}'})
    assert call["id"].startswith("call_")


def test_a_budget_that_ends_first_is_a_length(start: Start) -> None:
    client = start(scripted("Still thinking", latency=0.05))
    reply = client.ask({"x-reflectree-max-seconds": "0.02"}, model="mcts")
    (choice,) = reply.json()["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("length", "")
    assert reply.headers["x-reflectree-stop-reason"].startswith("budget:")


def test_headers_reach_the_run(start: Start) -> None:
    client = start(SmallService({"scripted": ScriptedPolicy("Answer: 1")}, caps=Budget(calls=9)))
    reply = client.ask({"X-Reflectree-Max-Calls": "3", "X-Reflectree-Run": "tuesday", "Idempotency-Key": "k"})
    assert reply.headers["x-reflectree-run"] == "tuesday"
    (chat,) = client.service.chats
    assert (chat.budget.calls, chat.run_id, chat.idempotency_key) == (3, "tuesday", "k")


def test_models_are_listed_and_looked_up(start: Start) -> None:
    client = start(SmallService({"scripted": ScriptedPolicy("x"), "openai/gpt-5-mini": ScriptedPolicy("y")}))
    listed = client.http.get("/v1/models").json()
    names = [card["id"] for card in listed["data"]]
    assert listed["object"] == "list"
    assert len(names) == 6
    assert {"mcts/scripted", "cot/openai/gpt-5-mini"} <= set(names)
    card = {"id": "cot/openai/gpt-5-mini", "object": "model", "created": 1_700_000_000, "owned_by": "reflectree"}
    assert client.http.get("/v1/models/cot/openai/gpt-5-mini").json() == card
    assert client.http.get("/v1/models/mcts").json()["id"] == "mcts/scripted"
    refused(client.http.get("/v1/models/mcst"), 404, "model_not_found")


def test_a_run_is_told_by_its_name(start: Start) -> None:
    client = start()
    client.ask({"x-reflectree-run": "mine"})
    told = client.http.get("/v1/runs/mine").json()
    assert (told["id"], told["object"], told["status"]) == ("mine", "reflectree.run", "finished")
    assert told["message"] == {"role": "assistant", "content": "24"}
    assert told["usage"]["total_tokens"] > 0
    refused(client.http.get("/v1/runs/yours"), 404, "run_not_found")


def test_a_failed_run_tells_its_error(start: Start) -> None:
    client = start(scripted(lambda request, index: ModelRejected("the key is wrong", 401)))
    client.ask({"x-reflectree-run": "mine"})
    told = client.http.get("/v1/runs/mine").json()
    assert told["status"] == "failed"
    assert told["error"]["code"] == "model_failed"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(ModelRejected("the key is wrong", 401), 502, "model_failed"), (RuntimeError("secret"), 500, "internal_error")],
)
def test_a_policy_that_fails_is_told(start: Start, error: Exception, status: int, code: str) -> None:
    client = start(scripted(lambda request, index: error))
    reply = client.ask()
    assert refused(reply, status, code)["type"] == "server_error"
    assert "secret" not in reply.text
    assert reply.headers["x-should-retry"] == "false"
    assert reply.headers["x-reflectree-run"] == "run-0"
    assert client.service.in_flight == 0


def test_a_key_is_asked_for_everywhere_but_for_health(start: Start) -> None:
    service = scripted()
    service.key = "right"
    client = start(service)
    refused(client.ask(), 401, "invalid_api_key")
    refused(client.ask({"authorization": "Bearer wrong"}), 401, "invalid_api_key")
    for path in ("/v1/models", "/v1/models/cot", "/v1/runs/x", "/metrics", "/openapi.json"):
        refused(client.http.get(path), 401, "invalid_api_key")
    for path in ("/health", "/ready"):
        assert client.http.get(path).status_code == 200
    assert client.ask({"authorization": "Bearer right"}).status_code == 200
    assert len(service.chats) == 1


def test_what_is_no_request_of_ours_is_told_in_the_same_form(start: Start) -> None:
    client = start()
    path = "/v1/chat/completions"
    refused(client.http.get(path), 405, "method_not_allowed")
    assert client.http.get(path).headers["allow"] == "POST"
    refused(client.http.post("/v1/completions", json={}), 404, "unknown_path")
    refused(client.http.post(path, content=b"{", headers=JSON), 400, "invalid_json")
    refused(client.http.post(path, content=b'{"model": "cot', headers=JSON), 400, "invalid_json")
    refused(client.http.post(path, content=b"\xff\xfe", headers=JSON), 400, "invalid_json")
    refused(client.http.post(path, content=b"[" * 50_000, headers=JSON), 400, "invalid_json")
    refused(client.http.post(path, content=b'"x"', headers=JSON), 422, "invalid_field")
    refused(
        client.http.post(path, content=b"a=b", headers={"content-type": "text/plain"}), 415, "unsupported_media_type"
    )
    refused(client.http.post(path, content=b" " * (2**20 + 1), headers=JSON), 413, "body_too_large")
    assert client.service.chats == []
    assert client.service.in_flight == 0


def test_what_a_page_of_another_site_may_send_unasked_begins_nothing(start: Start) -> None:
    client = start(address=Address("127.0.0.1", ["mine.example"]))
    path, body = "/v1/chat/completions", json.dumps(ASK).encode()
    for kind in ("text/plain", "text/plain; charset=application/json", "application/x-www-form-urlencoded"):
        refused(client.http.post(path, content=body, headers={"content-type": kind}), 415, "unsupported_media_type")
    untyped = client.http.build_request("POST", path, content=body)
    assert "content-type" not in untyped.headers
    refused(client.http.send(untyped), 415, "unsupported_media_type")
    refused(client.ask({"host": "evil.example"}), 421, "unknown_host")
    refused(client.http.get("/v1/models", headers={"host": "evil.example:80"}), 421, "unknown_host")
    assert client.service.chats == []
    assert "access-control-allow-origin" not in client.http.get("/v1/models", headers={"origin": "null"}).headers
    for host in ("localhost:1", "mine.example"):
        assert client.ask({"host": host}).status_code == 200


def test_what_cannot_be_a_runs_name_is_not_looked_for(start: Start) -> None:
    client = start()
    for name in ("%00", "%ff", "a" * 65):
        refused(client.http.get(f"/v1/runs/{name}"), 404, "run_not_found")


def test_a_body_of_fifty_megabytes_is_refused(start: Start) -> None:
    client = start()
    try:
        refused(client.http.post("/v1/chat/completions", content=b" " * 50 * 2**20), 413, "body_too_large")
    except (httpx.WriteError, httpx.RemoteProtocolError):  # the connection was closed while the client still sent
        pass
    assert client.ask().status_code == 200


def test_nothing_new_is_begun_while_draining(start: Start) -> None:
    client = start()
    client.service.draining = True
    assert refused(client.ask(), 503, "shutting_down")["type"] == "server_error"
    refused(client.http.get("/ready"), 503, "shutting_down")
    assert client.http.get("/health").status_code == 200
    client.service.draining = False


def test_metrics_and_the_description_are_served(start: Start) -> None:
    client = start()
    counted = client.http.get("/metrics")
    assert counted.text.startswith("small_requests")
    assert counted.headers["content-type"].startswith("text/plain")
    assert client.http.get("/openapi.json").json()["openapi"] == "3.1.0"


def test_texts_of_every_kind_come_back_as_they_are(start: Start) -> None:
    answer = 'Grüße 🌳 <script>alert(1)</script> \u2028 \x00 {"a": 1}'
    client = start(scripted(f"Answer: {answer}"))
    question = [{"role": "user", "content": f"{answer}\n\ndata: [DONE]"}]
    told = client.ask(messages=question).json()["choices"][0]["message"]["content"]
    joined = "".join(event["choices"][0]["delta"].get("content") or "" for event in client.events(messages=question))
    assert told == joined
    assert "<script>" in told
