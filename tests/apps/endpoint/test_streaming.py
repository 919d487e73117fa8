"""Streams: their parts in order, errors within, comments in silence, and clients that hang up or stop reading."""

from __future__ import annotations

import itertools
import json
import socket
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.apps.endpoint.conftest import ASK, Client, Start, refused
from tests.apps.endpoint.small_service import scripted

from reflectree.apps.endpoint.streaming import pieces
from reflectree.models.base import Request
from reflectree.rlm_ops.errors import ModelRejected

LONG = " ".join(f"word{number}" for number in range(200))


def test_a_stream_tells_the_search_then_the_answer_then_the_bill(start: Start) -> None:
    client = start(scripted(f"Thinking.\nAnswer: {LONG}"))
    *chunks, bill = client.events(stream_options={"include_usage": True})
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    kinds = [next(iter(delta), "finish") for delta in deltas[1:]]
    assert [kind for kind, _ in itertools.groupby(kinds)] == ["reasoning_content", "content", "finish"]
    assert "".join(delta.get("content") or "" for delta in deltas) == LONG
    assert sum("content" in delta for delta in deltas) > 5
    thought = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert thought.splitlines()[0] == "begins: cot, seed 0"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-2:]] == [None, "stop"]
    assert chunks[-1]["reflectree"]["run_id"] == "run-0"
    assert {chunk["id"] for chunk in [*chunks, bill]} == {"chatcmpl-run-0"}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert all(chunk["usage"] is None for chunk in chunks)
    assert bill["choices"] == []
    assert bill["usage"]["total_tokens"] == bill["usage"]["prompt_tokens"] + bill["usage"]["completion_tokens"] > 0
    _until(lambda: client.service.counted == [("/v1/chat/completions", 200)])
    assert client.service.in_flight == 0


def test_without_being_asked_for_there_is_no_bill(start: Start) -> None:
    events = start().events()
    assert all("usage" not in event and event["choices"] for event in events)


def test_a_stream_and_a_reply_say_the_same(start: Start) -> None:
    client = start()
    joined = "".join(event["choices"][0]["delta"].get("content") or "" for event in client.events())
    assert joined == client.ask().json()["choices"][0]["message"]["content"]


def test_calls_of_tools_are_streamed(start: Start) -> None:
    calls = '{"tool": "now", "arguments": {}}\n{"tool": "now", "arguments": {"in": "Ulm"}}'
    client = start(scripted(f"Answer: {calls}"))
    events = client.events(tools=[{"type": "function", "function": {"name": "now"}}])
    found = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", ())]
    assert [call["index"] for call in found] == [0, 1]
    assert [json.loads(call["function"]["arguments"]) for call in found] == [{}, {"in": "Ulm"}]
    assert len({call["id"] for call in found}) == 2
    assert events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_line_ends_of_unicode_end_no_line_of_the_stream(start: Start) -> None:
    text = "a\u2028b\x85c\u2029d"
    reply = start(scripted(f"Answer: {text}")).ask(stream=True)
    assert all(not line or line.startswith(("data: ", ":")) for line in reply.text.splitlines())
    *events, _done, _rest = reply.text.split("\n\n")
    deltas = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events]
    assert "".join(delta.get("content") or "" for delta in deltas) == text


