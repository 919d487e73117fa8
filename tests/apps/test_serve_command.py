from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.apps.conftest import Cli

from reflectree.models.loopback_process import Remote

SERVE = [sys.executable, "-m", "reflectree", "serve"]
NOWHERE = "x=http://127.0.0.1:1/v1#m"


def test_help_teaches_and_loads_no_server(cli: Cli, tmp_path: Path) -> None:
    done = cli("serve", "--help")
    assert done.code == 0
    assert "Try:" in done.out
    assert "curl localhost:8000/v1/chat/completions" in done.out
    code = (
        "import sys; from reflectree.apps.cli import main\n"
        "try: main(['serve', '--help'])\n"
        "except SystemExit: print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.rpartition("LOADED")[2].split())
    assert loaded & {"starlette", "uvicorn", "prometheus_client", "langgraph", "psycopg", "torch"} == set()


def test_without_the_extra_it_says_which_one(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('starlette', 'uvicorn', 'prometheus_client')))\n"
        "from reflectree.apps.cli import main; main(['serve', '-m', 'embedded'])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("error: the endpoint needs starlette")
    assert "reflectree[serve]" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "--api-key-env NAME or --keys FILE"),
        (["--api-key-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is not set"),
        (["--keys", "absent.yaml"], "cannot read the keys in absent.yaml"),
        (["--model-key-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is not set"),
        (["--host", "256.1.1.1", "--insecure"], "cannot listen"),
        (["-m", "no-such-model"], "unknown model 'no-such-model'"),
        (["-m", NOWHERE, "-b", "mcst"], "mcts"),
        (["-m", NOWHERE, "-b", "react"], "blueprint react cannot be served"),
        (["-m", NOWHERE, "--max-usd", "1"], "--max-usd"),
        (["-m", NOWHERE, "--price", "cheap"], "--price"),
        (["-m", NOWHERE, "-b", "cot", "--checkpoint", "absent/runs.sqlite"], "there is no folder absent"),
        (["-m", NOWHERE, "-b", "cot", "--checkpoint", "postgresql://me:s3cret@127.0.0.1:1/x"], "cannot connect to"),
    ],
)
def test_errors_are_one_line_and_2(
    arguments: list[str], said: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("serve", "--port", "0", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert said in done.err
    assert "s3cret" not in done.err


def test_a_port_in_use_is_said_before_a_model_is_made(cli: Cli) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        done = cli("serve", "-m", "no-such-model", "--port", str(sock.getsockname()[1]))
    assert (done.code, done.out) == (2, "")
    assert "is in use: give another --port" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_served_until_it_is_told_to_end(end: signal.Signals, tmp_path: Path) -> None:
    with Remote(reply="Answer: 391") as model:
        command = [*SERVE, "--port", "0", "-m", f"a={model.base_url}#loopback", "-b", "cot", "--api-key-env", "A_KEY"]
        environment = {**os.environ, "A_KEY": "s3cret"}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        ) as run:
            assert run.stdout is not None
            assert run.stderr is not None
            first, example = run.stdout.readline(), run.stdout.readline()
            address = re.search(r"http://[\d.:]+", first)
            assert address is not None
            assert "cot/a" in first
            assert "YOUR_KEY" in example
            command = re.findall(r"-d '(.*)'", example)
            headers = {"Authorization": "Bearer s3cret", "Content-Type": "application/json"}
            url = f"{address[0]}/v1/chat/completions"
            reply = httpx.post(url, content=command[0], headers=headers, timeout=30, trust_env=False)
            assert reply.json()["choices"][0]["message"]["content"] == "391"
            assert httpx.post(url, content=command[0], trust_env=False).status_code == 401
            run.send_signal(end)
            assert run.wait(20) == 0
            assert run.stderr.read() == ""
            assert "s3cret" not in first + example


@pytest.mark.slow
def test_the_second_signal_ends_at_once(tmp_path: Path) -> None:
    with Remote(reply="Answer: 391", latency=60.0) as model:
        command = [*SERVE, "--port", "0", "-m", f"a={model.base_url}#loopback", "-b", "cot", "--drain-seconds", "60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            address = re.search(r"http://[\d.:]+", run.stdout.readline())
            assert address is not None
            body = {"model": "cot", "messages": [{"role": "user", "content": "What?"}]}
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{address[0]}/v1/chat/completions", json=body, timeout=1, trust_env=False)
            asking = subprocess.Popen(
                [sys.executable, "-c", f"import httpx; httpx.post('{address[0]}/v1/chat/completions', json={body!r})"],
                stderr=subprocess.DEVNULL,
            )
            while "under_way 1.0" not in httpx.get(f"{address[0]}/metrics", trust_env=False).text:
                pass
            run.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                run.wait(0.5)
            run.send_signal(signal.SIGTERM)
            run.wait(5)
            asking.wait(5)
