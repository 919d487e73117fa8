"""Paths, and clients that lose no time with waiting."""

from __future__ import annotations

from typing import Any

from tests.support.value_loopback import ValueLoopback

from reflectree.models.calling import Retries
from reflectree.models.resolve_values import value_model
from reflectree.models.values.client import HttpValues
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task

QUICK = Retries(attempts=3, first_wait=0.001, longest_wait=0.01)


def path(*steps: str, question: str = "Q?") -> Path:
    """A path with these steps."""
    return Path(Task(question), tuple(map(Step, steps)))


def client(server: ValueLoopback, name: str = "m", **options: Any) -> HttpValues:
    """A client of the server."""
    model = value_model(name, **{"base_url": server.base_url, "retries": QUICK, **options})
    assert isinstance(model, HttpValues)
    return model
