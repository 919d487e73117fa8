"""Published data sets by name, from the Hugging Face hub or from a local file of the same schema.

It knows which sets there are and where; what their rows mean, `schemas` knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from reflectree.graphs.tasksets import schemas
from reflectree.graphs.tasksets.base import Entry, TaskSet
from reflectree.graphs.tasksets.rows import Row, file_rows, hub_rows
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Form, Task


@dataclass(frozen=True, slots=True)
class Published:
    """A published set: its group in the survey's taxonomy, where the hub has it, and how its rows are read."""

    group: str
    about: str
    path: str
    config: str | None
    split: str
    read: schemas.Read


PUBLISHED: dict[str, Published] = {
    "gsm8k": Published(
        "mathematics", "grade-school word problems", "openai/gsm8k", "main", "test", schemas.gsm8k
    ),
    "math500": Published(
        "mathematics", "500 competition problems of MATH", "HuggingFaceH4/MATH-500", None, "test", schemas.math500
    ),
    "aime": Published(
        "mathematics", "AIME 2024, 30 problems", "HuggingFaceH4/aime_2024", None, "train", schemas.aime
    ),
    "aime25": Published("mathematics", "AIME 2025, 30 problems", "math-ai/aime25", None, "test", schemas.aime),
    "gpqa": Published(
        "commonsense", "198 graduate-level science questions, four options", "Idavidrein/gpqa", "gpqa_diamond", "train",
        schemas.gpqa,
    ),
    "hotpotqa": Published(
        "commonsense", "questions over several paragraphs", "hotpotqa/hotpot_qa", "distractor", "validation",
        schemas.hotpotqa,
    ),
    "strategyqa": Published(
        "commonsense", "yes or no, by an unstated strategy", "ChilleD/StrategyQA", None, "test", schemas.strategyqa
    ),
    "humaneval": Published(
        "code", "164 functions to complete", "openai/openai_humaneval", None, "test", schemas.humaneval
    ),
    "mbpp": Published(
        "code", "500 small functions to write", "google-research-datasets/mbpp", "full", "test", schemas.mbpp
    ),
}  # fmt: skip
"""The sets by name. The survey has no group for expert science or reading; they stand with other knowledge."""

ALIASES = {"math-500": "math500", "math_500": "math500", "aime24": "aime", "human-eval": "humaneval"}


def load_published(spec: str, *, limit: int | None = None) -> TaskSet:
    """The set that `NAME[?config=C&split=S]` (from the hub) or `NAME:FILE` names; its rows in their order.

    Raises:
        BadInput: The set or file cannot be had, or a row is not of the set's schema; its place and field are named.
        MissingExtra: `datasets` is not installed, or what a verifier needs.
    """
    head, colon, path = spec.partition(":")
    head, _, query = head.partition("?")
    name = ALIASES.get(head, head)
    source = PUBLISHED[name]
    if colon and (query or not path):
        raise BadInput(f"cannot read the task set {spec!r}: write {name}:FILE, or {name}?split=NAME for the hub's")
    rows = file_rows(path) if colon else _from_hub(source, query)
    where = path if colon else source.path
    entries: list[Entry] = []
    seen: dict[str, str] = {}
    for place, row in rows:
        try:
            entries.append(_entry(name, source, row, place, seen))
        except BadInput as error:
            raise type(error)(f"{where}, {place}: {error}") from error
        if len(entries) == limit:
            break
    if not entries:
        raise BadInput(f"{where} holds no row of {name}")
    return TaskSet(spec, len(entries), entries.__getitem__)


def is_published(spec: str) -> bool:
    """Whether a specification begins with the name of a published set."""
    head = spec.partition(":")[0].partition("?")[0]
    return head in PUBLISHED or head in ALIASES


def _from_hub(source: Published, query: str) -> Iterator[tuple[str, Row]]:
    settings: dict[str, str | None] = {"config": source.config, "split": source.split}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if key not in settings or not equals or not value:
            raise BadInput(f"cannot read {part!r} in the task set's specification: write config=NAME or split=NAME")
        settings[key] = value
    return hub_rows(source.path, settings["config"], settings["split"] or source.split)


def _entry(name: str, source: Published, row: Row, place: str, seen: dict[str, str]) -> Entry:
    posed = source.read(row)
    identity = {"question": posed.question, "context": posed.context, "answer": posed.answer}
    own = f"{name}-{posed.key}" if posed.key else f"{name}-{hashlib.sha256(posed.question.encode()).hexdigest()[:12]}"
    unique, copies = own, 1
    while unique in seen:
        if posed.key:
            raise BadInput(f"the id {posed.key!r} is taken by {seen[own]}")
        copies += 1
        unique = f"{own}-{copies}"
    seen[unique] = place
    form: Form = "code" if posed.verifier.name == "code" else "line"
    task = Task(posed.question.strip(), context=posed.context, verifier=posed.verifier, id=unique, form=form)
    return Entry(task, {**identity, "id": unique})
