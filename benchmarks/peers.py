"""Two peers on the same server, where their packages are installed: treequest, and LangGraph's LATS.

Each is driven as its documentation does: treequest's AB-MCTS-A by ask and tell from a pool of threads with the openai
client, LATS as a graph that expands five candidates a round through `ChatOpenAI`. Scores are local and free, as in the
other figures. A peer that is not installed is left out with a message: `pip install treequest langchain-openai`.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import operator
import random
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Annotated, Any

from typing_extensions import TypedDict

from benchmarks.child import cpu_seconds, in_child, settle
from benchmarks.report import Row
from benchmarks.workload import QUESTION, REPLY
from reflectree.models.loopback_process import Remote

SLOTS = 8
LATENCY_S = 0.2
CANDIDATES = 5
PEERS = {"treequest": ("treequest", "openai"), "lats": ("langchain_openai", "langgraph")}
NAMES = {"treequest": "treequest AB-MCTS-A", "lats": "LangGraph's LATS"}


def measure(quick: bool) -> list[Row]:
    """The rows of this figure; they have no target, and stand beside those of `wall` and `cpu`."""
    n, runs = (64, 1) if quick else (256, 3)
    rows = []
    for peer, packages in PEERS.items():
        missing = [package for package in packages if importlib.util.find_spec(package) is None]
        if missing:
            sys.stderr.write(f"  {NAMES[peer]}: left out, {' and '.join(missing)} not installed\n")
            continue
        with Remote(reply_from=REPLY, latency=LATENCY_S) as server:
            wall = in_child("benchmarks.peers:run", peer=peer, n=n, base_url=server.base_url)["wall_s"]
        figure = f"{NAMES[peer]}: wall / ideal, {n} expansions of 200 ms, 8 slots, over HTTP"
        rows.append(Row(figure, wall / (math.ceil(n / SLOTS) * LATENCY_S), note="one run"))
        with Remote(reply_from=REPLY) as server:
            costs = [
                in_child("benchmarks.peers:run", peer=peer, n=n, base_url=server.base_url)["ms"] for _ in range(runs)
            ]
        figure = f"{NAMES[peer]}: CPU an expansion over HTTP, {n} expansions, 8 slots"
        rows.append(Row(figure, statistics.median(costs), " ms"))
    return rows


def run(peer: str, n: int, base_url: str) -> dict[str, float]:
    """One search of a peer, after a warm-up."""
    search: Callable[[int, str], int] = {"treequest": _treequest, "lats": _lats}[peer]
    search(16, base_url)
    settle()
    started, before = time.perf_counter(), cpu_seconds()
    nodes = search(n, base_url)
    used, wall = cpu_seconds() - before, time.perf_counter() - started
    assert nodes >= n, f"{nodes} of {n} expansions"
    return {"wall_s": wall, "ms": 1000 * used / nodes}


def _prompt(steps: list[str]) -> list[dict[str, str]]:
    return [{"role": "user", "content": "\n".join([QUESTION, *steps])}]


def _treequest(n: int, base_url: str) -> int:
    """Eight threads; each reply is told, and the next trial asked for, as soon as it is there."""
    tq, openai = importlib.import_module("treequest"), importlib.import_module("openai")
    client = openai.OpenAI(base_url=base_url, api_key="none")
    algorithm = tq.ABMCTSA()
    state = algorithm.init_tree()
    draw = random.Random(0)

    def generate(parent: list[str] | None, seed: int) -> tuple[list[str], float]:
        steps = parent or []
        reply = client.chat.completions.create(model="loopback", messages=_prompt(steps), seed=seed, max_tokens=256)
        return [*steps, reply.choices[0].message.content], draw.random()

    trials: dict[Future[tuple[list[str], float]], str] = {}
    asked = told = 0
    with ThreadPoolExecutor(SLOTS) as pool:
        while told < n:
            while asked < n and len(trials) < SLOTS:
                state, trial = algorithm.ask(state, ["step"])
                trials[pool.submit(generate, trial.parent_state, asked)] = trial.trial_id
                asked += 1
            for done in wait(trials, return_when=FIRST_COMPLETED).done:
                state = algorithm.tell(state, trials.pop(done), done.result())
                told += 1
    client.close()
    return told


class _LatsState(TypedDict):
    tree: list[dict[str, Any]]
    rounds: Annotated[int, operator.add]


def _lats(n: int, base_url: str) -> int:
    """Select a leaf by UCT, sample five continuations at once, score, back up; a round a superstep."""
    import asyncio

    from langgraph.graph import END, START, StateGraph

    chat = importlib.import_module("langchain_openai").ChatOpenAI(
        model="loopback", base_url=base_url, api_key="none", max_tokens=256
    )
    draw = random.Random(0)

    def uct(tree: list[dict[str, Any]], child: int) -> float:
        node = tree[child]
        if not node["visits"]:
            return math.inf
        above = tree[node["parent"]]["visits"]
        return float(node["value"] / node["visits"] + math.sqrt(2 * math.log(above) / node["visits"]))

    async def expand(state: _LatsState) -> dict[str, Any]:
        tree = state["tree"]
        leaf = 0
        while tree[leaf]["children"]:
            leaf = max(tree[leaf]["children"], key=lambda child: uct(tree, child))
        steps: list[str] = []
        above = leaf
        while above > 0:
            steps.insert(0, tree[above]["text"])
            above = tree[above]["parent"]
        replies = await asyncio.gather(
            *(chat.ainvoke(_prompt(steps), seed=len(tree) + number) for number in range(CANDIDATES))
        )
        for reply in replies:
            tree[leaf]["children"].append(len(tree))
            tree.append({"text": reply.content, "parent": leaf, "children": [], "visits": 0, "value": 0.0})
            node, value = len(tree) - 1, draw.random()
            while node >= 0:
                tree[node]["visits"] += 1
                tree[node]["value"] += value
                node = tree[node]["parent"]
        return {"tree": tree, "rounds": 1}

    def route(state: _LatsState) -> str:
        return END if len(state["tree"]) > n else "expand"

    builder = StateGraph(_LatsState)
    builder.add_node("expand", expand)
    builder.add_edge(START, "expand")
    builder.add_conditional_edges("expand", route, ["expand", END])
    root: dict[str, Any] = {"text": QUESTION, "parent": -1, "children": [], "visits": 0, "value": 0.0}
    first: _LatsState = {"tree": [root], "rounds": 0}
    final = asyncio.run(builder.compile().ainvoke(first, {"recursion_limit": 10 * n}))
    return len(final["tree"]) - 1
