"""How a run is asked for, in words that can be written down, and the live parts made of them.

A checkpoint remembers these words, so that a run can be resumed by its id alone. They never hold a key, only the name
of the environment variable that does. Nothing here runs anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from reflectree.apps.inputs import import_function, look_in
from reflectree.models.base import PolicyModel, Price
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task, Verifier

DEFAULT_CALLS = 200
DEFAULT_SECONDS = 300.0
"""The caps of a run for which none was given: nobody should pay for a search without an end by accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run is asked with.

    Attributes:
        question: The task as plain text, or
        row: the task as a JSON object with the fields of a task file's line.
        blueprint: The reasoning system as data, overrides applied.
        model: The model's string; `None` is the embedded one, or the only model of `base_url`.
        api_key_env: Name of the environment variable that holds the key.
        price: Dollars per million prompt and completion tokens.
        roles: Further models by the roles a blueprint names.
        tools: Tools by name, or as `module:function`.
        value_model: The name of a value model that scores, in place of `evaluator`.
        memory: The folder that the run recalls from and learns into, as an absolute path.
        environment: The name of the environment that the run acts in; a task is then not needed.
        problem: The name of the problem whose solutions are measured; it brings the task and scores.
        safety: What refuses commands before they are carried out.
        directory: Where `evaluator`, tools, `python:` verifiers and a value model's folder are looked for, besides
            installed packages.
    """

    question: str = ""
    row: str = ""
    blueprint: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    price: tuple[float, float] | None = None
    judge: str | None = None
    roles: dict[str, str] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    evaluator: str | None = None
    value_model: str | None = None
    verifier: str | None = None
    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    concurrency: int = 8
    seed: int = 0
    oracle: bool = False
    memory: str | None = None
    environment: str | None = None
    problem: str | None = None
    safety: str | None = None
    directory: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunOptions:
        """What a checkpoint remembers; fields of other versions are left alone."""
        known = {spec.name for spec in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        price = values.get("price")
        tools = tuple(values.get("tools", ()))
        return cls(**{**values, "price": tuple(price) if price else None, "tools": tools})

    def to_json(self) -> dict[str, Any]:
        """The words to remember."""
        return asdict(self)

    def changed(self, **given: Any) -> RunOptions:
        """These options with those replaced that are given (not `None`); what scores takes the place of what scored."""
        new = {name: value for name, value in given.items() if value is not None}
        if ("evaluator" in new) != ("value_model" in new):
            new = {"evaluator": None, "value_model": None, **new}
        return replace(self, **new)

    def with_default_caps(self) -> RunOptions:
        """These options, capped where no cap was given."""
        if any(cap is not None for cap in (self.calls, self.tokens, self.usd, self.seconds)):
            return self
        return replace(self, calls=DEFAULT_CALLS, seconds=DEFAULT_SECONDS)

    @property
    def budget(self) -> Budget:
        """The caps; BadInput where one is negative."""
        return Budget(self.calls, self.tokens, self.usd, self.seconds)

    def task(self) -> Task | None:
        """The task, with the verifier its file names; `None` where the environment brings its own."""
        if self.problem is not None:
            measured: Task = self.measured().task
            return measured
        if not self.row:
            return None if self.environment is not None and not self.question else Task(self.question)
        from reflectree.graphs.tasksets.jsonl import read_task

        return read_task(self.row)

    def policy(self, on_progress: Callable[[str, float], None]) -> PolicyModel:
        """The model that writes steps; no connection is made."""
        if self.model in (None, "embedded") and not (self.base_url or self.api_key_env):
            from reflectree.models.embedded import EmbeddedPolicy

            return EmbeddedPolicy(on_progress=on_progress)
        from reflectree.models import resolve

        name = self.model if self.model is not None else "" if self.base_url else "embedded"
        price = None if self.price is None else Price(*self.price)
        return resolve.policy(name, base_url=self.base_url, api_key=self._key(), price=price)

    def judge_policy(self) -> PolicyModel | None:
        """The model that judges, where it is another one."""
        from reflectree.models import resolve

        return None if self.judge is None else resolve.policy(self.judge)

    def role_policies(self) -> dict[str, PolicyModel]:
        """The further models by role."""
        from reflectree.models import resolve

        return {role: resolve.policy(name) for role, name in self.roles.items()}

    def tool_functions(self) -> list[Any]:
        """The tools: names of built-in ones, and functions."""
        return [import_function(name, self.directory, "tool") if ":" in name else name for name in self.tools]

    def measured(self) -> Any:
        """The problem of discovery.

        Raises:
            BadInput: It is unknown, or something else is to score.
        """
        from reflectree.graphs.discovery import problem

        if self.evaluator is not None or self.value_model is not None:
            raise BadInput("--problem measures solutions by itself: leave out --evaluator and --value-model")
        if self.environment is not None or self.question or self.row:
            raise BadInput("--problem brings its own task: leave out the question, --task and --environment")
        return problem(self.problem or "")

    def verifier_of(self, task: Task | None) -> Verifier | None:
        """The verifier given, else the task's own."""
        if self.verifier is None:
            return None if task is None else task.verifier
        from reflectree.rlm_ops.verifiers import parse_spec

        if self.verifier.startswith("python:"):
            look_in(self.directory)
        return parse_spec(self.verifier)

    def evaluator_function(self) -> Any:
        """The user's own evaluator, or the problem."""
        if self.problem is not None:
            return self.measured()
        return None if self.evaluator is None else import_function(self.evaluator, self.directory)

    def values(self) -> Any:
        """The value model, where one is named; no connection is made.

        Raises:
            BadInput: It is unknown, or there is an evaluator, too.
        """
        if self.value_model is None:
            return None
        if self.evaluator is not None:
            raise BadInput("--evaluator and --value-model both say what a step is worth: give one of them")
        from reflectree.models.resolve_values import located, value_model

        return value_model(located(self.value_model, self.directory))

    def _key(self) -> str | None:
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env)
        if not key:
            raise BadInput(
                f"the environment variable {self.api_key_env} is not set: export it, or name another one with "
                "--api-key-env (the name of the variable, not the key)"
            )
        return key
