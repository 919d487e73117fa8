"""What agents that propose designs have in common: nodes are designs, and a bad proposal is a failure, never a zero.

A node's answer is a design as canonical JSON. The first sample of the root is the seed design itself, which costs
nothing. What a proposing model is told, and from what, is each method's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeAlias

from reflectree.agents.base import AgentRun
from reflectree.agents.prompts import fence
from reflectree.graphs.design_search.designs import BadDesign, canonical, difference, read_design, why
from reflectree.graphs.design_search.slots import Slots
from reflectree.graphs.design_search.space import Space
from reflectree.models.base import Choice, Message, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call, Operator
from reflectree.rlm_ops.errors import ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Event, Failed, Grown
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import NO_USAGE, Usage

PROPOSER = "proposer"
"""The role of the model that proposes designs; the policy takes it where no other was given."""


@dataclass(frozen=True)
class Context:
    """What a method's agents may know of a search: never a task of the validation or test part.

    Of the validation part they learn how many examples a design got right, and its mean; what they are shown of
    questions, answers and failures is of the train part.

    Attributes:
        space: Which designs are allowed; `space.seed` is the one that the search begins with.
        train: Training tasks, for worked examples and descriptions of the data. Their verifiers may be asked about
            answers of the model's own; what they know is not shown.
        about: The task set in words.
        model: The role of the proposing model.
        temperature: Its sampling temperature.
        max_tokens: Most tokens of a proposal.
        timeout: Seconds after which a proposal is cut.
        slots: Room for calls, which proposals share with the runs of designs; without it there is always room.
        extra: Settings of a method's own, by name.
    """

    space: Space
    train: Sequence[Task] = ()
    about: str = ""
    model: str = PROPOSER
    temperature: float | None = 1.0
    max_tokens: int = 2048
    timeout: float = 120.0
    slots: Slots | None = None
    extra: dict[str, object] = field(default_factory=dict)

    def room(self) -> AbstractAsyncContextManager[None]:
        """Room for one call, to be held while it is under way."""
        return nullcontext() if self.slots is None else self.slots.take(1)


Asking: TypeAlias = Callable[[Call, ReasoningStructure, Context], Sequence[Message]]
"""Makes the conversation in which a call's proposal is asked for."""
Varying: TypeAlias = Callable[[Call, ReasoningStructure, Context, Random], tuple[Blueprint, str]]
"""Makes the design of a call without a model, and says why in a few words."""


def design_of(structure: ReasoningStructure, node: int, context: Context) -> Blueprint:
    """The design of a node; the root's is the seed.

    Raises:
        BadDesign: The node holds none.
    """
    answer = structure.steps[node].answer if node != ROOT else None
    if node == ROOT:
        return context.space.seed
    if answer is None:
        raise BadDesign(f"node {node} holds no design")
    return Blueprint.parse(json.loads(answer), origin=f"node {node}")


def is_seed(call: Call) -> bool:
    """Whether a call is the first sample of the root, which is the seed design."""
    return call.op == "generate" and call.nodes == (ROOT,) and call.index == 0


def known_digests(structure: ReasoningStructure) -> dict[str, int]:
    """The first node of each design there is, by digest."""
    memo: dict[str, object] = structure.memo
    done: dict[str, int] = memo.setdefault("design-digests", {})  # type: ignore[assignment]
    seen: int = memo.get("design-digests-seen", 1)  # type: ignore[assignment]
    for node in range(seen, len(structure)):
        answer = structure.steps[node].answer
        if answer is not None:
            done.setdefault(Blueprint.parse(json.loads(answer)).digest, node)
    memo["design-digests-seen"] = len(structure)
    return done


def grown(call: Call, design: Blueprint, note: str, usage: Usage = NO_USAGE) -> Grown:
    """The node of a design."""
    text = canonical(design)
    return Grown(
        op=call.op,  # type: ignore[arg-type]
        nodes=call.nodes,
        index=call.index,
        how=call.how,
        text=text,
        granularity="solution",
        status="terminal",
        answer=text,
        note=note,
        after=ROOT,
        usage=usage,
    )


def failed(call: Call, reason: str, usage: Usage = NO_USAGE) -> Failed:
    """A proposal that came to nothing."""
    return Failed(of=call.op, nodes=call.nodes, index=call.index, how=call.how, reason=reason, usage=usage)


