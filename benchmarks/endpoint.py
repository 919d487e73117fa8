"""The endpoint's throughput as a share of the model's own, with the same 200 clients asking both.

Clients, endpoint and model are a process each. The model answers after 200 ms with the number it was asked about; the
clients check each reply against their question, so that a reply that is lost or mixed up is seen. Model and endpoint
take turns, so that a busy minute falls on both. The clients are once the openai package's, which take most of the
processor time themselves, and once bare aiohttp.

    python -m benchmarks.endpoint --clients 200 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.child import ROOT, cpu_seconds, in_child
from benchmarks.report import Row, load, table
from reflectree.models.loopback_process import Remote

AT_LEAST = 0.85
COMMAND = (sys.executable, "-m", "reflectree", "serve")
CLIENTS = 200
LATENCY_S = 0.2
MODELS = {"model": "loopback", "endpoint": "cot"}
REPLY = "benchmarks.endpoint:reply"
_ASKED = re.compile(r"ticket number (\d+)")
_TICK = os.sysconf("SC_CLK_TCK")


def reply(body: dict[str, Any], number: int) -> str:
    """What the model writes: the number that it was asked about, twice."""
    found = _ASKED.findall(body["messages"][-1]["content"])
    return f"The ticket is the one with number {found[-1]}.\nAnswer: {found[-1]}"


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    rounds, seconds = (1, 3.0) if quick else (3, 8.0)
    return [_row(kind, CLIENTS, rounds, seconds) for kind in ("openai", "aiohttp")]


def _row(kind: str, clients: int, rounds: int, seconds: float, options: tuple[str, ...] = ()) -> Row:
    found: dict[str, list[dict[str, float]]] = {"model": [], "endpoint": []}
    with Remote(reply_from=REPLY, latency=LATENCY_S) as model, serving(model.base_url, options) as (url, pid):
        bases = {"model": model.base_url, "endpoint": f"{url}/v1"}
        for where in MODELS:
            _ask(kind, bases[where], MODELS[where], clients, 1.0)
        for _ in range(rounds):
            for where in MODELS:
                before = [_cpu_of(pid), _cpu_of(model.pid)]
                run = _ask(kind, bases[where], MODELS[where], clients, seconds)
                run["endpoint_cpu"], run["model_cpu"] = (
                    _cpu_of(of) - was for of, was in zip((pid, model.pid), before, strict=True)
                )
                found[where].append(run)
    shares = [ours["rate"] / own["rate"] for ours, own in zip(found["endpoint"], found["model"], strict=True)]
    note = "; ".join(f"{where}: {_words(runs)}" for where, runs in found.items())
    figure = f"endpoint over the model, {clients} clients ({kind}), cot, 200 ms"
    return Row(figure, statistics.median(shares), at_least=AT_LEAST, note=note, details=found)


def _words(runs: list[dict[str, float]]) -> str:
    """Rates and processor time in words: milliseconds a request of each process."""

    def each(name: str) -> str:
        return f"{statistics.median(1000 * run[name] / run['replies'] for run in runs):.2f}"

    rate = statistics.median(run["rate"] for run in runs)
    cpu = f"CPU ms a request: clients {each('client_cpu')}, endpoint {each('endpoint_cpu')}, model {each('model_cpu')}"
    return f"{rate:,.0f}/s, p50 {1000 * statistics.median(run['p50'] for run in runs):.0f} ms, {cpu}"


@contextlib.contextmanager
def serving(base_url: str, options: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """`reflectree serve` over a model, as a user would start it; gives its address and its process id."""
    command = [*COMMAND, "--port", "0", "-b", "cot", "-m", f"{base_url}#loopback"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if address := re.search(r"http://[\d.:]+", line):
                    break
            else:
                raise RuntimeError("the endpoint did not start: see its message above")
            yield address[0], process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _cpu_of(pid: int) -> float:
    """Processor seconds of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _ask(kind: str, base_url: str, model: str, clients: int, seconds: float) -> dict[str, float]:
    return dict(
        in_child("benchmarks.endpoint:ask", kind=kind, base_url=base_url, model=model, clients=clients, seconds=seconds)
    )


def ask(kind: str, base_url: str, model: str, clients: int, seconds: float) -> dict[str, float]:
    """Ask for so long with so many clients at once, each its next question when it has its reply.

    Raises:
        AssertionError: A reply belongs to another question.
    """

    async def run() -> dict[str, float]:
        took: list[float] = []
        async with _CLIENTS[kind](base_url, model) as one:
            await one("What is ticket number 0?")
            before, started = cpu_seconds(), time.perf_counter()

            async def client(number: int) -> None:
                asked = number * 1_000_000
                while (now := time.perf_counter()) - started < seconds:
                    asked += 1
                    said = await one(f"What is ticket number {asked}?")
                    assert said.rpartition("Answer: ")[2].strip() == str(asked), f"asked {asked}, was told {said!r}"
                    took.append(time.perf_counter() - now)

            await asyncio.gather(*(client(number) for number in range(clients)))
            wall, used = time.perf_counter() - started, cpu_seconds() - before
        return {
            "replies": len(took),
            "rate": len(took) / wall,
            "p50": statistics.median(took),
            "p99": statistics.quantiles(took, n=100)[98],
            "client_cpu": used,
        }

    return asyncio.run(run())


_Ask = Callable[[str], Awaitable[str]]


@contextlib.asynccontextmanager
async def _openai(base_url: str, model: str) -> AsyncIterator[_Ask]:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:

        async def one(question: str) -> str:
            messages: Any = [{"role": "user", "content": question}]
            made = await client.chat.completions.create(model=model, messages=messages)
            return made.choices[0].message.content or ""

        yield one


@contextlib.asynccontextmanager
async def _aiohttp(base_url: str, model: str) -> AsyncIterator[_Ask]:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(question: str) -> str:
            body = {"model": model, "messages": [{"role": "user", "content": question}]}
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                response.raise_for_status()
                return str((await response.json())["choices"][0]["message"]["content"])

        yield one


_CLIENTS: Mapping[str, Any] = {"openai": _openai, "aiohttp": _aiohttp}


def main() -> int:
    """Measure, as told."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endpoint", description=__doc__)
    parser.add_argument("--clients", type=int, default=CLIENTS, help="requests under way at once")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each is asked")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", choices=sorted(_CLIENTS), action="append", help="default: both")
    parser.add_argument("options", nargs="*", help="further options of `reflectree serve`, after --")
    given = parser.parse_args()
    kinds = given.client or ["openai", "aiohttp"]
    print(table([_row(kind, given.clients, given.rounds, given.seconds, tuple(given.options)) for kind in kinds]))
    print(f"\n{load()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
