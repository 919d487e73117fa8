"""How the runs of a job are made, here or on another machine: a recipe in words, and what carries out one run by it.

Models are named, not given, wherever the runs may leave this process: each worker builds its own from their names. A
key never travels, only the name of the environment variable that holds it on the worker.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from reflectree.agents.tools import read_tools
from reflectree.graphs.checkpoint import InlineSqliteSaver, open_saver
from reflectree.graphs.preparing import prepare
from reflectree.graphs.run import asolve
from reflectree.graphs.setup import Setup
from reflectree.models.base import PolicyModel, Price
from reflectree.models.calling import Retries
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.trace import Trace
from reflectree.training.pipelines.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWords:
    """A model in words that can be sent to another machine.

    Attributes:
        name: Its string, as `openai/gpt-5-mini` or `http://host:port/v1#MODEL`.
        base_url: Root of an OpenAI-compatible endpoint.
        api_key_env: Name of the environment variable that holds the key, there.
        price: Dollars per million prompt and completion tokens.
    """

    name: str
    base_url: str | None = None
    api_key_env: str | None = None
    price: tuple[float, float] | None = None

    def build(self) -> PolicyModel:
        """The policy; no connection is made.

        Raises:
            BadInput: The words cannot work here.
        """
        key = None if self.api_key_env is None else os.environ.get(self.api_key_env)
        if self.api_key_env is not None and not key:
            raise BadInput(f"the environment variable {self.api_key_env} is not set: export it where the runs are made")
        price = None if self.price is None else Price(*self.price)
        return resolve_policy(self.name, base_url=self.base_url, api_key=key, price=price)


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
        return all(isinstance(model, str | ModelWords) for model in (self.policy, *self.models.values()))

    @contextlib.asynccontextmanager
    async def built(self) -> AsyncIterator[dict[str, Any]]:
        """What `asolve` and `prepare` are given; models that were built here are closed in the end."""
        built: list[Any] = []

        def build(model: Any) -> PolicyModel:
            policy = model.build() if isinstance(model, ModelWords) else resolve_policy(model)
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


class Runner(Protocol):
    """Makes runs."""

    async def run(self, wanted: Run) -> Trace:
        """The finished trace of a run.

        Raises:
            ModelError: The model cannot be reached, refuses, or stopped answering.
        """
        ...

    async def kept(self, name: str) -> None:
        """The trace of this run is saved: whatever else was kept of it can go."""
        ...


class LocalRunner:
    """Makes runs in this process, checkpointed until they are kept elsewhere; made by `LocalRunner.open`."""

    def __init__(self, options: Mapping[str, Any], saver: InlineSqliteSaver | None) -> None:
        self._options = options
        self._saver = saver

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, recipe: Recipe, checkpoint: Path | None = None) -> AsyncIterator[LocalRunner]:
        """A runner whose models live as long as the block; without a file nothing is checkpointed."""
        with contextlib.nullcontext() if checkpoint is None else open_saver(checkpoint) as saver:
            async with recipe.built() as options:
                yield cls(options, saver)

    async def run(self, wanted: Run) -> Trace:
        """See `Runner.run`; a run that was interrupted goes on without paying a settled call again."""
        given: dict[str, Any] = {"seed": wanted.seed, "run_id": wanted.name, "checkpoint": self._saver}
        result = await asolve(wanted.task, **self._options, **given)
        if result.stop_reason.startswith("model:"):
            await self.kept(wanted.name)  # it counts as finished in the checkpoint, and is not
            raise ModelError(
                f"the model stopped answering ({result.stop_reason[6:]}) at task {wanted.task.id or wanted.name}: "
                "run the same command again once it does"
            )
        return result.trace

    async def kept(self, name: str) -> None:
        """See `Runner.kept`."""
        if self._saver is not None:
            await self._saver.adelete_thread(name)
