from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.models.serving.conftest import Client, Start, told
from tests.support.fake_scorer import FakeScorer, expected

from reflectree.models.scoring.items import Item
from reflectree.models.serving.app import ENDPOINTS
from reflectree.models.serving.limits import Limits

BODY = {"items": [{"question": "q", "steps": ["a"]}]}


def test_what_is_served_is_told(client: Client) -> None:
    [card] = client.http.get("/v1/models").json()["data"]
    assert (card["id"], card["object"], card["owned_by"]) == ("fake", "model", "reflectree")
    assert (card["kind"], card["per_step"], card["max_model_len"]) == ("value-head", True, 200)
    assert client.http.get("/health").json() == {"status": "ok"}
    assert client.http.get("/ready").json() == {"status": "ready", "model": "fake", "waiting": 0}


def test_another_model_is_404_and_its_name_may_be_left_out(client: Client) -> None:
    assert client.refused("/v1/value", {**BODY, "model": "gpt"}, 404, "model_not_found")["type"] == "not_found_error"
    assert client.ok("/v1/value", {**BODY, "model": None})["model"] == "fake"


def test_paths_methods_and_bodies_that_are_not(client: Client) -> None:
    told(client.http.get("/v2/value"), 404, "unknown_path")
    told(client.http.get("/v1/value"), 405, "method_not_allowed")
    for body in ("", "{", b"\xff\xfe", '{"items": [NaN}', "[" * 5000):
        client.refused("/v1/value", body, 400, "invalid_json")
    for body in ("[]", "3", "null", '"text"'):
        client.refused("/v1/value", body, 422, "invalid_field")
    assert client.refused("/v1/value", '{"items": [{"question": "\\ud800"}]}', 400, "invalid_json")


def test_a_key_is_asked_for_everywhere_but_for_health(start: Start) -> None:
    client = start(api_key="s3cret-ключ")
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
        error = told(client.post("/v1/value", BODY, **headers), 401, "invalid_api_key")
        assert error["type"] == "authentication_error"
        assert "s3cret" not in error["message"]
    for path in ("/v1/models", "/metrics", "/openapi.json"):
        assert client.http.get(path).status_code == 401
    for path in ("/health", "/ready"):
        assert client.http.get(path).status_code == 200
    right = {"authorization": "bearer s3cret-ключ".encode().decode("latin-1")}
    assert client.http.get("/v1/models", headers=httpx.Headers(right, encoding="latin-1")).status_code == 200


def test_too_much_is_413_whether_announced_or_not(start: Start) -> None:
    client = start(limits=Limits(body_bytes=1000, items=3), max_queue=2)
    for size in (1100, 20_000):
        big = b'{"items": [{"question": "' + b"x" * size
        assert client.refused("/v1/value", big, 413, "body_too_large")
        chunked = client.http.post("/v1/value", content=iter([big[:600], big[600:]]))
        told(chunked, 413, "body_too_large")
    for count in (3, 4):  # more than may wait can never be taken
        client.refused("/v1/value", {"items": [{"question": "q"}] * count}, 413, "too_many_items")
    assert client.ok("/v1/value", {"items": [{"question": "q"}] * 2})


