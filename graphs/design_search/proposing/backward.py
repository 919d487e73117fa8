"""EvoMAC's textual back-propagation: what made a team fail, in words, then an update of the team along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from reflectree.agents.base import AgentRun
from reflectree.agents.replies import split_thought
from reflectree.graphs.design_search.proposals import Context, Proposer, failed
from reflectree.graphs.design_search.proposing import asks, history, prompts
from reflectree.models.base import Choice, Request
from reflectree.models.calling import spent_by
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BudgetRefused, ModelUnreachable, TransientModelError
from reflectree.rlm_ops.events import Event, Failed, Grown
from reflectree.rlm_ops.misbehaviour import loops

MOST_GRADIENT = 512
"""Tokens of a textual gradient."""


class Backpropagator(Proposer):
    """Carries out *refine* `update`: a textual gradient from failed examples, and an update; two requests, one bill.

    Args:
        context: What the search's agents know.
    """

    def __init__(self, context: Context) -> None:
        super().__init__("refine", context, asks.updating(""))

    @override
    async def carry_out(self, calls: Sequence[Call], run: AgentRun) -> list[Event]:
        """One design a call."""
        return [await self.update(call, run) for call in calls]

    async def update(self, call: Call, run: AgentRun) -> Event:
        """The node of one update, or why there is none; its note begins with the gradient.

        Raises:
            BudgetRefused, ModelError: As agents do, where nothing was paid.
        """
        structure, context, node = run.structure, self.context, call.nodes[0]
        step = structure.steps[node]
        request = Request(
            prompts.finding(step.answer or step.text, history.feedback(structure, node)),
            seed=call.seed(run.seed),
            temperature=context.temperature,
            max_tokens=min(MOST_GRADIENT, context.max_tokens),
            timeout=context.timeout,
        )
        try:
            async with context.room():
                outcome = await run.caller(context.model).call(request, _problem)
        except ModelUnreachable:
            raise
        except TransientModelError as error:
            return failed(call, str(error), spent_by(error))
        sample = outcome.samples[0]
        if isinstance(sample, str):
            return failed(call, f"no textual gradient: {sample}", outcome.usage)
        gradient = split_thought(sample.text)[1].strip()
        try:
            event = await Proposer("refine", context, asks.updating(gradient)).propose(call, run)
            assert isinstance(event, Grown | Failed)  # what a proposal comes to
        except BudgetRefused as error:  # the gradient was paid, and stands on the bill
            return failed(call, f"no update: {error}", outcome.usage)
        usage = event.usage + outcome.usage
        if isinstance(event, Grown):
            return replace(event, usage=usage, note=f"{gradient}\n{event.note}".strip())
        return replace(event, usage=usage)


def _problem(choice: Choice) -> str | None:
    text = split_thought(choice.text)[1].strip()
    if not text:
        return "the analysis is empty"
    return "the analysis goes round in circles" if loops(text) is not None else None


__all__ = ["Backpropagator"]
