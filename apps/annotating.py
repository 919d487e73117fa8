"""`reflectree data annotate TRACE`: a page on this machine on which a person judges a run's steps, one by one.

The page is one document without outside parts. It is served on the loopback address only; the address holds a random
token, every request must bring it along, and the name asked for must be the loopback's, so no other page open in the
browser can read or write anything. Texts of models reach the page as data and are set as text, never as markup.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import socket
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from reflectree.training.labels.source import Source

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost", "[::1]")
"""Hosts by which the page may be asked for: a foreign name that resolves to this machine is not one of them."""
MOST_BODY = 100_000
"""Most bytes of a judgement."""


class Desk:
    """A run under judgement and the file its judgements are kept in."""

    def __init__(self, source: Source, out: Path, *, by: str = "", only_answer: bool = False) -> None:
        """Judgements that are in the file already are gone on with.

        Raises:
            BadInput: The file is of another run, or cannot be written.
        """
        from reflectree.training.labels import annotating

        self.source, self.out = source, out
        self.steps = annotating.steps_to_judge(source, only_answer=only_answer)
        self.annotations = annotating.load(out, source) if out.exists() else annotating.blank(source, by)
        annotating.save(self.annotations, out)  # a path that cannot be written is told now, not after an hour's work

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        said = self.annotations.judgements
        return {
            "run": self.source.trace.run_id,
            "question": self.source.question,
            "out": str(self.out),
            "steps": [
                {
                    "node": step.node,
                    "above": self.source.read(step.node)[:-1],
                    "before": step.before,
                    "text": step.text,
                    "answer": step.answer,
                }
                for step in self.steps
            ],
            "judgements": {node: {"verdict": one.verdict, "note": one.note} for node, one in said.items()},
        }

    def judge(self, row: Any) -> int:
        """Take a judgement and save it; how many steps are judged now.

        Raises:
            BadInput: It is none, or cannot be saved.
        """
        from reflectree.rlm_ops.errors import BadInput
        from reflectree.training.labels import annotating

        if not isinstance(row, dict):
            raise BadInput("a judgement is a JSON object with node, verdict and note")
        changed = annotating.with_judgement(self.annotations, self.source, row)
        annotating.save(changed, self.out)
        self.annotations = changed
        return len(changed.judgements)


def build(desk: Desk, token: str) -> Starlette:
    """The page and its two endpoints, `GET /steps` and `POST /judgement`."""
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Route

    from reflectree.rlm_ops.errors import BadInput

    page = files("reflectree.apps").joinpath("annotating.html").read_text(encoding="utf-8")

    async def show(request: Request) -> Response:
        if not _same(request.query_params.get("token"), token):
            return HTMLResponse("Open the address that reflectree printed: it holds the token.", 403)
        nonce = secrets.token_urlsafe(16)
        policy = f"default-src 'none'; connect-src 'self'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
        headers = {"Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
        return HTMLResponse(page.replace("NONCE", nonce), headers=headers)

    async def steps(request: Request) -> Response:
        return JSONResponse(desk.state())

    async def judgement(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return JSONResponse({"error": "send JSON"}, 415)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BODY:
                return JSONResponse({"error": "the note is too long"}, 413)
        try:
            return JSONResponse({"judged": desk.judge(json.loads(body))})
        except ValueError:
            return JSONResponse({"error": "this is not JSON"}, 400)
        except BadInput as error:
            return JSONResponse({"error": str(error)}, 422)

    def guarded(endpoint: Callable[[Request], Awaitable[Response]], *, bare: bool = False) -> Any:
        async def guard(request: Request) -> Response:
            if _host(request) not in NAMES:
                response: Response = JSONResponse({"error": "this page is for this machine only"}, 403)
            elif not bare and not _same(request.headers.get("x-reflectree-token"), token):
                response = JSONResponse({"error": "the token is missing or wrong: open the address again"}, 403)
            else:
                response = await endpoint(request)
            response.headers.update(
                {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
            )
            return response

        return guard

    return Starlette(
        routes=[
            Route("/", guarded(show, bare=True)),
            Route("/steps", guarded(steps)),
            Route("/judgement", guarded(judgement), methods=["POST"]),
        ]
    )


def _same(given: str | None, token: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), token.encode())


def _host(request: Request) -> str:
    """The name the browser asked for, without its port."""
    name = request.headers.get("host", "")
    return name[: name.index("]") + 1] if name.startswith("[") and "]" in name else name.partition(":")[0]


def bound(port: int) -> socket.socket:
    """A socket on the loopback address.

    Raises:
        BadInput: The port is taken or forbidden.
    """
    from reflectree.rlm_ops.errors import BadInput

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise BadInput(f"cannot listen on port {port}: {error.strerror}; choose another --port") from error
    return listening


def annotate(
    file: Annotated[str, typer.Argument(metavar="TRACE", help="A trace, as --trace saves it.")],
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where judgements are kept; TRACE.judged.json if not given.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who judges, for the file.")] = "",
    only_answer: Annotated[
        bool, typer.Option("--only-answer", help="Only the steps on the way to the answer.")
    ] = False,
) -> None:
    """Judge the steps of a trace on a page of this machine: right, neutral or wrong, with a note.

    Every judgement is saved at once; a second visit goes on where the first ended. Ctrl-C ends it.

    Try:

        reflectree data annotate run.jsonl

        reflectree data annotate run.jsonl --only-answer --out mine.json
    """
    from reflectree.apps.terminal import many, note
    from reflectree.rlm_ops.errors import BadInput
    from reflectree.rlm_ops.extras import require
    from reflectree.rlm_ops.trace import Trace
    from reflectree.training.labels.source import Source

    require("starlette", "serving", "annotating")
    uvicorn = require("uvicorn", "serving", "annotating")
    trace = Trace.load(file)
    if trace.damage:
        note(f"damaged: {trace.damage}")
    desk = Desk(Source.of(trace), out or Path(f"{file}.judged.json"), by=by, only_answer=only_answer)
    if not desk.steps:
        raise BadInput(f"{file} holds no step to judge")
    token = secrets.token_urlsafe(24)
    with bound(port) as listening:
        said = len(desk.annotations.judgements)
        typer.echo(f"http://{HOST}:{listening.getsockname()[1]}/?token={token}")
        note(f"{many(len(desk.steps), 'step')}, {said} judged; saved to {desk.out}; Ctrl-C ends it")
        config = uvicorn.Config(build(desk, token), log_level="warning", access_log=False, lifespan="off", ws="none")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    note(f"{len(desk.annotations.judgements)} judged; saved to {desk.out}")
