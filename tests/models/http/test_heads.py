"""A real server, and clients on bare sockets."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reflectree.models.http import heads
from reflectree.models.http.running import DrainingServer, bind, on_a_thread

SLOW = b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n"


class Echo:
    """Answers at once, or waits for its client to hang up."""

    draining, in_flight = False, 0

    def __init__(self) -> None:
        self.begun, self.left = 0, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            self.begun += 1
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left += 1
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def _connected(app: Echo, *, fast: bool = True) -> Iterator[socket.socket]:
    server = DrainingServer(app, app, 1.0, lambda: None, fast=fast)
    with on_a_thread(server, bind("127.0.0.1", 0), "echo") as url:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as client:
            yield client


def _cut(client: socket.socket, piece: bytes) -> bool:
    """Whether the server cuts a client that sends so without end."""
    try:
        for _ in range(1000):
            client.sendall(piece)
            time.sleep(0.001)
    except ConnectionError:
        return True
    return False


def _all(client: socket.socket) -> bytes:
    """What comes until the server closes."""
    found = b""
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionError:
        pass
    return found


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("piece", [b"a" * 65536, b"X-A: a\r\n" * 8192], ids=["one long header", "many headers"])
def test_a_head_without_end_is_cut(fast: bool, piece: bytes) -> None:
    with _connected(Echo(), fast=fast) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: ")
        assert _cut(client, piece)


def test_trailers_without_end_are_cut() -> None:
    with _connected(Echo()) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        assert _cut(client, b"X-A: a\r\n" * 1024)


def test_what_is_cut_is_told() -> None:
    with _connected(Echo()) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + b"a" * (heads.HEAD_BYTES + 1))
        assert _all(client).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("fast", [True, False])
def test_a_large_body_and_a_head_in_pieces_are_no_matter(fast: bool) -> None:
    with _connected(Echo(), fast=fast) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Le")
        time.sleep(0.05)
        client.sendall(b"ngth: 3000000\r\n\r\n" + b"a" * 3_000_000)
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert len(re.findall(rb"HTTP/1.1 200", _all(client))) == 2


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("sent", [b"", b"GET / HT"], ids=["nothing", "half a line"])
def test_who_never_asks_is_not_waited_for(fast: bool, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.1)
    with _connected(Echo(), fast=fast) as client:
        client.sendall(sent)
        assert _all(client) == b""


def test_an_answer_may_take_longer_than_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.05)
    app = Echo()
    with _connected(app) as client:
        client.sendall(SLOW)
        time.sleep(0.2)
        assert (app.begun, app.left) == (1, 0)


def test_each_of_several_requests_is_told_that_its_client_is_gone() -> None:
    app = Echo()
    with _connected(app) as client:
        client.sendall(SLOW * 3)
        time.sleep(0.1)
        client.close()
        until = time.monotonic() + 5
        while not app.left and time.monotonic() < until:
            time.sleep(0.01)
        assert app.left >= 1
