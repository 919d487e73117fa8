"""The service and the application together, over real sockets."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reflectree.apps.endpoint.keys import Key, Keys, digest_of
from reflectree.apps.endpoint.limits import Limits
from reflectree.apps.endpoint.offering import offer
from reflectree.apps.endpoint.run import serving
from reflectree.apps.endpoint.service import Service
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.errors import BadInput

PATH = "/v1/chat/completions"


class Slow(ScriptedPolicy):
    """Answers with the number it is asked about, after a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__(lambda request, index: f"Answer: {_number(request)}")
        self._seconds = seconds
        self.under_way = 0

    async def complete(self, request: Request) -> Any:
        self.under_way += 1
        try:
            await asyncio.sleep(self._seconds)
            return await super().complete(request)
        finally:
            self.under_way -= 1


def _number(request: Request) -> str:
    return str(re.findall(r"ticket (\d+)", request.messages[-1].content)[-1])


def ask(number: int, **fields: Any) -> dict[str, Any]:
    return {"model": "cot", "messages": [{"role": "user", "content": f"What is ticket {number}?"}], **fields}


def service_of(seconds: float = 0.05, **options: Any) -> tuple[Service, Slow]:
    model = Slow(seconds)
    return Service(offer([model], ["cot"]), **options), model


@pytest.fixture
def served() -> Iterator[tuple[str, Service]]:
    service, _ = service_of(limits=Limits(body_bytes=100_000))
    with serving(service) as url:
        yield url, service


async def test_forty_clients_and_each_gets_its_own(served: tuple[str, Service]) -> None:
    async with httpx.AsyncClient(base_url=served[0], timeout=30, trust_env=False) as client:
        replies = await asyncio.gather(*(client.post(PATH, json=ask(number)) for number in range(40)))
    for number, reply in enumerate(replies):
        assert reply.status_code == 200, reply.text
        assert reply.json()["choices"][0]["message"]["content"] == str(number)
    assert served[1].in_flight == 0
    assert 'requests_total{path="/v1/chat/completions",status="200"} 40.0' in served[1].metrics_text()


def test_a_body_of_50_mb_is_refused_and_not_read(served: tuple[str, Service]) -> None:
    size = 50 * 2**20
    with socket.create_connection(_address(served[0])) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
        sock.settimeout(5)
        answer = sock.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"body_too_large" in answer


def test_a_body_without_a_length_is_cut_when_it_is_too_large(served: tuple[str, Service]) -> None:
    sent: list[int] = []

    def send(sock: socket.socket) -> None:
        while len(sent) < 1000:
            sock.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            sent.append(65_536)
            time.sleep(0.002)

    with socket.create_connection(_address(served[0])) as sock:
        sock.settimeout(5)
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send(sock)
    assert sum(sent) < 20 * 2**20


def test_a_body_that_does_not_come_is_408() -> None:
    service, _ = service_of(limits=Limits(body_seconds=0.3))
    with serving(service) as url, socket.create_connection(_address(url)) as sock:
        sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{{".encode())
        sock.settimeout(30)
        assert sock.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_only_the_right_key_is_let_in_and_no_value_is_told() -> None:
    keys = Keys([Key(name="ann", digest=digest_of("sk-ann"), requests_per_minute=1)])
    service, _ = service_of(0.0, keys=keys)
    with serving(service) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        for headers in ({}, {"Authorization": "Bearer sk-bob"}):
            for method, path in (("POST", PATH), ("GET", "/v1/models"), ("GET", "/metrics"), ("GET", "/v1/runs/x")):
                assert client.request(method, path, json=ask(1), headers=headers).status_code == 401
        assert client.get("/health").status_code == 200
        ann = {"Authorization": "Bearer sk-ann"}
        assert client.post(PATH, json=ask(1), headers=ann).status_code == 200
        late = client.post(PATH, json=ask(1), headers=ann)
        assert (late.status_code, late.headers["retry-after"]) == (429, "60")
        assert late.json()["error"]["type"] == "rate_limit_error"
        text = client.get("/metrics", headers=ann).text
    assert 'key="ann"' in text
    assert "sk-" not in text


def test_a_client_that_hangs_up_ends_its_calls() -> None:
    service, model = service_of(30.0)
    with serving(service) as url:
        with httpx.Client(base_url=url, timeout=0.3, trust_env=False) as client, pytest.raises(httpx.ReadTimeout):
            client.post(PATH, json=ask(1))
        _soon(lambda: model.under_way == 0 and service.in_flight == 0)
    assert "cancelled_total 1.0" in service.metrics_text()


def test_ready_says_whether_runs_can_be_saved(tmp_path: Path) -> None:
    service, _ = service_of(0.0, checkpoint=tmp_path / "runs.sqlite")
    with serving(service) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        (tmp_path / "runs.sqlite").rename(tmp_path / "away")
        refused = client.get("/ready")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "checkpoint_failed")
        assert client.get("/health").status_code == 200
    service, _ = service_of(0.0, checkpoint=tmp_path / "runs.sqlite")
    with serving(service) as url:
        assert httpx.get(f"{url}/ready", trust_env=False).json() == {"status": "ready", "in_flight": 0}


def test_draining_answers_what_is_under_way_and_refuses_the_rest() -> None:
    service, model = service_of(0.6)
    answers: list[httpx.Response] = []
    with serving(service) as url:

        def client() -> None:
            answers.append(httpx.post(url + PATH, json=ask(7), timeout=30, trust_env=False))

        thread = threading.Thread(target=client)
        thread.start()
        _soon(lambda: model.under_way == 1)
        service.draining = True
        refused = httpx.post(url + PATH, json=ask(8), trust_env=False)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "shutting_down")
        assert httpx.get(url + "/ready", trust_env=False).status_code == 503
    thread.join()
    assert answers[0].json()["choices"][0]["message"]["content"] == "7"


def test_what_outlasts_the_grace_is_stopped() -> None:
    service, model = service_of(30.0)
    answers: list[httpx.Response] = []
    with serving(service, grace=0.2) as url:
        thread = threading.Thread(
            target=lambda: answers.append(httpx.post(url + PATH, json=ask(7), timeout=30, trust_env=False))
        )
        thread.start()
        _soon(lambda: model.under_way == 1)
    thread.join()
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "run_cancelled")
    assert model.under_way == 0


def test_a_network_wants_a_key() -> None:
    service, _ = service_of()
    with pytest.raises(BadInput, match="can be reached from the network"), serving(service, host="0.0.0.0"):
        pass


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def _soon(holds: Any) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
