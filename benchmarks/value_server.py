"""The value server's throughput over HTTP as a share of a bare loop of batched forward passes on the same inputs.

The bare loop has its inputs tokenised, sorted and padded, and does nothing but pass them through the model. The server
gets them as texts in many requests from another process, and remembers nothing (`--prefix-cache-tokens 0`). They take
turns, so that a busy minute falls on both.

    python -m benchmarks.value_server --hidden 2048 --layers 16 --device cuda
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.child import in_child
from benchmarks.report import Row, load, table

AT_LEAST = 0.8
SIZES = {"tiny": (64, 2), "small": (256, 4)}
"""Width and layers of the random Llamas: 0.1 and 2.6 million parameters."""


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    rounds, items = (1, 128) if quick else (3, 256)
    return [_row(name, hidden, layers, items, rounds) for name, (hidden, layers) in SIZES.items()]


def _row(name: str, hidden: int, layers: int, items: int, rounds: int, **options: Any) -> Row:
    run = in_child(
        "benchmarks.value_server:compare", hidden=hidden, layers=layers, items=items, rounds=rounds, **options
    )
    shares = [served / bare for served, bare in zip(run["served"], run["bare"], strict=True)]
    about = f"{run['parameters'] / 1e6:.1f}M parameters, {run['device']} {run['dtype']}, {run['threads']} threads"
    rates = f"{statistics.median(run['served']):,.0f} of {statistics.median(run['bare']):,.0f} tokens/s"
    figure = f"value server over a bare loop, {name} Llama"
    note = f"{rates}, {about}, {run['tokens']:,} tokens"
    return Row(figure, statistics.median(shares), at_least=AT_LEAST, note=note, details=run)


def compare(
    hidden: int,
    layers: int,
    items: int,
    rounds: int,
    device: str = "cpu",
    threads: int = 1,
    batch_tokens: int = 8192,
    clients: int = 16,
    each: int = 16,
) -> dict[str, Any]:
    """Tokens a second of both, taking turns.

    Args:
        hidden: Width of the random Llama.
        layers: Its layers.
        items: How many items.
        rounds: How often both are measured.
        device: Where the model is.
        threads: Threads of torch, for both.
        batch_tokens: Most tokens of a batch, for both.
        clients: Requests under way at once.
        each: Items a request.
    """
    import torch
    from tests.support.tiny_models import tiny_causal_lm

    from reflectree.models.neural.heads import ValueHead
    from reflectree.models.neural.load import load_scorer
    from reflectree.models.neural.weights import quiet
    from reflectree.models.scoring.card import Card
    from reflectree.models.serving.engine import ScoringEngine
    from reflectree.models.serving.run import serving
    from reflectree.models.serving.service import Service

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        with quiet():
            tiny_causal_lm(folder, hidden=hidden, layers=layers, initializer_range=0.02)
        ValueHead(hidden).save(folder)
        Card(kind="value-head", name="bench").save(folder)
        scorer = load_scorer(folder, device=device, prefix_cache_tokens=0)
        bodies = _bodies(items, each)
        bare = Bare(folder, scorer, bodies, batch_tokens)
        engine = ScoringEngine(scorer, max_batch_tokens=batch_tokens)
        found: dict[str, list[float]] = {"bare": [], "served": []}
        with serving(Service(engine)) as url:
            asked = {"url": url, "items": items, "each": each, "clients": clients}
            bare.seconds()
            for _ in range(rounds):
                before = bare.seconds()
                served = in_child("benchmarks.value_server:ask", **asked)
                after = bare.seconds()
                assert max(map(abs, _differences(served["values"], bare.values))) < 1e-2
                found["bare"].append(bare.tokens / ((before + after) / 2))
                found["served"].append(bare.tokens / served["seconds"])
        engine.close()
    info = scorer.info
    return {
        **found,
        "tokens": bare.tokens,
        "parameters": info.parameters,
        "device": torch.cuda.get_device_name() if info.device.startswith("cuda") else "CPU",
        "dtype": info.dtype,
        "threads": threads,
    }


class Bare:
    """The limit: forward passes over padded batches that are made before the clock starts."""

    def __init__(self, folder: str | Path, scorer: Any, bodies: Sequence[Any], batch_tokens: int) -> None:
        import torch
        from transformers import AutoModel

        from reflectree.models.neural.heads import load_head
        from reflectree.models.neural.weights import load_model
        from reflectree.models.scoring.items import Item

        dtype, device = getattr(torch, scorer.info.dtype), torch.device(scorer.info.device)
        self._trunk = load_model(AutoModel, Path(folder), dtype, device)
        self._head = load_head(folder, self._trunk.config.hidden_size).to(device)
        items = [Item(item["question"], tuple(item["steps"])) for body in bodies for item in body["items"]]
        encoded = [scorer.encode(item) for item in items]
        self.tokens = sum(one.tokens for one in encoded)
        self.values = [0.0] * len(items)
        self._batches: list[tuple[Any, Any, list[int]]] = []
        order = sorted(range(len(items)), key=lambda index: encoded[index].tokens)
        while order:
            places = [order.pop()]
            while order and (len(places) + 1) * encoded[places[0]].tokens <= batch_tokens:
                places.append(order.pop())
            longest = encoded[places[0]].tokens
            ids = [[*encoded[place].ids, *[0] * (longest - encoded[place].tokens)] for place in places]
            reads = [encoded[place].reads[-1] for place in places]
            self._batches.append((torch.tensor(ids, device=device), torch.tensor(reads, device=device), places))

    def seconds(self) -> float:
        """Pass everything through the model once."""
        import torch

        started = time.monotonic()
        with torch.inference_mode():
            for ids, reads, places in self._batches:
                states = self._trunk(input_ids=ids, use_cache=False).last_hidden_state
                ends = states[torch.arange(len(places), device=ids.device), reads]
                for place, value in zip(places, self._head.value(ends).tolist(), strict=True):
                    self.values[place] = value
        return time.monotonic() - started


def ask(url: str, items: int, each: int, clients: int) -> dict[str, Any]:
    """Send everything, so many requests at once; the seconds it took and the values in order."""

    async def run() -> dict[str, Any]:
        import aiohttp

        bodies = _bodies(items, each)
        values: list[list[float]] = [[] for _ in bodies]
        left = iter(range(len(bodies)))

        async def work(http: aiohttp.ClientSession) -> None:
            for index in left:
                async with http.post("/v1/value", json=bodies[index]) as reply:
                    reply.raise_for_status()
                    values[index] = [row["value"] for row in (await reply.json())["data"]]

        async with aiohttp.ClientSession(url) as http:
            async with http.get("/health") as reply:
                reply.raise_for_status()
            started = time.monotonic()
            await asyncio.gather(*(work(http) for _ in range(clients)))
            seconds = time.monotonic() - started
        return {"seconds": seconds, "values": [value for row in values for value in row]}

    return asyncio.run(run())


def _bodies(items: int, each: int) -> list[dict[str, Any]]:
    """Requests of so many items; all texts differ from their beginning on. A character is a token."""
    draw = random.Random(0)
    made = [
        {
            "question": f"{draw.randrange(10**9)}: make 24 of " + ", ".join(str(draw.randrange(10)) for _ in range(8)),
            "steps": [f"{draw.randrange(100)} * {draw.randrange(100)} is " * 2 for _ in range(draw.randrange(2, 10))],
        }
        for _ in range(items)
    ]
    return [{"items": made[start : start + each]} for start in range(0, items, each)]


def _differences(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [left - right for left, right in zip(one, other, strict=True)]


def main() -> int:
    """Measure one size, as told."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.value_server", description=__doc__)
    parser.add_argument("--hidden", type=int, default=256, help="width of the random Llama; a multiple of 4")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--items", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, for both")
    parser.add_argument("--batch-tokens", type=int, default=8192, help="most tokens of a batch, for both")
    parser.add_argument("--clients", type=int, default=16, help="requests under way at once")
    parser.add_argument("--each", type=int, default=16, help="items a request")
    given = vars(parser.parse_args())
    row = _row(f"{given['hidden']} x {given['layers']}", **{key: value for key, value in given.items()})
    print(table([row]))
    print(f"\n{load()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
