"""`SearchMiddleware`: an agent of `langchain.agents.create_agent` searches over its next message.

Candidates are whole messages from the agent's own model, with everything the agent's other middleware does to a call;
the search over them is the reasoning graph's, with its budget, its trace and its selection. Only the message chosen is
ever seen by the conversation and by those who stream it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.runnables.config import var_child_runnable_config

from reflectree.agents.tool_calls import in_thread
from reflectree.graphs import blueprints
from reflectree.graphs.adapters.agent_requests import task_of
from reflectree.graphs.adapters.hosts import under
from reflectree.graphs.adapters.messages_agent import (
    Key,
    MessageGenerator,
    from_words,
    reply_of,
)
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models import background
from reflectree.models.base import Price
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, BudgetRefused, ReflectreeError
from reflectree.rlm_ops.events import Grown
from reflectree.rlm_ops.extras import require

require("langchain.agents.middleware", "langchain", "SearchMiddleware")
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse  # noqa: E402

from reflectree.graphs.adapters.agent_turns import Handler, Turns  # noqa: E402

DOES = frozenset({"generate", "evaluate"})
"""What a blueprint's strategy may ask for: messages are proposed and scored, and never rewritten or merged."""


class SearchMiddleware(AgentMiddleware[Any, Any, Any]):
    """Searches over the next message of an agent's model.

    Candidates are drawn from the agent's model, so it should sample (`settings={"temperature": 0.8}`). Tool calls vote
    by name and arguments, words by the answer that they state. A candidate that calls a tool which was not offered, or
    whose call cannot be read, is out. Where every candidate fails, the last error is raised; where none raised but none
    can be used, the last reply is returned, and the agent deals with it as it would without a search.

    Middleware listed after this one works on each candidate. What interrupts the graph belongs before it: a search that
    was interrupted begins anew.
    """

    def __init__(
        self,
        blueprint: Any = "self-consistency",
        *,
        n: int | None = None,
        evaluator: Any = None,
        judge: Any = None,
        budget: Budget | None = None,
        price: Price | None = None,
        settings: Mapping[str, Any] | None = None,
        when: Callable[[ModelRequest[Any]], bool] | None = None,
        key: Key | None = None,
        concurrency: int = 8,
        seed: int = 0,
        on_result: Callable[[Result], object] | None = None,
    ) -> None:
        """Check that the blueprint can search over messages.

        Args:
            blueprint: One of whole solutions that only generates and evaluates: `self-consistency`, `best-of-n`, ...
            n: Candidates, where the blueprint's strategy has that many.
            evaluator: What scores messages: a function of a `Path` (see `messages_agent.message_of`), or as `asolve`
                takes it. Without one, a blueprint that evaluates asks a judge.
            judge: The model that judges; without one, the agent's own.
            budget: Caps of one search, that is of one message.
            price: The price of the agent's model, which a budget in dollars needs.
            settings: Added to the model settings of candidates.
            when: Says for which requests there is a search at all.
            key: What a message is counted as in a vote.
            concurrency: Candidates in flight at once.
            seed: Seed of the search.
            on_result: Called with the result of each search, its trace included.

        Raises:
            BadInput: The blueprint does something else, or has no `n`.
        """
        super().__init__()
        self.tools = []
        self.blueprint = _checked(blueprint, n)
        self._options = {"evaluator": evaluator, "judge": judge, "budget": budget}
        self._options |= {"concurrency": concurrency, "seed": seed}
        self._price, self._settings, self._when, self._key = price, dict(settings or {}), when, key
        self._on_result = on_result

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> Any:
        """Search, and return the response that was chosen."""
        if self._when is not None and not self._when(request):
            return await handler(request)
        return await self._search(request, handler, dict(var_child_runnable_config.get() or {}))

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[Any], Any]) -> Any:
        """`awrap_model_call` for an agent that is not async: candidates are drawn in threads."""
        if self._when is not None and not self._when(request):
            return handler(request)

        async def waited(candidate: ModelRequest[Any]) -> Any:
            return await in_thread(handler, candidate)

        return background.run(self._search(request, waited, dict(var_child_runnable_config.get() or {})))

    async def _search(self, request: ModelRequest[Any], handler: Handler, host: Mapping[str, Any]) -> Any:
        turns = Turns(request, handler, host, self._settings, self._price)
        generator = MessageGenerator(turns.propose, turns.most, self._key)
        result = await under(
            host,
            lambda: asolve(
                task_of(request),
                blueprint=self.blueprint,
                policy=turns.policy,
                agents={"generate": generator},
                **self._options,
            ),
        )
        if generator.pause is not None:
            raise generator.pause
        if self._on_result is not None:
            self._on_result(result)
        chosen = _chosen(result)
        if chosen is None:
            return _nothing(result, generator)
        messages = from_words(chosen.text, chosen.note)
        reply_of(messages).response_metadata["reflectree"] = _about(result, self.blueprint.name)
        return ModelResponse(messages, generator.structured(chosen.index))


def _checked(blueprint: Any, n: int | None) -> Blueprint:
    """The blueprint, with so many candidates.

    Raises:
        BadInput: It cannot search over messages, or has no `n`.
    """
    plan = blueprints.load(blueprint)
    strategy = plan.scheme.strategy
    others = sorted(strategy.uses() - DOES)
    if others or plan.scheme.granularity != "solution" or strategy.limits().depth > 1:
        why = f"it asks for {', '.join(others)}" if others else "it builds on steps"
        raise BadInput(
            f"blueprint {plan.name} cannot search over messages: {why}; give one that only generates and evaluates "
            "whole solutions, such as self-consistency or best-of-n"
        )
    if n is None:
        return plan
    if "n" not in type(strategy).model_fields:
        raise BadInput(f"n={n}: strategy {strategy.name} of blueprint {plan.name} has no n; leave it out")
    return plan.with_overrides({"scheme.strategy.n": n})


def _chosen(result: Result) -> Grown | None:
    """The event of the candidate that was chosen."""
    answered = result.trace.answered
    node = -1 if answered is None else answered.node
    grown = (event for event in result.trace if isinstance(event, Grown) and event.node == node)
    return next(grown, None) if node >= 0 else None


def _nothing(result: Result, generator: MessageGenerator) -> ModelResponse[Any]:
    """What is returned where no candidate can be chosen.

    Raises:
        Exception: What the last one raised.
        BudgetRefused: The budget allowed none.
    """
    last = generator.last
    if isinstance(last, Exception):
        raise last
    if last is not None:
        return ModelResponse(list(last.messages), last.structured)
    cause, _, cap = result.stop_reason.partition(":")
    if cause == "budget":
        raise BudgetRefused(cap, f"the search's budget of {cap} allows no candidate: raise it, or leave it out")
    raise ReflectreeError(f"the search ended without a message: {result.stop_reason}")


def _about(result: Result, name: str) -> dict[str, Any]:
    """What a message's metadata say of the search that chose it."""
    return {
        "blueprint": name,
        "run_id": result.run_id,
        "candidates": result.nodes,
        "score": result.score,
        "stop_reason": result.stop_reason,
        "usage": dataclasses.asdict(result.usage),
    }


__all__ = ["SearchMiddleware"]
