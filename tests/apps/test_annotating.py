"""The annotation page over HTTP: who may ask, what it shows, and that every judgement is on disk at once."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.training.labels.growing import Tree
from typer.testing import CliRunner

from reflectree.apps import annotating
from reflectree.rlm_ops.errors import BadInput
from reflectree.training.labels.annotating import load
from reflectree.training.labels.source import Source

TOKEN = "t0ken"
SPITE = "</script><script>alert(1)</script>"


def run() -> Tree:
    tree = Tree()
    first = tree.grow("1", value=0.5)
    tree.grow(SPITE, first, value=0.25)
    return tree.end(tree.grow("3", first, answer="3", value=0.75))


@dataclass
class Page:
    port: int
    out: Path
    source: Source
    headers: dict[str, str] = field(default_factory=lambda: {"X-Reflectree-Token": TOKEN})

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
        sent = self.headers | {"Content-Type": "application/json"} | headers
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, sent)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, reply.read().decode(), dict(reply.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), dict(error.headers)

    def judge(self, row: Any) -> tuple[int, Any]:
        status, text, _ = self.ask("/judgement", json.dumps(row).encode())
        return status, json.loads(text)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    source, out = Source.of(run().trace), tmp_path / "judged.json"
    listening = annotating.bound(0)
    config = uvicorn.Config(
        annotating.build(annotating.Desk(source, out, by="ann"), TOKEN), log_level="error", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    yield Page(listening.getsockname()[1], out, source)
    server.should_exit = True
    thread.join(20)
    listening.close()
    assert not thread.is_alive()


def test_the_page_is_one_document_without_outside_parts(page: Page) -> None:
    status, text, headers = page.ask(f"/?token={TOKEN}")
    assert status == 200
    assert "NONCE" not in text
    assert not re.search(r"(src|href)=|@import|url\(|https?://", text)
    policy = headers["content-security-policy"]
    (nonce,) = set(re.findall(r'nonce="([^"]+)"', text))
    assert f"script-src 'nonce-{nonce}'" in policy
    assert "default-src 'none'" in policy
    assert page.ask(f"/?token={TOKEN}")[1] != text  # a nonce is used once
    assert "innerHTML" not in text


def test_steps_are_data_and_judgements_are_on_disk_at_once(page: Page) -> None:
    status, text, headers = page.ask("/steps")
    data = json.loads(text)
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert (data["question"], data["judgements"]) == ("What is 1 + 1 + 1?", {})
    assert [(step["node"], step["above"]) for step in data["steps"]] == [(1, []), (3, [1]), (2, [1])]
    assert data["steps"][2]["text"] == SPITE
    assert page.judge({"node": 1, "verdict": "right", "note": ""}) == (200, {"judged": 1})
    assert page.judge({"node": 2, "verdict": "wrong", "note": "spite"}) == (200, {"judged": 2})
    kept = load(page.out, page.source)
    assert (kept.by, kept.judgements[2].verdict, kept.judgements[2].note) == ("ann", "wrong", "spite")
    assert page.judge({"node": 1, "verdict": None, "note": ""}) == (200, {"judged": 1})
    assert json.loads(page.ask("/steps")[1])["judgements"] == {"2": {"verdict": "wrong", "note": "spite"}}
    assert annotating.Desk(page.source, page.out).annotations == load(page.out, page.source)  # a second visit


def test_other_pages_may_neither_read_nor_write(page: Page) -> None:
    body = json.dumps({"node": 1, "verdict": "right"}).encode()
    assert page.ask("/")[0] == 403
    assert page.ask("/?token=guess")[0] == 403
    assert page.ask("/?token=%C3%A9")[0] == 403
    for headers in ({"X-Reflectree-Token": "guess"}, {"X-Reflectree-Token": ""}, {"Host": "evil.example"}):
        assert page.ask("/steps", None, **headers)[0] == 403
        assert page.ask("/judgement", body, **headers)[0] == 403
    assert page.ask(f"/?token={TOKEN}", None, Host="evil.example:80")[0] == 403
    assert page.ask("/judgement", body, **{"Content-Type": "text/plain"})[0] == 415
    assert page.ask("/judgement")[0] == 405
    assert load(page.out, page.source).judgements == {}
    assert page.ask("/steps", None, Host="localhost:1")[0] == 200


def test_what_is_no_judgement_is_told_and_changes_nothing(page: Page) -> None:
    assert page.judge({"node": 99, "verdict": "right"})[0] == 422
    assert page.judge([1])[1] == {"error": "a judgement is a JSON object with node, verdict and note"}
    assert page.ask("/judgement", b"{")[0] == 400
    assert page.ask("/judgement", b"\xff")[0] == 400
    assert page.ask("/judgement", b" " * 200_000)[0] == 413
    page.out.unlink()
    page.out.mkdir()
    status, told = page.judge({"node": 1, "verdict": "right"})
    assert status == 422
    assert "choose another --out" in told["error"]
    assert json.loads(page.ask("/steps")[1])["judgements"] == {}


def test_the_command_refuses_what_cannot_work(tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(annotating.annotate)
    file = run().trace.save(tmp_path / "run.jsonl")
    other = Source.of(Tree().end(-1).trace)
    annotating.Desk(other, tmp_path / "other.json")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, why in (
            ([str(file), "--port", port], f"cannot listen on port {port}"),
            ([str(file), "--out", str(tmp_path / "other.json")], "whose steps are others"),
            ([str(Tree().trace.save(tmp_path / "empty.jsonl"))], "holds no step to judge"),
            ([str(tmp_path / "none.jsonl")], "cannot read the trace"),
        ):
            done = CliRunner().invoke(app, arguments)
            assert isinstance(done.exception, BadInput)
            assert why in str(done.exception)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_note_that_comes_after_its_judgement_is_kept(page: Page) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on PATH: install one")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        shown = browser.new_page()
        shown.goto(f"http://127.0.0.1:{page.port}/?token={TOKEN}")
        count = shown.locator("#count")
        sync_api.expect(shown.locator("#where")).to_contain_text("step 1 of 3")
        shown.keyboard.press("3")
        sync_api.expect(count).to_have_text("1 judged")
        sync_api.expect(shown.locator("#where")).to_contain_text("step 2 of 3")
        for keys in ("n", "later", "Escape", "ArrowLeft"):  # a note without a judgement is still there on the way back
            shown.keyboard.type(keys) if keys == "later" else shown.keyboard.press(keys)
        for keys in ("n", "off by one", "Escape", "ArrowRight"):  # the judged step's note is changed
            shown.keyboard.type(keys) if keys == "off by one" else shown.keyboard.press(keys)
        sync_api.expect(shown.locator("#note")).to_have_value("later")
        shown.keyboard.press("1")
        sync_api.expect(count).to_have_text("2 judged")
        browser.close()
    kept = load(page.out, page.source).judgements
    assert {node: (one.verdict, one.note) for node, one in kept.items()} == {
        1: ("wrong", "off by one"),
        3: ("right", "later"),
    }