def test_a_full_queue_is_429_with_a_time_to_wait(start: Start) -> None:
    scorer = FakeScorer(gate=threading.Event())
    client = start(scorer, max_queue=2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/v1/value", BODY)
        _until(lambda: len(scorer.passes) == 1)
        second = pool.submit(client.post, "/v1/value", {"items": BODY["items"] * 2})
        _until(lambda: client.service.engine.depth == 2)
        reply = client.post("/v1/value", BODY)
        assert told(reply, 429, "overloaded")["type"] == "rate_limit_error"
        assert int(reply.headers["retry-after"]) >= 1
        assert scorer.gate is not None
        scorer.gate.set()
        assert (first.result().status_code, second.result().status_code) == (200, 200)


def test_out_of_memory_is_503_and_a_defect_is_500_without_its_text(client: Client, caplog: object) -> None:
    body = {"items": [{"question": "#oom"}]}
    assert client.refused("/v1/value", body, 503, "out_of_memory")["type"] == "server_error"
    said = client.refused("/v1/value", {"items": [{"question": "#crash"}]}, 500, "internal_error")
    assert "secret" not in said["message"]
    short = {"items": [{"question": "#short", "steps": ["a", "b"]}]}
    assert "step tag" in client.refused("/v1/value", short, 500, "scorer_failed")["message"]
    assert client.ok("/v1/value", BODY)


def test_a_client_that_hangs_up_withdraws_its_items(start: Start) -> None:
    scorer = FakeScorer(gate=threading.Event())
    client = start(scorer, window=0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/value", BODY)
        _until(lambda: len(scorer.passes) == 1)
        _hang_up_after(client.url, '{"items": [{"question": "abandoned"}]}', lambda: client.service.engine.depth == 1)
        _until(lambda: client.service.in_flight == 1)
        assert scorer.gate is not None
        scorer.gate.set()
        assert first.result().status_code == 200
    client.ok("/v1/value", {"items": [{"question": "later"}]})
    assert scorer.passes == [["q"], ["later"]]
    assert b'reflectree_requests_total{endpoint="/v1/value",status="499"} 1.0' in client.http.get("/metrics").content


def test_a_client_that_hangs_up_within_its_body_does_no_harm(start: Start) -> None:
    client = start()
    with socket.create_connection(client.http.base_url.netloc.decode().split(":")) as sock:  # type: ignore[arg-type]
        sock.sendall(b"POST /v1/value HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    _until(lambda: client.service.in_flight == 0)
    assert client.ok("/v1/value", BODY)


@pytest.mark.parametrize("clients", [40, pytest.param(500, marks=pytest.mark.slow)])
async def test_many_clients_lose_and_mix_up_no_reply(clients: int, start: Start) -> None:
    client = start(FakeScorer(seconds=0.002))

    async def ask(http: httpx.AsyncClient, number: int) -> bool:
        items = [Item(f"question {number}", tuple(f"step {k} of {number}" for k in range(n + 1))) for n in range(3)]
        body = {"items": [{"question": item.question, "steps": item.steps} for item in items]}
        reply = await http.post("/v1/value", json=body)
        return [tuple(row["steps"]) for row in reply.json()["data"]] == [expected(item) for item in items]

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=client.url, timeout=110, limits=limits, trust_env=False) as http:
        assert await asyncio.gather(*(ask(http, number) for number in range(clients))) == [True] * clients
    assert sum(map(len, client.scorer.passes)) == 3 * clients
    assert len(client.scorer.passes) < clients


def test_metrics_count_requests_items_and_tokens(start: Start) -> None:
    client = start()
    client.ok("/v1/value", {"items": [{"question": "two words"}, {"question": "one"}]})
    client.refused("/score", {}, 422, "invalid_field")
    client.http.get("/nowhere")
    reply = client.http.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    lines = set(reply.text.splitlines())
    for line in (
        'reflectree_requests_total{endpoint="/v1/value",status="200"} 1.0',
        'reflectree_requests_total{endpoint="/score",status="422"} 1.0',
        'reflectree_requests_total{endpoint="other",status="404"} 1.0',
        "reflectree_items_total 2.0",
        "reflectree_tokens_total 3.0",
        "reflectree_cached_tokens_total 2.0",
        "reflectree_queue_depth 0.0",
        "reflectree_requests_in_flight 0.0",
        "reflectree_batch_items_sum 2.0",
        "reflectree_queue_seconds_count 2.0",
        "reflectree_forward_seconds_count 1.0",
    ):
        assert line in lines, line


def test_the_description_names_every_path(client: Client) -> None:
    told_of = client.http.get("/openapi.json").json()
    assert told_of["openapi"] == "3.1.0"
    assert set(told_of["paths"]) == {path for endpoint in ENDPOINTS for path in endpoint.paths} | {
        "/v1/models", "/health", "/ready", "/metrics", "/openapi.json"
    }  # fmt: skip
    text = client.http.get("/openapi.json").text
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(told_of["components"]["schemas"])
    form = told_of["components"]["schemas"]["ValueBody"]["properties"]
    assert set(form) == {"model", "items", "reduce", "return"}


def test_while_draining_new_requests_are_503(start: Start) -> None:
    client = start()
    client.service.draining = True
    told(client.http.get("/ready"), 503, "shutting_down")
    reply = client.post("/v1/value", BODY)
    told(reply, 503, "shutting_down")
    assert reply.headers["retry-after"]
    assert client.http.get("/health").status_code == 200


def test_a_closed_engine_is_503(start: Start) -> None:
    client = start()
    client.service.engine.close()
    client.refused("/v1/value", BODY, 503, "shutting_down")


def _hang_up_after(url: str, body: str, condition: object) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as sock:
        head = f"POST /v1/value HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        sock.sendall((head + body).encode())
        _until(condition)


def _until(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.005)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_needs_no_key(host: str) -> None:
    from reflectree.models.http.limits import check_exposure

    check_exposure(host, False, insecure=False)
