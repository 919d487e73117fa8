from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.apps.conftest import Cli


def test_help_teaches_and_loads_no_torch(cli: Cli, tmp_path: Path) -> None:
    done = cli("value-server", "--help")
    assert done.code == 0
    assert "curl localhost:8100/v1/value" in done.out
    code = (
        "import sys; from reflectree.apps.cli import main\n"
        "try: main(['value-server', '--help'])\n"
        "except SystemExit: print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "starlette", "uvicorn"} & set(run.stdout.rpartition("LOADED")[2].split()) == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "no/such-model"], "no/such-model"),
        (["--model", "x", "--host", "0.0.0.0"], "--api-key-env"),
        (["--model", "x", "--api-key-env", "NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE is not set"),
        (["--model", "countdown-value", "--kind", "value-head"], "leave the options"),
        (["--model", "x", "--host", "256.1.1.1", "--insecure"], "cannot listen"),
    ],
)
def test_errors_are_one_line_and_2(arguments: list[str], said: str, cli: Cli) -> None:
    done = cli("value-server", *arguments, *([] if "--port" in arguments else ["--port", "0"]))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert said in done.err


def test_a_port_in_use_is_said_before_the_model_is_loaded(cli: Cli) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        done = cli("value-server", "--model", "no/such-model", "--port", str(sock.getsockname()[1]))
    assert (done.code, done.out) == (2, "")
    assert "is in use: give another --port" in done.err


@pytest.mark.slow
def test_a_model_is_served_until_sigterm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.tiny_models import tiny_causal_lm

    tiny_causal_lm(tmp_path / "policy", hidden=16)
    monkeypatch.setenv("A_KEY", "s3cret")
    command = [
        sys.executable, "-m", "reflectree", "value-server", "--model", str(tmp_path / "policy"), "--port", "0",
        "--format", "math-shepherd", "--name", "mine", "--api-key-env", "A_KEY", "--device", "cpu",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("mine (token-classifier, cpu, float32) on http://127.0.0.1:"), process.stderr
            url = line.split()[-1]
            assert httpx.get(f"{url}/v1/models").status_code == 401
            body = {"model": "mine", "items": [{"question": "6 * 7?", "steps": ["6 * 7 = 42", "So 42."]}]}
            headers = {"authorization": "Bearer s3cret"}
            [row] = httpx.post(f"{url}/v1/value", json=body, headers=headers).json()["data"]
            assert len(row["steps"]) == 2
            assert row["value"] == row["steps"][-1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()
