"""Task sets from reasoning-gym's generators.

Countdown gets a plain question and the checker of its rules, which is not gold; every other set keeps its own question
and its own checker, which is.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from typing import Any
from urllib.parse import unquote

from reflectree.graphs.tasksets.base import Entry, TaskSet, canonical
from reflectree.graphs.tasksets.examples import Examples, countdown_question
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Example, Task, Verifier
from reflectree.rlm_ops.verifiers import countdown, reasoning_gym
from reflectree.rlm_ops.verifiers.gym import GymDataset, gym_dataset, gym_defaults, gym_entry

DEFAULT_SIZE = 500

VARYING_ANSWERS = frozenset({"intermediate_integration", "knight_swap", "word_ladder"})
"""Generators (0.1.25) that state another of several right answers in every process; their checkers accept all."""

_MOST_TASKS = 500_000


def load_generated(spec: str, *, limit: int | None = None, seed: int = 0, examples: int = 0) -> TaskSet:
    """The set that `reasoning_gym:NAME[?key=value&...]` names; its tasks are generated when asked for.

    Raises:
        BadInput: No such set or field (the nearest are named), or a configuration it refuses.
        MissingExtra: reasoning-gym is not installed.
    """
    name, _, query = spec.partition(":")[2].partition("?")
    config = configuration(name.strip(), query)
    shown = config.pop("examples", examples)
    size = limit or config.pop("size", DEFAULT_SIZE)
    config.pop("size", None)
    if type(size) is not int or not 1 <= size <= _MOST_TASKS:
        raise BadInput(f"a generated set has 1 to {_MOST_TASKS} tasks, got {size}")
    if type(shown) is not int or not 0 <= shown <= 32:
        raise BadInput(f"a task is given 0 to 32 examples, got {shown}")
    maker = _Maker(name.strip(), config, seed, size, shown)
    maker(0)  # a configuration that can make no task is refused here, not in the middle of a run
    return TaskSet(spec, size, maker)


class _Maker:
    """Makes the entry at an index."""

    def __init__(self, name: str, config: dict[str, Any], seed: int, size: int, shown: int) -> None:
        self.name = name
        self.dataset: GymDataset = gym_dataset(name, seed=seed, config=config, size=size)
        self.examples = Examples(name, seed, config) if shown else None
        self.shown = shown
        variant = f"-{hashlib.sha256(canonical(config)).hexdigest()[:8]}" if config else ""
        self.stem = f"{name}{variant}-{seed}"

    def __call__(self, index: int) -> Entry:
        item = gym_entry(self.dataset, index)
        question, verifier = self._pose(item)
        examples: tuple[Example, ...] = self.examples.take(self.shown, avoid=question) if self.examples else ()
        task = Task(question, examples=examples, verifier=verifier, id=f"{self.stem}-{index}")
        shown = [[example.question, list(example.steps), example.answer] for example in examples]
        answer = "" if self.name in VARYING_ANSWERS else str(item["answer"])
        return Entry(task, {"id": task.id, "question": question, "answer": answer, "examples": shown})

    def _pose(self, item: dict[str, Any]) -> tuple[str, Verifier]:
        if self.name == "countdown":
            numbers, target = item["metadata"]["numbers"], item["metadata"]["target"]
            return countdown_question(numbers, target), countdown(numbers, target)
        return str(item["question"]).strip(), reasoning_gym(self.dataset, item)


def configuration(name: str, query: str) -> dict[str, Any]:
    """The fields of a query, with the types the set's defaults have."""
    defaults = gym_defaults(name)
    fields: dict[str, Any] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals:
            raise BadInput(f"cannot read {part!r} in the task set's specification: write key=value")
        if key not in defaults and key != "examples":
            near = difflib.get_close_matches(key, defaults, n=3, cutoff=0.4) or sorted(defaults)
            raise BadInput(f"reasoning_gym:{name} has no field {key!r}: did you mean {', '.join(near)}?")
        fields[key] = _typed(unquote(value), defaults.get(key, 0))
    return fields


def _typed(value: str, default: object) -> Any:
    """`value` as JSON where it is JSON; else a list where the default is one; else text."""
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = value.split(",") if isinstance(default, list | tuple) else value
    if isinstance(default, tuple):
        return tuple(parsed) if isinstance(parsed, list) else (parsed,)
    if isinstance(default, str):
        return value
    return [parsed] if isinstance(default, list) and not isinstance(parsed, list) else parsed
