"""Processor time of the framework under each strategy, over that of `mcts`: a thousand nodes, and no model time."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
from typing import Any

from benchmarks.child import cpu_seconds, in_child, settle
from benchmarks.report import Row
from benchmarks.workload import CAPABILITIES, QUESTION, USAGE, score
from reflectree.graphs import blueprints
from reflectree.graphs.run import asolve
from reflectree.models.base import FREE, Choice, Reply, Request
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget

NODES = 1000
MOST_RATIO = 1.5
SLOTS = 8

ROOM: dict[str, dict[str, Any]] = {
    "self-consistency": {"n": NODES},
    "best-of-n": {"n": NODES},
    "implicit": {"n": NODES},
    "beam": {"n": 64, "m": 4, "rounds": 40},
    "dvts": {"n": 64, "m": 4, "rounds": 40},
    "journey": {"search": {"name": "beam", "n": 64, "m": 4, "rounds": 40}},
    "tot-bfs": {"n_generate": 8, "n_select": 8, "depth": 20},
    "tot-dfs": {"n_generate": 5, "depth": 8, "threshold": 0.0, "most_nodes": NODES},
    "got": {
        "plan": [
            {"id": "draft", "op": "generate", "n": NODES - 20},
            {"id": "score", "op": "evaluate", "inputs": ["draft"]},
            {"id": "best", "op": "keep_best", "inputs": ["score"], "n": 4},
            {"id": "merge", "op": "aggregate", "inputs": ["best"], "n": 20},
        ]
    },
    "self-refine": {"n": 250, "rounds": 4, "patience": 4},
    "mctsr": {"rollouts": 2 * NODES},
    "llama-berry": {"rollouts": NODES},
    "react": {"chains": 160},
    "rstar": {"rollouts": NODES, "depth": 12},
    "ab-mcts": {"max_nodes": NODES},
    "funsearch": {"programs": NODES},
    "llm-sr": {"programs": NODES},
    "hypothesis-search": {"hypotheses": NODES // 4},
    "operator-mcts": {"patience": NODES},
    "rstar-math": {"iterations": NODES},
    "mcts": {"width": 4, "root_width": 8, "depth": 12},
}
"""Parameters that give a strategy room for a thousand nodes, where its own would end before."""
LEFT_OUT = {
    "cot": "one node",
    "least-to-most": "a chain of a few nodes",
    "forest": "its nodes are runs of other strategies",
    "adaptive": "its search is a run of another strategy",
    "rstar-math": "each node runs a program",
    "react": "each node runs a tool",
    "coscientist": "each node runs a tool",
    "opro": "each node shows twenty others",
    "debate": "a few nodes",
    "moa": "a few nodes",
    "role-team": "a few nodes",
    "react-env": "each node is a step in an environment",
    "reflexion-env": "each node is a step in an environment",
    "lats-env": "each node is a step in an environment",
    "voyager-env": "each node is a step in an environment",
}


WORDS = "count sheep left ran buys twice many field farmer nine once then add keep find take half rest more all".split()


def thought(n: int) -> str:
    """A step's text of about a hundred characters, like no other."""
    draw = random.Random(n)
    return f"Thought {n}: {' '.join(draw.choices(WORDS, k=18))}."


class Scribe:
    """The cheapest model with a fitting reply to every prompt: distinct texts, whole ones with an answer."""

    name = "scribe"
    price = FREE
    capabilities = CAPABILITIES

    def __init__(self) -> None:
        self.calls = 0

    async def complete(self, request: Request) -> Reply:
        """One distinct reply."""
        self.calls += 1
        text = self._text(request, self.calls)
        await asyncio.sleep(0)
        return Reply((Choice(text),), USAGE)

    def _text(self, request: Request, n: int) -> str:
        if request.json_schema:
            fields = request.json_schema.get("properties", {})
            return json.dumps(
                {name: 1 + n % 9 if part.get("type") == "integer" else "so" for name, part in fields.items()}
            )
        asked = request.messages[-1].content
        if "Reply with the letter" in asked or "better" in asked[-200:]:
            return "AB"[n % 2]
        if "What is wrong with" in asked:
            return f"Verdict: wrong\nThe step before number {n} is off."
        if "Propose" in asked:
            return "\n".join(f"{place}. {thought(10 * n + place)}" for place in range(1, 6))
        text = thought(n)
        return text if "\n" in request.stop or request.max_tokens <= 64 else f"{text}\nAnswer: {n}"

    def prompt_bound(self, request: Request) -> int:
        """Enough for any of them."""
        return 100

    async def aclose(self) -> None:
        """Nothing is open."""


def measure(quick: bool) -> list[Row]:
    """The rows of this figure."""
    rounds = 1 if quick else 3
    names = [name for name in blueprints.names() if name not in LEFT_OUT and name != "mcts"]
    ratios: dict[str, list[float]] = {name: [] for name in names}
    details: dict[str, list[Any]] = {name: [] for name in ("mcts", *names)}
    for _ in range(rounds):
        base = in_child("benchmarks.strategies:one", name="mcts")
        details["mcts"].append(base)
        for name in names:
            run = in_child("benchmarks.strategies:one", name=name)
            details[name].append(run)
            ratios[name].append(run["ms_a_request"] / base["ms_a_request"])
    return [
        Row(
            f"CPU a node under {name}, against mcts",
            statistics.median(values),
            "x",
            at_most=MOST_RATIO,
            note=f"{details[name][-1]['nodes']:,} nodes, {details[name][-1]['calls']:,} calls, "
            f"{statistics.median(run['ms_a_request'] for run in details[name]):.3f} ms",
            details={"runs": details[name]},
        )
        for name, values in ratios.items()
    ]


def roomy(name: str) -> Blueprint:
    """The blueprint with room for a thousand nodes."""
    plan = blueprints.load(name)
    room = {**ROOM.get(name, {}), "confidence": None}
    return plan.with_overrides({f"scheme.strategy.{key}": value for key, value in room.items()})


def one(name: str) -> dict[str, float]:
    """Milliseconds of processor time a node or a request, whichever there are more of; the scores cost nothing."""

    async def run() -> dict[str, float]:
        plan = roomy(name)
        own = plan.operators.evaluate.kind == "pairwise"
        before = cpu_seconds()
        result = await asolve(
            QUESTION,
            blueprint=plan,
            policy=Scribe(),
            evaluator=None if own else score,
            models={"critic": Scribe()},
            budget=Budget(calls=NODES if not own else 4 * NODES),
            concurrency=SLOTS,
        )
        used = cpu_seconds() - before
        calls = result.usage.calls
        work = max(calls, result.nodes)  # a reply may hold several steps, and a comparison makes none
        return {"ms_a_request": 1000 * used / work, "calls": calls, "nodes": result.nodes, "ms": 1000 * used}

    asyncio.run(run())  # what is loaded on first use is no part of it
    settle()
    return asyncio.run(run())
