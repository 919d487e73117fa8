"""The limit: a bare asyncio UCT loop over aiohttp, without retries, budget, trace or checkpoints."""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import time

import aiohttp

from benchmarks.child import cpu_seconds, in_child, settle
from benchmarks.report import Row
from benchmarks.workload import QUESTION, REPLY, score, step
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task

SLOTS = 8
LATENCY_S = 0.2
WIDTH = 4


def measure(quick: bool) -> list[Row]:
    """The rows of this figure; they have no target, and stand beside those of `wall` and `cpu`."""
    n, runs = (64, 1) if quick else (256, 3)
    rows = []
    with Remote(reply_from=REPLY, latency=LATENCY_S) as server:
        walls = [in_child("benchmarks.ideal:run", n=n, slots=SLOTS, base_url=server.base_url) for _ in range(runs)]
    ratio = statistics.median(run["wall_s"] for run in walls) / (math.ceil(n / SLOTS) * LATENCY_S)
    rows.append(Row(f"bare loop: wall / ideal, {n} expansions of 200 ms, 8 slots, over HTTP", ratio))
    with Remote(reply_from=REPLY) as server:
        for slots in (8, 64):
            costs = [
                in_child("benchmarks.ideal:run", n=1024, slots=slots, base_url=server.base_url) for _ in range(runs)
            ]
            middle = statistics.median(run["ms"] for run in costs)
            rows.append(Row(f"bare loop: CPU an expansion over HTTP, 1,024 expansions, {slots} slots", middle, " ms"))
    alone = [in_child("benchmarks.ideal:run", n=1024, slots=SLOTS, base_url="") for _ in range(runs)]
    middle = statistics.median(run["ms"] for run in alone)
    return [*rows, Row("bare loop: CPU an expansion, 1,024 expansions, 8 slots", middle, " ms")]


class Tree:
    """UCT in id-indexed lists, with virtual visits."""

    def __init__(self) -> None:
        self.parent, self.visits, self.value = [-1], [0], [0.0]
        self.children: list[list[int]] = [[]]
        self.text = [QUESTION]
        self.begun = [0]

    def select(self) -> int:
        """The node to expand, its path marked as visited."""
        node = 0
        while self.begun[node] >= WIDTH and self.children[node]:
            total = math.log(self.visits[node] + 1)
            node = max(self.children[node], key=lambda child: self._uct(child, total))
        self.begun[node] += 1
        above = node
        while above >= 0:
            self.visits[above] += 1
            above = self.parent[above]
        return node

    def _uct(self, child: int, total: float) -> float:
        visits = self.visits[child]
        return self.value[child] / visits + math.sqrt(2 * total / visits)

    def add(self, parent: int, text: str, value: float) -> None:
        """A new step, backed up."""
        node = len(self.parent)
        self.parent.append(parent)
        self.children.append([])
        self.children[parent].append(node)
        self.text.append(text)
        self.visits.append(1)
        self.value.append(value)
        self.begun.append(0)
        while parent >= 0:
            self.value[parent] += value
            parent = self.parent[parent]

    def prompt(self, node: int) -> list[dict[str, str]]:
        """The chat that asks for the next step."""
        texts = []
        while node >= 0:
            texts.append(self.text[node])
            node = self.parent[node]
        return [{"role": "user", "content": "\n".join(reversed(texts))}]


def run(n: int, slots: int, base_url: str) -> dict[str, float]:
    """One search after a warm-up; without `base_url` a model in this process answers at once."""
    asyncio.run(_search(min(n, 64), slots, base_url))
    settle()
    started, before = time.perf_counter(), cpu_seconds()
    asyncio.run(_search(n, slots, base_url))
    used, wall = cpu_seconds() - before, time.perf_counter() - started
    return {"wall_s": wall, "ms": 1000 * used / n}


async def _search(n: int, slots: int, base_url: str) -> None:
    tree, task = Tree(), Task(QUESTION)
    left = iter(range(n))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for number in left:
                node = tree.select()
                text = step(number)
                if base_url:
                    body = {"model": "loopback", "seed": number, "max_tokens": 256, "messages": tree.prompt(node)}
                    async with session.post(f"{base_url}/chat/completions", data=json.dumps(body)) as response:
                        text = json.loads(await response.read())["choices"][0]["message"]["content"]
                else:
                    await asyncio.sleep(0)
                tree.add(node, text, score(Path(task, (Step(text),))))

        await asyncio.gather(*(work() for _ in range(slots)))
    assert len(tree.parent) == n + 1
