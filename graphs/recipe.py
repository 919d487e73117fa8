"""Everything a run is made with but its task and its seed, in words that can be sent to another machine.

Models are named, not given, wherever runs may leave this process: each worker builds its own from their names. It runs
nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reflectree.agents.tools import read_tools
from reflectree.graphs.preparing import prepare
from reflectree.graphs.setup import Setup
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Retries
from reflectree.models.words import Words
from reflectree.models.words import build as build_model
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything a run is made with but its task and its seed.

    Attributes:
        blueprint: The reasoning system.
        policy: The model that writes steps: words, a string, or a policy where all runs are made in this process.
        models: Further models by role, `judge` among them.
        evaluator: What scores steps, as for `solve`.
        value_model: The name of a value model that does, in place of an evaluator; it is built where runs are made.
        budget: Caps of one run.
        concurrency: Calls in flight at once in one run.
    """

    blueprint: Blueprint
    policy: Any
    models: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Any, ...] = ()
    evaluator: Any = None
    value_model: str | None = None
    budget: Budget = field(default_factory=Budget)
    concurrency: int = 8
    oracle: bool = False
    retries: Retries | None = None

    @property
    def travels(self) -> bool:
        """Whether it can be sent to another machine: all models are named."""
        return self.fixed is None

    @property
    def fixed(self) -> str | None:
        """The first role whose model is an object of this process; `None` where all are named."""
        roles = {"policy": self.policy, **self.models}
        return next((role for role, model in roles.items() if not isinstance(model, str | Words)), None)

    def refuse_to_travel(self) -> None:
        """Refuse what cannot be sent.

        Raises:
            BadInput: A model was given as an object.
        """
        if self.fixed is not None:
            raise BadInput(
                f"runs on Ray build their models there: give them as strings, not as objects (the {self.fixed} is one)"
            )

    @contextlib.asynccontextmanager
    async def built(self) -> AsyncIterator[dict[str, Any]]:
        """What `asolve` and `prepare` are given; models that were built here are closed in the end."""
        built: list[Any] = []

        def build(model: Any) -> PolicyModel:
            policy = build_model(model)
            if policy is not model:
                built.append(policy)
            return policy

        try:
            policy = build(self.policy)
            others = {role: build(model) for role, model in self.models.items()}
            evaluator = self.evaluator
            if self.value_model is not None:
                from reflectree.models.resolve_values import value_model

                evaluator = value_model(self.value_model)
                built.append(evaluator)
            yield {
                "blueprint": self.blueprint,
                "policy": policy,
                "judge": others.pop("judge", None),
                "models": others,
                "tools": self.tools,
                "evaluator": evaluator,
                "budget": self.budget,
                "concurrency": self.concurrency,
                "oracle": self.oracle,
                "retries": self.retries,
            }
        finally:
            for model in built:
                await model.aclose()

    async def check(self, task: Task) -> Setup:
        """Refuse what cannot work before anything is paid.

        Raises:
            BadInput: The message names the fix.
            ModelError: The value model cannot be reached.
        """
        async with self.built() as options:
            setup = prepare(verifier=task.verifier, **options)
            if self.value_model is not None:
                from reflectree.models.resolve_values import reach_values

                await reach_values(options["evaluator"])
            return setup

    @property
    def tool_names(self) -> list[str]:
        """The names of the tools."""
        return list(read_tools(self.tools))

    @property
    def evaluator_name(self) -> str:
        """What the evaluator calls itself."""
        if self.value_model is not None or self.evaluator is None:
            return self.value_model or ""
        given = self.evaluator
        name = getattr(given, "__qualname__", None) or getattr(given, "source", None) or type(given).__name__
        return f"{getattr(given, '__module__', '')}:{name}"
