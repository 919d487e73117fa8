"""Task sets: tasks with their verifiers, by a specification that `load_taskset` takes.

They come from task files (JSONL), reasoning-gym's generators, families of these after the survey's taxonomy, published
data sets (from the Hugging Face hub or a local copy), or a mix of all that. `sets` lists what has a name.
"""

from __future__ import annotations

from reflectree.graphs.tasksets.base import TaskSet
from reflectree.graphs.tasksets.catalogue import Listed, sets
from reflectree.graphs.tasksets.examples import examples_for
from reflectree.graphs.tasksets.load import load_taskset

__all__ = ["Listed", "TaskSet", "examples_for", "load_taskset", "sets"]
