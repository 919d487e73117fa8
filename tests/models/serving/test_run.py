"""The server as a process: it answers what is under way, refuses the rest, and ends with 0."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.models.serving.conftest import told
from tests.support.fake_scorer import FakeScorer, expected

from reflectree.models.http.limits import check_exposure
from reflectree.models.scoring.items import Item
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.run import bind, serving, url_of, warm_up
from reflectree.models.serving.service import Service
from reflectree.rlm_ops.errors import BadInput

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.support.fake_scorer import FakeScorer
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.run import bind, serve
from reflectree.models.serving.service import Service
service = Service(ScoringEngine(FakeScorer(seconds=float(sys.argv[2])), window=0))
serve(service, bind("127.0.0.1", 0), announce=lambda url: print(url, flush=True))
"""
BODY = {"items": [{"question": "q", "steps": ["a"]}]}


@contextmanager
def _process(seconds: float) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_answers_what_is_under_way_refuses_the_rest_and_ends_with_0(number: signal.Signals) -> None:
    with _process(0.8) as (process, url), ThreadPoolExecutor(3) as pool:
        # One is in the model, two wait: all are answered.
        under_way = [pool.submit(httpx.post, f"{url}/v1/value", json=BODY, timeout=30) for _ in range(3)]
        with httpx.Client(base_url=url, trust_env=False) as http:
            _until(lambda: "reflectree_requests_in_flight 3.0" in http.get("/metrics").text)
            os.kill(process.pid, number)
            _until(lambda: http.get("/ready").status_code == 503)
            told(http.post("/v1/value", json=BODY), 503, "shutting_down")
        for reply in under_way:
            assert reply.result().json()["data"][0]["steps"] == list(expected(Item("q", ("a",))))
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health")


def test_a_port_in_use_is_one_clear_line() -> None:
    with bind("127.0.0.1", 0) as sock, pytest.raises(BadInput, match=r"port \d+ of 127.0.0.1 is in use: give another"):
        bind("127.0.0.1", sock.getsockname()[1])


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(BadInput, match=r"cannot listen on 192\.0\.2\.1:0"):
        bind("192.0.2.1", 0)


def test_a_network_is_served_with_a_key_only() -> None:
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        check_exposure(host, False, insecure=False)
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org", ""):
        with pytest.raises(BadInput, match="--api-key-env"):
            check_exposure(host, False, insecure=False)
        check_exposure(host, True, insecure=False)
        check_exposure(host, False, insecure=True)


def test_an_address_of_six_parts_is_written_in_brackets() -> None:
    try:
        sock = bind("::1", 0)
    except BadInput:
        pytest.skip("this machine has no IPv6")
    with sock:
        assert url_of(sock) == f"http://[::1]:{sock.getsockname()[1]}"


def test_a_server_in_this_process_ends_with_its_block_and_leaves_the_engine_open() -> None:
    scorer = FakeScorer()
    engine = ScoringEngine(scorer)
    threads = threading.active_count()
    with serving(Service(engine)) as url:
        assert httpx.get(f"{url}/ready").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/ready")
    assert threading.active_count() == threads
    assert not scorer.closed
    engine.close()


def test_warming_up_scores_once_whatever_the_model_reads() -> None:
    scorer = FakeScorer()
    engine = ScoringEngine(scorer)
    warm_up(engine)
    assert scorer.passes
    broken = ScoringEngine(FakeScorer(context=1))
    warm_up(broken)  # refuses every item, and says so to each client
    engine.close()
    broken.close()


def _until(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)
