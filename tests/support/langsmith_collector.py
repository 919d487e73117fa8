"""LangSmith's collector on 127.0.0.1: what its own client sends, read back as a tree of runs.

It takes runs as the client's versions send them, one by one, in batches, and in (compressed) parts of one form.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import zstandard

INFO = {
    "version": "0.14.0",
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20_000_000,
        "scale_up_qsize_trigger": 1000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
    },
    "instance_flags": {"zstd_compression_enabled": True},
}
"""What the service says of itself."""


@dataclass
class Seen:
    """What has been sent.

    Attributes:
        url: Where.
        runs: Everything known of each run, by its id.
        requests: Method and path of each request that came.
        raw: All bodies, readable.
    """

    url: str
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    raw: bytes = b""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def below(self, run: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The runs right below one, or the roots, in the order in which they began."""
        above = None if run is None else run["id"]
        found = [one for one in self.runs.values() if one.get("parent_run_id") == above]
        return sorted(found, key=lambda one: str(one["dotted_order"]))

    def tree(self, run: dict[str, Any] | None = None, depth: int = 0) -> list[str]:
        """Names, indented by how far below a root they are."""
        pad = "  " * depth
        return [line for one in self.below(run) for line in (f"{pad}{one['name']}", *self.tree(one, depth + 1))]

    def above(self, run: dict[str, Any]) -> list[str]:
        """The names of the runs that one stands in, the root's first."""
        parent = self.runs.get(run.get("parent_run_id", ""))
        return [] if parent is None else [*self.above(parent), parent["name"]]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The runs of a name."""
        return [one for one in self.runs.values() if one["name"] == name]

    def tokens(self) -> int:
        """What the service adds up: the tokens of all model runs."""
        return sum(map(tokens_of, self.runs.values()))

    def take(self, one: dict[str, Any]) -> None:
        """Add what is newly known of a run."""
        known = self.runs.setdefault(str(one["id"]), {})
        known.update({name: value for name, value in one.items() if value is not None})


def tokens_of(run: dict[str, Any]) -> int:
    """What a run is counted for, which only model runs are."""
    usage = run["extra"]["metadata"].get("usage_metadata") if run["run_type"] == "llm" else None
    return 0 if usage is None else int(usage["total_tokens"])


@contextmanager
def collector() -> Iterator[Seen]:
    """One that listens until it is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(INFO)

        def do_PATCH(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "zstd":
                body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
            with seen.lock:
                seen.raw += body
                for one in _runs_of(self.path, self.headers.get("Content-Type", ""), body):
                    seen.take(one)
            self._answer({})

        def _answer(self, value: Any) -> None:
            with seen.lock:
                seen.requests.append(f"{self.command} {self.path}")
            said = json.dumps(value).encode()
            self.send_response(200 if self.command == "GET" else 202)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen = Seen(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _runs_of(path: str, kind: str, body: bytes) -> Iterator[dict[str, Any]]:
    """What a request says of runs."""
    if path.endswith("/runs/multipart"):
        form = BytesParser(policy=default).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        for part in form.iter_parts():
            _, run, *of = part["Content-Disposition"].params["name"].split(".", 2)
            said = json.loads(cast(bytes, part.get_payload(decode=True)))
            yield {"id": run, of[0]: said} if of else {"id": run, **said}
    elif path.endswith("/runs/batch"):
        given = json.loads(body)
        yield from (*given.get("post", ()), *given.get("patch", ()))
    elif path.endswith("/runs"):
        yield json.loads(body)
    else:
        yield {"id": path.rpartition("/")[2], **json.loads(body)}
