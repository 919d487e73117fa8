"""What a run acts in, from what a user gives: a name, an environment, or a function that makes one.

Modules of environments are imported when one of their names is used. Nothing is made here but what `task_of` looks at.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, cast

from reflectree.agents.acting import task_with
from reflectree.rlm_ops.environment import Environment, MakeEnvironment, Observation, agree
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.strategies.parse import nearest
from reflectree.rlm_ops.task import Task

ISOLATED = "isolated"
"""Before a name: run it in a process of its own, `isolated/textworld/coin-3`."""
KINDS: dict[str, str] = {
    "gym": "reflectree.graphs.embodied.gymnasium",
    "reaction": "reflectree.graphs.embodied.reaction",
    "scienceworld": "reflectree.graphs.embodied.scienceworld",
    "textworld": "reflectree.graphs.embodied.textworld",
    "toy": "reflectree.graphs.embodied.toy",
}
"""Modules by the first part of a name; `environment(rest)` of each gives a `MakeEnvironment` for the rest of it."""


def make(environment: Any) -> MakeEnvironment:
    """What makes environments, from a name, an environment or a function that makes one.

    Raises:
        BadInput: There is no such environment, or it is none of these.
    """
    if isinstance(environment, str):
        return _named(environment)
    if isinstance(environment, Environment) and not isinstance(environment, type):
        return OneEnvironment(environment)
    if callable(environment):
        return cast(MakeEnvironment, environment)
    raise BadInput(
        f"environment={environment!r:.60}: give a name such as textworld/coin-3, an Environment, or a function that "
        "makes one"
    )


def _named(name: str) -> MakeEnvironment:
    kind, _, rest = name.partition("/")
    if kind == ISOLATED:
        from reflectree.graphs.embodied.isolated import Isolated

        make(rest)  # a wrong name is told of here, and not by the process
        return functools.partial(Isolated, rest)
    if kind not in KINDS:
        raise BadInput(f"unknown environment {name!r:.60}; {nearest(kind, [f'{known}/...' for known in KINDS])}")
    made: MakeEnvironment = importlib.import_module(KINDS[kind]).environment(rest)
    return made


def task_of(make: MakeEnvironment) -> Task:
    """An environment's task: its goal, and as context what is seen at the beginning."""
    environment = make()
    try:
        return task_with(environment.task, environment.reset())
    finally:
        environment.close()


def most_of(make: MakeEnvironment) -> int | None:
    """How many environments it can make at once; `None` where there is no end to it."""
    most: int | None = getattr(make, "most", None)
    return most


class OneEnvironment:
    """Makes environments of one that there is: calls then wait for each other, and nobody closes it.

    Args:
        environment: The one there is.
    """

    most = 1

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.lost = False

    def __call__(self) -> Environment:
        """The environment, on loan.

        Raises:
            BadInput: It hung, and may still be doing so.
        """
        if self.lost:
            raise BadInput(f"the environment {self.environment.name} hung: give a function that makes another one")
        return _Borrowed(self)


class _Borrowed:
    """An environment on loan: closing it gives it back."""

    def __init__(self, owner: OneEnvironment) -> None:
        self._owner, self._own = owner, owner.environment

    @property
    def name(self) -> str:
        return self._own.name

    @property
    def task(self) -> Task:
        return self._own.task

    def reset(self) -> Observation:
        return self._own.reset()

    def step(self, command: str) -> Observation:
        return self._own.step(command)

    def snapshot(self) -> object | None:
        return self._own.snapshot()

    def restore(self, snapshot: object) -> None:
        self._own.restore(snapshot)

    def refuses(self, command: str) -> str | None:
        return self._own.refuses(command)

    def same(self, recorded: str, seen: str) -> bool:
        return agree(self._own, recorded, seen)

    def kill(self) -> None:
        """It was given up while something ran in it."""
        self._owner.lost = True

    def close(self) -> None:
        """Its owner closes it."""