class Proposer:
    """Asks a model for designs.

    Args:
        op: The operator that it carries out: *generate*, *refine* or *aggregate*.
        context: What it knows.
        asking: Makes the conversation; a mapping by the calls' `how` is the method's own business.
        repeats: Whether a design that is there already may come again.
    """

    local = False

    def __init__(self, op: Operator, context: Context, asking: Asking, *, repeats: bool = False) -> None:
        self.op: Operator = op
        self.name = {"generate": "generator", "refine": "refiner", "aggregate": "aggregator"}.get(op, op)
        self.context = context
        self._asking = asking
        self._repeats = repeats

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each stands alone."""
        return [[call] for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """Not local: a model is always waited for."""
        raise TypeError(f"the {self.name} of designs is not local")

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One design a call."""
        return [await self.propose(call, run) for call in calls]

    async def propose(self, call: Call, run: AgentRun) -> Event:
        """The node of one proposal, or why there is none.

        Raises:
            BudgetRefused, ModelError: As agents do.
        """
        structure, context = run.structure, self.context
        if is_seed(call):
            return grown(call, context.space.seed, "the seed design")
        parent = self.parent(call, structure)

        def check(choice: Choice) -> str | None:
            try:
                self.read(choice.text, parent, structure)
            except BadDesign as error:
                return str(error)
            return None

        def told(again: Request, choice: Choice) -> Request:
            reason = fence("reason", check(choice) or "")
            ask = f"That reply cannot be used:\n{reason}\n\nGive another one in the same form."
            return replace(again, messages=(*again.messages, Message("assistant", choice.text), Message("user", ask)))

        request = Request(
            tuple(self._asking(call, structure, context)),
            seed=call.seed(run.seed),
            temperature=context.temperature,
            max_tokens=context.max_tokens,
            timeout=context.timeout,
        )
        try:
            async with context.room():
                outcome = await run.caller(context.model).call(request, check, told)
        except ModelUnreachable:
            raise
        except TransientModelError as error:
            return failed(call, str(error), spent_by(error))
        sample = outcome.samples[0]
        if isinstance(sample, str):
            return failed(call, sample, outcome.usage)
        design = self.read(sample.text, parent, structure)
        note = why(sample.text) or difference(parent, design)
        return grown(call, design, note, outcome.usage)

    def parent(self, call: Call, structure: ReasoningStructure) -> Blueprint:
        """The design that an edit changes: that of the call's first node."""
        return design_of(structure, call.nodes[0], self.context)

    def read(self, text: str, parent: Blueprint, structure: ReasoningStructure) -> Blueprint:
        """The design of a reply.

        Raises:
            BadDesign: It holds none that is allowed and new.
        """
        design = read_design(text, self.context.space, parent)
        known = None if self._repeats else known_digests(structure).get(design.digest)
        if known is not None:
            raise BadDesign(f"it is the design of node {known} again: {difference(parent, design) or 'no change'}")
        return design


class Varier:
    """Makes designs without a model.

    Args:
        op: The operator that it carries out.
        context: What it knows.
        varying: Makes a design; by default a seeded mutation of the call's first node, or with two nodes a crossover
            of both, then a mutation.
    """

    local = True

    def __init__(self, op: Operator, context: Context, varying: Varying | None = None) -> None:
        self.op: Operator = op
        self.name = {"generate": "generator", "refine": "refiner", "aggregate": "aggregator"}.get(op, op)
        self.context = context
        self._varying = varying or varied

    def groups(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Each stands alone."""
        return [[call] for call in calls]

    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """As `act`."""
        return [self.act(call, run) for call in calls]

    def act(self, call: Call, run: AgentRun) -> Event:
        """The node of one design, or why there is none."""
        if is_seed(call):
            return grown(call, self.context.space.seed, "the seed design")
        try:
            design, note = self._varying(call, run.structure, self.context, Random(call.seed(run.seed)))
            known = known_digests(run.structure).get(design.digest)
        except BadDesign as error:
            return failed(call, str(error))
        return grown(call, design, note) if known is None else failed(call, f"it is the design of node {known} again")


def varied(call: Call, structure: ReasoningStructure, context: Context, rng: Random) -> tuple[Blueprint, str]:
    """A seeded mutation, after a crossover where there are two parents."""
    space = context.space
    first, *others = (design_of(structure, node, context) for node in call.nodes[:2])
    parent = space.crossover(first, others[0], rng) if others else first
    child = space.mutate(parent, rng)
    return child, difference(first, child)
