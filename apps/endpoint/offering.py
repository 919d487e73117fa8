"""What an endpoint offers: blueprints by name, policies by name, each made and checked once, when the server starts.

All requests share the policies, and with them their connections. Who may ask for what is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reflectree.agents import evaluators
from reflectree.graphs import blueprints
from reflectree.graphs.adapters.names import Offered
from reflectree.graphs.preparing import prepare
from reflectree.models.base import PolicyModel
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput, ReflectreeError

_ALIAS = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)=(?P<model>.+)")


@dataclass(frozen=True, slots=True)
class Offering:
    """What runs are made of.

    Attributes:
        plans: The blueprints by name.
        policies: The policies by name; the first is meant where none is named.
        options: What else all runs are given, as `asolve` takes it: evaluator, memory, concurrency.
    """

    plans: Mapping[str, Blueprint]
    policies: Mapping[str, PolicyModel]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def offered(self) -> Offered:
        """The names."""
        return Offered(tuple(self.plans), tuple(self.policies))

    async def aclose(self) -> None:
        """Close the policies' connections, and what scores."""
        for policy in self.policies.values():
            await policy.aclose()
        scorer = self.options.get("evaluator")
        if scorer is not None and hasattr(scorer, "aclose"):
            await scorer.aclose()
        memory = self.options.get("memory")
        if memory is not None:
            memory.close()


def offer(
    models: Sequence[Any] = ("embedded",),
    sources: Sequence[Any] = (),
    *,
    evaluator: Any = None,
    memory: Any = None,
    concurrency: int = 8,
    options: Mapping[str, Any] | None = None,
) -> Offering:
    """Make what is offered, and see that each blueprint works with each policy.

    Args:
        models: Policies: models' names, as `openai/gpt-5-mini`, or `NAME=MODEL` to call one otherwise; or policies.
        sources: Blueprints: names or files. Without any, all the built-in ones that need nothing but a policy.
        evaluator: What scores steps, as `asolve` takes it.
        memory: A folder that all runs learn into and recall from.
        concurrency: Calls in flight at once, a run.
        options: How the models are reached, as `reflectree.policy` takes it: `base_url`, `api_key`.

    Raises:
        BadInput: A model or a blueprint cannot be offered.
    """
    policies = dict(_policy(model, options or {}) for model in models)
    if len(policies) < len(models):
        raise BadInput("two models have the same name: give one of them another with NAME=MODEL")
    shared: dict[str, Any] = {"concurrency": concurrency}
    if evaluator is not None:
        shared["evaluator"] = evaluators.resolved(evaluator)
    if memory is not None:
        from reflectree.graphs.memory.access import Memory

        shared["memory"] = Memory.of(memory)
    plans: dict[str, Blueprint] = {}
    for source in sources or blueprints.names():
        plan = blueprints.load(source)
        if plan.name in plans:
            raise BadInput(f"two blueprints are called {plan.name!r}: leave one of them out")
        if (why := _problem(plan, policies, shared)) is None:
            plans[plan.name] = plan
        elif sources:
            raise BadInput(why)
    return Offering(plans, policies, shared)


def _policy(model: Any, options: Mapping[str, Any]) -> tuple[str, PolicyModel]:
    """A policy and what clients call it."""
    if not isinstance(model, str):
        return str(model.name), resolve_policy(model)
    alias = _ALIAS.fullmatch(model)
    name = alias["model"] if alias else model
    given = {} if name in ("embedded", "countdown-policy") else dict(options)
    return alias["name"] if alias else name, resolve_policy(name, **given)


def _problem(plan: Blueprint, policies: Mapping[str, PolicyModel], shared: Mapping[str, Any]) -> str | None:
    """Why a blueprint cannot be served, where it cannot."""
    for policy in policies.values():
        try:
            setup = prepare(plan, policy, **shared)
        except ReflectreeError as error:
            return f"blueprint {plan.name} cannot be served: {error}"
        if setup.asking is not None:
            return f"blueprint {plan.name} cannot be served: it asks a person, and no client can answer"
    return None
