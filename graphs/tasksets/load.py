"""`load_taskset`: a specification in, a task set out."""

from __future__ import annotations

import os

from reflectree.graphs.tasksets.base import TaskSet
from reflectree.graphs.tasksets.generated import load_generated
from reflectree.graphs.tasksets.jsonl import load_jsonl
from reflectree.rlm_ops.errors import BadInput

_GYM_PREFIXES = ("reasoning_gym:", "reasoning-gym:")


def load_taskset(
    spec: str | os.PathLike[str], *, limit: int | None = None, seed: int = 0, examples: int = 0
) -> TaskSet:
    """Load a task set.

    Args:
        spec: A path of a JSONL file (fields `question`, `answer` or `verifier`, `context`, `id`, `examples`), or
            `reasoning_gym:NAME[?key=value&...]` with fields of that set's configuration, for example
            `reasoning_gym:countdown?min_numbers=3&max_numbers=3`.
        limit: Most tasks: the first of a file, the first of a generated set (500 by default).
        seed: Which tasks a generator makes; different seeds share none. A file has only its own.
        examples: Worked examples a generated task is given; `examples=` in the specification goes before.

    Raises:
        BadInput: No such file or set, a line that is no task (its number is named), a refused configuration.
        MissingExtra: reasoning-gym, or a package that a verifier needs, is not installed.
    """
    if limit is not None and limit < 1:
        raise BadInput(f"a limit is 1 task or more, got {limit}")
    if isinstance(spec, str) and spec.startswith(_GYM_PREFIXES):
        return load_generated(spec, limit=limit, seed=seed, examples=examples)
    if examples:
        raise BadInput("a task file carries its own examples: give them in its 'examples' field")
    return load_jsonl(spec, limit=limit)
