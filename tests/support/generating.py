"""A generator with one variant, carried out against a scripted policy over a hand-written structure."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from tests.support.virtual_time import run_virtually

from reflectree.agents.base import AgentRun
from reflectree.agents.generator import Generator
from reflectree.agents.nested import NestedRuns
from reflectree.models.base import Capabilities, Request
from reflectree.models.calling import Caller, Retries
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.events import Began, Event, Grown
from reflectree.rlm_ops.step import Granularity
from reflectree.rlm_ops.structure import ReasoningStructure

TASK = "How many sheep are left when a farmer with six sheep gives two of them away?"
BEGAN = Began(question=TASK, width=9, root_width=9, depth=9, tools=("search",))
DECOMPOSED = "1. How many sheep were there?\n2. How many sheep are left?"


def structure(*events: Event) -> ReasoningStructure:
    """A structure of the task and these events."""
    live = ReasoningStructure()
    for event in (BEGAN, *events):
        tell(live, event)
    return live


def tell(live: ReasoningStructure, event: Any) -> None:
    """Number the event and fold it in."""
    node = {"node": len(live)} if isinstance(event, Grown) else {}
    live.apply(replace(event, seq=live.applied, **node))


def grown(text: str, parent: int = 0, **fields: Any) -> Grown:
    """A step of this text."""
    return Grown(nodes=(parent,), text=text, **fields)


class Bench:
    """A generator with one variant called `it`, and what its policy was asked."""

    def __init__(
        self,
        replies: Any,
        scheme: Granularity = "step",
        *,
        able: Capabilities = ABLE,
        nests: NestedRuns | None = None,
        **settings: Any,
    ) -> None:
        self.policy = ScriptedPolicy(replies, capabilities=able)
        tools = {"search": "search[query]: finds a page"}
        generate = Generate(variants={"it": settings, "list": {"prompt": "decompose"}})
        self.generator = Generator(generate, scheme, {"policy": self.policy}, nests, tools)

    def carry_out(self, live: ReasoningStructure, node: int = 0, count: int = 1, first: int = 0) -> list[Any]:
        calls = [Call("generate", (node,), index, "it") for index in range(first, first + count)]
        caller = Caller(self.policy, Ledger(Budget()), Retries(2, 0.01, 0.01))
        run = cast(AgentRun, SimpleNamespace(structure=live, seed=3, caller=lambda role: caller))
        events: list[Any] = []
        for group in self.generator.groups(calls):
            events += run_virtually(self.generator.carry_out(group, run))
        assert all(event.how == "it" for event in events)
        return events

    @property
    def asked(self) -> Request:
        return self.policy.requests[-1]
