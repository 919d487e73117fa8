"""kill -9 at random moments, and what is paid again after it.

The server lives in a process of its own, survives, and notes the seed of every call it answers; a call's seed follows
from its operator, nodes and index. After each kill the next process first reads from the checkpoint which calls are
settled, then goes on. A call that is settled there and answered again was paid again. A call that was in flight
(sent, but not in the checkpoint yet) may be paid again: at most as many as there are slots.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.child import start
from benchmarks.report import Row
from benchmarks.workload import LOG, REPLY, at, search
from reflectree.models.loopback_process import Remote

N = 256
SLOTS = 8
MEDIAN_S, SIGMA = 0.01, 0.8
RUN_ID = "bench"
WAIT_S = 60.0
_LINE = 12
"""Bytes a line of the log."""


@dataclass(slots=True)
class Tally:
    """What came of one run that was killed, perhaps more than once."""

    kills: int = 0
    paid_again: int = 0
    in_flight: list[int] = field(default_factory=list)
    """Calls sent by the time of each kill that the checkpoint does not hold."""
    requests: int = 0
    events: int = 0
    settled_at: list[int] = field(default_factory=list)


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    draw = random.Random()
    trials = 3 if quick else 10
    once = [_run([draw.randrange(1, int(0.9 * N))], draw) for _ in range(trials)]
    often = _run([draw.randrange(1, N // (2 * trials)) for _ in range(trials)], draw)
    return [
        _row(f"settled calls paid again, {trials} runs killed once each", once),
        _row(f"settled calls paid again, one run killed {trials} times", [often]),
        Row(
            "most calls in flight at a kill",
            max(count for tally in (*once, often) for count in tally.in_flight),
            at_most=SLOTS,
            note="sent but not in the checkpoint: these are paid again",
        ),
    ]


def _row(figure: str, tallies: list[Tally]) -> Row:
    settled = sum(sum(tally.settled_at) for tally in tallies)
    lost = sum(sum(tally.in_flight) for tally in tallies)
    kills = sum(tally.kills for tally in tallies)
    requests, events = sum(tally.requests for tally in tallies), sum(tally.events for tally in tallies)
    paid_again = sum(tally.paid_again for tally in tallies)
    # the same by another way: what was requested and is in no checkpoint was in flight at a kill, or was paid again
    assert requests - events == lost + paid_again, f"{requests} requests, {events} events, {lost} lost, {paid_again}"
    return Row(
        figure,
        paid_again,
        at_most=0,
        note=f"{settled} settled at {kills} kills, {requests} requests for {events} events, {lost} in flight",
        details={"settled_at": [tally.settled_at for tally in tallies], "in_flight": [t.in_flight for t in tallies]},
    )


def _run(after: list[int], draw: random.Random) -> Tally:
    """One run, killed each time so many more calls were answered and a random moment has passed; then finished."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "answered")
        log.touch()
        with _server(log, draw) as server:
            for answers in after:
                _work(server, folder, log, tally, answers, draw.uniform(0, 2 * MEDIAN_S))
                tally.kills += 1
            _work(server, folder, log, tally, None, 0.0)
            tally.requests = server.counters()["requests"]
    return tally


@contextlib.contextmanager
def _server(log: Path, draw: random.Random) -> Iterator[Remote]:
    """A server that notes in `log` what it answers: it inherits the name of the file with the environment."""
    os.environ[LOG] = str(log)
    try:
        with Remote(reply_from=REPLY, latency=MEDIAN_S, sigma=SIGMA, seed=draw.randrange(1000)) as server:
            yield server
    finally:
        del os.environ[LOG]


def _work(server: Remote, folder: str, log: Path, tally: Tally, answers: int | None, pause: float) -> None:
    """One process from its start to its kill, or to the end of the run where `answers` is None."""
    before, sent = log.stat().st_size, server.counters()["requests"]
    with start("benchmarks.kill:worker", base_url=server.base_url, path=f"{folder}/runs.sqlite") as process:
        assert process.stdout is not None
        settled = json.loads(process.stdout.readline())
        if answers is not None:
            _wait_for(process, log, before + answers * _LINE)
            time.sleep(pause)
            process.kill()
        last = process.stdout.read().strip()
    if tally.kills:
        tally.settled_at.append(len(settled))
        tally.in_flight.append(sent - len(settled) - sum(tally.in_flight))
    time.sleep(0.1)  # the server notices that its client is gone
    answered = _seeds(log, before)
    tally.paid_again += len(set(settled) & set(answered)) + len(answered) - len(set(answered))
    if answers is None:
        tally.events = int(last)


def _seeds(log: Path, offset: int) -> list[int]:
    return [int(line) for line in log.read_bytes()[offset:].splitlines()]


def _wait_for(process: subprocess.Popen[str], log: Path, size: int) -> None:
    """Until the log is so long, or the process has come to its end before."""
    until = time.monotonic() + WAIT_S
    while log.stat().st_size < size and process.poll() is None:
        if time.monotonic() > until:
            raise TimeoutError(f"the killed process made no progress in {WAIT_S:g} s")
        time.sleep(0.001)


def worker(base_url: str, path: str) -> int:
    """Say which calls are settled, then start the run or go on with it; the number of settled calls at its end."""
    sys.stdout.write(json.dumps(_settled(path)) + "\n")
    sys.stdout.flush()
    result = asyncio.run(_solve(base_url, path))
    problems = result.trace.verify()
    assert not problems, problems
    return len(_generated(result.trace))


async def _solve(base_url: str, path: str) -> Any:
    policy = at(base_url)
    try:
        return await search(policy, N, SLOTS, checkpoint=path, run_id=RUN_ID)
    finally:
        await policy.aclose()


def _settled(path: str) -> list[int]:
    """The seeds of the calls the checkpoint holds the outcome of."""
    from reflectree.graphs.run import saved_trace
    from reflectree.rlm_ops.errors import BadInput

    try:
        return _generated(saved_trace(RUN_ID, path))
    except BadInput:  # there is no run yet
        return []


def _generated(trace: Any) -> list[int]:
    from reflectree.rlm_ops.calls import Call
    from reflectree.rlm_ops.events import Failed, Grown

    events = [event for event in trace if isinstance(event, Grown | Failed)]
    return [Call("generate", event.nodes, event.index).seed(0) for event in events]