@pytest.mark.parametrize("stream", [False, True])
def test_half_a_character_in_the_arguments_of_a_call_breaks_nothing(stream: bool, start: Start) -> None:
    """JSON can say half of a surrogate pair, and no text can hold it."""
    client = start(scripted('Answer: {"tool": "now", "arguments": {"in": "Ulm \\ud83d", "\\ud83d\\ude42": 1}}'))
    tools = [{"type": "function", "function": {"name": "now"}}]
    if stream:
        [call] = [
            call for event in client.events(tools=tools) for call in event["choices"][0]["delta"].get("tool_calls", ())
        ]
    else:
        reply = client.ask(tools=tools)
        assert reply.status_code == 200, reply.text
        [call] = reply.json()["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"in": "Ulm ?", "\U0001f642": 1}


def test_what_cannot_work_from_the_start_has_a_status(start: Start) -> None:
    client = start()
    refused(client.ask(stream=True, model="x"), 404, "model_not_found")
    refused(client.ask(stream=True, n=2), 422, "invalid_field")
    refused(client.ask({"x-reflectree-max-usd": "x"}, stream=True), 422, "invalid_header")


def test_an_error_on_the_way_is_told_within_the_stream(start: Start) -> None:
    def fail(request: Request, index: int) -> Exception:
        time.sleep(0.001)
        return ModelRejected("the key is wrong", 401)

    client = start(scripted(fail, latency=0.05))
    *_, last = client.events()
    assert last["error"]["code"] == "model_failed"
    assert last["error"]["message"] == "the key is wrong"
    _until(lambda: client.service.counted == [("/v1/chat/completions", 502)])


def test_silence_is_broken_by_comments(start: Start) -> None:
    client = start(scripted("Answer: 1", latency=0.2), keep_alive=0.03)
    text = client.ask(stream=True).text
    assert text.count(": searching\n\n") >= 3
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("streams", [False, True])
def test_a_client_that_hangs_up_ends_the_run(start: Start, streams: bool, fast: bool) -> None:
    client = start(scripted("Answer: 1", latency=60), fast=fast)
    with _ask(client, streams) as sock:
        _until(lambda: bool(client.service.chats) and client.service.runs["run-0"].begun.is_set())
        assert client.service.in_flight == 1
        assert client.service.ended == []
        sock.shutdown(socket.SHUT_RDWR)
    _until(lambda: client.service.ended == ["run-0"])
    assert client.service.all_gone(), client.service.left()
    assert client.service.counted == [("/v1/chat/completions", 499)]


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_that_hangs_up_at_once_leaves_nothing(start: Start, streams: bool) -> None:
    client = start(scripted("Answer: 1", latency=60))
    for _ in range(20):
        _ask(client, streams).close()
    _until(lambda: len(client.service.counted) == 20)
    assert client.service.all_gone(), client.service.left()
    assert len(client.service.ended) == len(client.service.chats)


@pytest.mark.parametrize("fast", [False, True])
def test_a_client_that_stops_reading_is_cut(start: Start, fast: bool) -> None:
    service = scripted("Answer: 1", latency=0.002)
    service.line_of = lambda event, structure: "x" * 200_000
    client = start(service, patience=0.3, fast=fast)
    with _ask(client, True, model="mcts", buffer=4096):
        _until(lambda: service.ended == ["run-0"], 20.0)
        assert service.all_gone(), service.left()
    assert service.counted == [("/v1/chat/completions", 499)]


@pytest.mark.parametrize("fast", [False, True])
def test_a_reply_that_nobody_takes_is_cut(start: Start, fast: bool) -> None:
    service = scripted()
    service.line_of = lambda event, structure: "x" * 3_000_000  # more than the system takes into its own buffers
    client = start(service, patience=0.3, fast=fast)
    with _ask(client, False, buffer=4096), _ask(client, False, buffer=4096):
        _until(lambda: len(service.ended) == 2)
        assert service.all_gone(), service.left()
    assert service.counted == [("/v1/chat/completions", 200)] * 2


def test_a_slow_reader_gets_all_of_it(start: Start) -> None:
    service = scripted()
    service.line_of = lambda event, structure: "x" * 3_000_000
    client = start(service, patience=0.2)
    with _ask(client, False, buffer=2**17) as sock:
        _until(lambda: service.ended == ["run-0"])
        got = b""
        while b'"usd"' not in got[-400:]:
            got += sock.recv(2**17)
            time.sleep(0.005)
    assert got.count(b"x") >= 9_000_000


@given(st.text(alphabet=st.sampled_from("ab \nü"), max_size=80), st.integers(1, 9))
def test_pieces_are_the_text(text: str, size: int) -> None:
    found = list(pieces(text, size))
    assert "".join(found) == text
    assert all(0 < len(piece) <= size for piece in found)


def _ask(client: Client, streams: bool, *, buffer: int | None = None, **fields: Any) -> socket.socket:
    """A raw connection on which a request was sent, and nothing is read."""
    host, port = client.url.removeprefix("http://").split(":")
    sock = socket.socket()
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.connect((host, int(port)))
    body = json.dumps({**ASK, "stream": streams, **fields}).encode()
    kind = "Content-Type: application/json"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    sock.sendall(head.encode() + body)
    return sock


def _until(holds: Any, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.005)
