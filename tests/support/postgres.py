"""A Postgres of its own for a test: made in a folder, started on a free port, gone afterwards."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def _program(name: str) -> str | None:
    """Where a program of Postgres is, the newest version first."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), key=lambda path: int(path.split("/")[4]))
    return found[-1] if found else shutil.which(name)


def _user() -> dict[str, Any]:
    """Postgres refuses to be run by root: the options of a process of somebody else, where we are root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    pytest.skip("Postgres does not run as root, and there is no user postgres or nobody")


@contextlib.contextmanager
def postgres(password: str = "s3cret:pass") -> Iterator[str]:
    """The address of a database of a server that lives as long as the block; skips where Postgres is not installed."""
    from urllib.parse import quote

    initdb, server = _program("initdb"), _program("postgres")
    if initdb is None or server is None:
        pytest.skip("no Postgres here: install it (initdb and postgres) to run this test")
    user = _user()
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        if user:
            os.chown(folder, user["user"], user["group"])
        secret = Path(folder, "password")
        secret.write_text(password)
        secret.chmod(0o644)
        data = f"{folder}/data"
        quiet: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **user}
        command = [initdb, "-D", data, "-U", "tester", "-A", "scram-sha-256", f"--pwfile={secret}", "-N", "-E", "UTF8"]
        subprocess.run([*command, "--no-locale"], check=True, **quiet)
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={folder}"]
        process: subprocess.Popen[Any] = subprocess.Popen([server, "-D", data, *settings, "-c", "fsync=off"], **quiet)
        try:
            url = f"postgresql://tester:{quote(password, safe='')}@127.0.0.1:{port}/postgres"
            _wait(process, url)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def _wait(process: subprocess.Popen[Any], url: str) -> None:
    """Wait until it answers."""
    import time

    import psycopg

    until = time.monotonic() + 30
    while True:
        assert process.poll() is None, "Postgres ended at once"
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert time.monotonic() < until, "Postgres does not answer"
            time.sleep(0.05)
        else:
            return
