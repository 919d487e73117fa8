"""The books of connections, and a real server with clients on bare sockets."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from tests.models.http.test_heads import SLOW, Echo

from reflectree.models.http.room import MOST, Room, room
from reflectree.models.http.running import DrainingServer, bind, on_a_thread
from reflectree.rlm_ops.errors import BadInput

ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


class Line:
    """A connection in the books."""

    def __init__(self, place: Room) -> None:
        self.place, self.closed = place, False

    def leave(self) -> None:
        self.closed = True


def test_the_longest_idle_makes_room_and_who_is_busy_never_does() -> None:
    place = Room(3)
    lines = [Line(place) for _ in range(6)]
    assert all(place.enter(line) for line in lines[:3])
    place.busy(lines[0])
    place.busy(lines[1])
    place.idle(lines[1])  # answered: idle for less long than the third
    assert place.enter(lines[3])
    assert [line.closed for line in lines] == [False, False, True, False, False, False]
    place.busy(lines[1])
    place.busy(lines[3])
    assert not place.enter(lines[4])
    assert place.held == 3
    place.left(lines[0])
    assert place.enter(lines[5])
    assert [line.closed for line in lines[3:]] == [False, False, False]


def test_what_is_closed_is_not_idle_again() -> None:
    place = Room(1)
    line, other = Line(place), Line(place)
    assert place.enter(line)
    assert place.enter(other)
    place.idle(line)
    place.left(line)
    assert place.held == 1


def test_that_all_are_busy_is_logged_once_and_again_after_there_was_room(caplog: pytest.LogCaptureFixture) -> None:
    place = Room(1)
    line = Line(place)
    for _ in range(2):
        assert place.enter(line)
        place.busy(line)
        assert not any(place.enter(Line(place)) for _ in range(3))
        place.left(line)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_how_much_room_there_is_by_itself_and_what_is_too_much() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    try:
        assert room().most == 500
        assert room(7).most == 7
        with pytest.raises(BadInput, match="more than the 1,000 open files allowed here: see ulimit -n"):
            room(1000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_may_open_as_many_files_as_it_is_allowed_to() -> None:
    said = (
        "import resource; soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard));"
        "from reflectree.models.http.room import open_more, room;"
        "print(room().most, end=' '); open_more(); print(room().most, (hard if 0 < hard < 40_000 else 40_000) // 2)"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    before, after, possible = map(int, done.stdout.split())
    assert (before, after) == (128, min(MOST, possible))


@contextmanager
def _served(most: int, *, fast: bool) -> Iterator[tuple[Room, Echo, Callable[[], socket.socket]]]:
    app, place = Echo(), Room(most)
    server = DrainingServer(app, app, 1.0, lambda: None, fast=fast, connections=place)
    with on_a_thread(server, bind("127.0.0.1", 0), "echo") as url, ExitStack() as stack:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        yield place, app, lambda: stack.enter_context(socket.create_connection(address, timeout=30))


def _answer(client: socket.socket) -> bytes:
    """What the server says, or nothing where it closes."""
    found = b""
    try:
        client.sendall(ASK)
        while not found.endswith(b"ok") and (piece := client.recv(65536)):
            found += piece
    except ConnectionError:
        return b""
    return found


def _closed(client: socket.socket) -> bool:
    try:
        return client.recv(65536) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("fast", [True, False])
def test_those_who_ask_nothing_cannot_keep_others_out(fast: bool) -> None:
    with _served(4, fast=fast) as (place, _, connect):
        silent = [connect() for _ in range(4)]
        asking = [connect() for _ in range(3)]
        for client in asking:
            assert _answer(client).startswith(b"HTTP/1.1 200 ")
        assert all(map(_closed, silent[:3]))
        assert place.held == 4
        assert _answer(silent[3]).startswith(b"HTTP/1.1 200 ")  # the last of them still may
        assert _answer(asking[0]).startswith(b"HTTP/1.1 200 ")  # kept alive


@pytest.mark.parametrize("fast", [True, False])
def test_who_is_being_answered_keeps_the_place(fast: bool) -> None:
    with _served(2, fast=fast) as (place, app, connect):
        slow = [connect(), connect()]
        for client in slow:
            client.sendall(SLOW)
        _soon(lambda: app.begun == 2)
        assert _answer(connect()) == b""
        slow[0].close()
        _soon(lambda: place.held == 1)
        assert _answer(connect()).startswith(b"HTTP/1.1 200 ")
        assert app.left == 1


def _soon(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)
