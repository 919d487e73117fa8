"""Task sets: tasks with their verifiers, from a JSONL file or a reasoning-gym generator."""

from __future__ import annotations

from reflectree.graphs.tasksets.base import TaskSet
from reflectree.graphs.tasksets.examples import examples_for
from reflectree.graphs.tasksets.load import load_taskset

__all__ = ["TaskSet", "examples_for", "load_taskset"]
