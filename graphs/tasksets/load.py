"""`load_taskset`: a specification in, a task set out."""

from __future__ import annotations

import os
import re
from pathlib import Path

from reflectree.graphs.tasksets.base import TaskSet
from reflectree.graphs.tasksets.catalogue import nearest
from reflectree.graphs.tasksets.families import load_family
from reflectree.graphs.tasksets.generated import load_generated
from reflectree.graphs.tasksets.jsonl import load_jsonl
from reflectree.graphs.tasksets.mixed import interleaved
from reflectree.graphs.tasksets.published import is_published, load_published
from reflectree.rlm_ops.errors import BadInput

_GYM_PREFIXES = ("reasoning_gym:", "reasoning-gym:")
_BARE_NAME = re.compile(r"[\w-]+(?::[\w-]+)?(?:\?.*)?")
_FORMS = "a JSONL file, reasoning_gym:NAME, family:NAME, mix:SPEC|SPEC, or a published set such as gsm8k"


def load_taskset(
    spec: str | os.PathLike[str], *, limit: int | None = None, seed: int = 0, examples: int = 0
) -> TaskSet:
    """Load a task set.

    Args:
        spec: One of

            - a path of a JSONL file (fields `question`, `answer` or `verifier`, `context`, `id`, `examples`);
            - `reasoning_gym:NAME[?key=value&...]` with fields of that generator's configuration, for example
              `reasoning_gym:countdown?min_numbers=3&max_numbers=3`;
            - `family:NAME`, all generators of a group in turn, for example `family:logic`;
            - a published set, `gsm8k` from the Hugging Face hub or `gsm8k:FILE` from a local copy;
            - `mix:SPEC|SPEC|...`, the tasks of several of these in turn.

            `sets()` lists the names. A file called like a set is named by its path, `./gsm8k`.
        limit: Most tasks: the first of a file, the first of a generated set (500 by default). In a mix it is that of
            the whole.
        seed: Which tasks a generator makes; different seeds share none. A file has only its own.
        examples: Worked examples a generated task is given; `examples=` in the specification goes before.

    Raises:
        BadInput: No such file or set (the nearest are named), a line that is no task (its number is named), a refused
            configuration.
        MissingExtra: reasoning-gym, datasets, or a package that a verifier needs, is not installed.
    """
    if limit is not None and limit < 1:
        raise BadInput(f"a limit is 1 task or more, got {limit}")
    if isinstance(spec, str):
        if spec.startswith(_GYM_PREFIXES):
            return load_generated(spec, limit=limit, seed=seed, examples=examples)
        if spec.startswith("family:"):
            return load_family(spec, limit=limit, seed=seed, examples=examples)
        if spec.startswith("mix:"):
            return _mix(spec, limit, seed, examples)
        if is_published(spec):
            if examples:
                raise BadInput("a published set has no worked examples: leave examples out")
            return load_published(spec, limit=limit)
        if _BARE_NAME.fullmatch(spec) and not Path(spec).exists():
            raise _unknown(spec)
    if examples:
        raise BadInput("a task file carries its own examples: give them in its 'examples' field")
    return load_jsonl(spec, limit=limit)


def _mix(spec: str, limit: int | None, seed: int, examples: int) -> TaskSet:
    """The parts in turn. A part with a size of its own keeps it; ids say which part a task is of."""
    named = [part.strip() for part in spec.removeprefix("mix:").split("|")]
    if len(named) < 2 or not all(named):
        raise BadInput(f"a mix has two parts or more with | between them, got {spec!r}")
    nested = next((part for part in named if part.startswith("mix:")), None)
    if nested is not None:
        raise BadInput(f"a mix cannot hold a mix ({nested!r}): list its parts")
    parts = [
        load_taskset(part, limit=None if "size=" in part else limit, seed=seed, examples=examples) for part in named
    ]
    return interleaved(spec, parts, limit, tag=True)


def _unknown(spec: str) -> BadInput:
    near = nearest(spec.partition("?")[0])
    hint = f"did you mean {', '.join(near)}?" if near else f"give {_FORMS}"
    return BadInput(f"no task set and no file {spec!r}: {hint}")
