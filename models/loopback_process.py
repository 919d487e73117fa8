"""The loopback server in a process of its own, so that its work is not on the bill of what is measured.

`Remote` starts one and asks it for its counters; `main` is what runs there. It knows nothing of what the server does.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from reflectree.models.loopback import LoopbackServer
from reflectree.rlm_ops.errors import BadInput

STARTING_TIMEOUT_S = 30.0


class Remote:
    """A loopback server in another process, as a context manager.

    Attributes:
        base_url: Its address, `/v1` included.
        pid: Its process id.
    """

    def __init__(self, **options: Any) -> None:
        """Take the options of `LoopbackServer`; a callable reply is named: `reply_from="module:function"`."""
        if callable(options.get("reply")):
            raise BadInput('another process cannot be given a function: name it, reply_from="module:function"')
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""
        self.pid = 0

    def __enter__(self) -> Remote:
        # The folder that holds the package, wherever it was imported from.
        root = str(Path(__file__).parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH", "")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reflectree.models.loopback", "--tied", "--options", json.dumps(self._options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        self.pid = self._process.pid
        if not self.base_url:
            self._end()
            raise BadInput("the loopback server did not start: see its message above")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def counters(self) -> dict[str, Any]:
        """What the server has seen: `requests`, `answered`, `repeated`, `max_in_flight` and `faults` by kind."""
        address = self.base_url.removesuffix("/v1") + "/admin/counters"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=STARTING_TIMEOUT_S) as response:
            counters: dict[str, Any] = json.load(response)
            return counters

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None


def main(arguments: list[str] | None = None) -> None:
    """Serve until the process is interrupted; the first line written is the address."""
    parser = argparse.ArgumentParser(prog="python -m reflectree.models.loopback", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="median seconds an answer takes")
    parser.add_argument("--sigma", type=float, default=0.0, help="spread of the latency (lognormal)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reply", default="ok")
    parser.add_argument("--options", default="{}", help="further options of LoopbackServer as a JSON object")
    parser.add_argument("--tied", action="store_true", help="end when standard input closes")
    options = vars(parser.parse_args(arguments))
    tied = options.pop("tied")
    options |= json.loads(options.pop("options"))
    if source := options.pop("reply_from", None):
        module, _, function = source.partition(":")
        options["reply"] = getattr(importlib.import_module(module), function)
    with asyncio.Runner() as runner:
        runner.run(_serve(options, tied))


async def _serve(options: dict[str, Any], tied: bool) -> None:
    async with LoopbackServer(**options) as server:
        sys.stdout.write(server.base_url + "\n")
        sys.stdout.flush()
        if tied:  # a parent that dies closes our standard input: a killed test leaves no server behind
            await asyncio.to_thread(sys.stdin.read)
        else:
            await asyncio.Event().wait()
