"""The viewer over HTTP: who may ask, what it gives, and that a run is followed to its end."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.apps.viewer.conftest import data_of, golden

from reflectree.apps.annotating import bound
from reflectree.apps.view_command import chunk_of, load, shown
from reflectree.apps.viewer.live import Feed
from reflectree.apps.viewer.server import Shown, build
from reflectree.apps.viewer.sources import GrowingFile

TOKEN = "t0ken"
Start = Callable[[Shown], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Serves what is shown; gives the port."""
    with ExitStack() as stack:

        def begin(what: Shown) -> int:
            listening = stack.enter_context(bound(0))
            config = uvicorn.Config(
                build(what, TOKEN), log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1
            )
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
            thread.start()

            def end() -> None:
                server.should_exit = True
                thread.join(20)
                assert not thread.is_alive()

            stack.callback(end)
            deadline = time.monotonic() + 20
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.01)
            return int(listening.getsockname()[1])

        yield begin


def ask(port: int, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.read().decode(), {name.lower(): value for name, value in reply.headers.items()}
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), {name.lower(): value for name, value in error.headers.items()}


def test_a_trace_is_a_page_with_a_policy(start: Start, tmp_path: Path) -> None:
    port = start(shown(str(golden("got").save(tmp_path / "got.jsonl")), None, "", live=False))
    status, text, headers = ask(port, f"/?token={TOKEN}")
    assert status == 200
    assert data_of(text)["traces"][0]["run"]["began"]["blueprint"] == "got"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "connect-src" not in headers["content-security-policy"]
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert headers["x-content-type-options"] == "nosniff"


def test_other_pages_and_names_are_refused(start: Start, tmp_path: Path) -> None:
    port = start(shown(str(golden("got").save(tmp_path / "got.jsonl")), None, "", live=False))
    for path in ("/", "/?token=guess", "/?token=", "/?token=%C3%A9", "/trace?i=0", "/events?from=0"):
        assert ask(port, path)[0] == 403
    home = f"/?token={TOKEN}"
    assert ask(port, home, Host="evil.example")[0] == 403
    assert ask(port, home, Host=f"evil.example:{port}")[0] == 403
    assert ask(port, home, Origin="https://evil.example")[0] == 403
    assert ask(port, home, Origin="null")[0] == 403
    assert ask(port, home, Origin=f"http://127.0.0.1:{port}")[0] == 200
    assert ask(port, home, Host=f"localhost:{port}")[0] == 200


def test_a_folder_is_a_list_whose_traces_open_by_number(start: Start, tmp_path: Path) -> None:
    for name in ("mcts", "got"):
        golden(name).save(tmp_path / f"{name}.jsonl")
    port = start(shown(str(tmp_path), None, "", live=False))
    data = data_of(ask(port, f"/?token={TOKEN}")[1])
    assert (data["mode"], [row["file"] for row in data["rows"]]) == ("list", ["got.jsonl", "mcts.jsonl"])
    one = data_of(ask(port, f"/trace?i=1&token={TOKEN}")[1])
    assert [chunk["run"]["id"] for chunk in one["traces"]] == ["mcts"]
    both = data_of(ask(port, f"/compare?a=0&b=1&token={TOKEN}")[1])
    assert [chunk["run"]["id"] for chunk in both["traces"]] == ["got", "mcts"]
    for bad in (
        "/trace?i=2",
        "/trace?i=-1",
        "/trace?i=../x",
        "/trace?x=1",
        "/compare?a=0&b=%D9%A1&i=0",
        "/events?from=0",
    ):
        assert ask(port, f"{bad}&token={TOKEN}")[0] == 404
    (tmp_path / "got.jsonl").unlink()
    assert ask(port, f"/trace?i=0&token={TOKEN}")[0] == 422


def messages(port: int, start: int, most: int = 100) -> Iterator[dict[str, Any]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/events?from={start}&token={TOKEN}", timeout=10) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                message = json.loads(line[6:])
                yield message
                most -= 1
                if message["ended"] or not most:
                    return


def test_a_growing_run_is_streamed_to_its_end(start: Start, tmp_path: Path) -> None:
    trace, file = golden("mcts"), tmp_path / "run.jsonl"
    lines = trace.dumps().splitlines(keepends=True)
    file.write_text("".join(lines[:31]))
    port = start(Shown(feed=Feed(GrowingFile(file), interval=0.01)))
    data = data_of(ask(port, f"/?token={TOKEN}")[1])
    assert (data["live"], data["traces"][0]["count"]) == (True, 30)
    texts, counts = len(data["traces"][0]["texts"]), [30]
    message: dict[str, Any] = {}
    with file.open("a") as opened:
        for message in messages(port, 30):
            if "chunk" in message:
                assert message["chunk"]["first"] == sum(counts)
                counts.append(message["chunk"]["count"])
                texts += len(message["chunk"]["texts"])
            opened.write("".join(lines[sum(counts) + 1 : sum(counts) + 41]))
            opened.flush()
    assert sum(counts) == len(trace)
    assert len(counts) > 2
    assert texts == len(chunk_of(trace)["texts"])
    assert message["chunk"]["run"]["answered"]["answer"] == "40"
    assert ask(port, f"/events?from=9999&token={TOKEN}")[0] == 404
    assert [message["ended"] for message in messages(port, len(trace))] == [True]  # a page that comes late


def test_what_breaks_on_the_way_is_said(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text("".join(golden("mcts").dumps().splitlines(keepends=True)[:20]) + "{]\n")
    port = start(Shown(feed=Feed(GrowingFile(file), interval=0.01)))
    assert "damaged: event 19" in data_of(ask(port, f"/?token={TOKEN}")[1])["traces"][0]["run"]["problems"][0]
    (last,) = messages(port, 19)
    assert last["ended"]


def test_one_trace_loads_from_a_checkpoint_too(tmp_path: Path) -> None:
    assert load(golden("got").save(tmp_path / "x.jsonl")).run_id == "got"
