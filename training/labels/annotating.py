"""People's judgements of a trace's steps: which steps are to be judged, one judgement at a time, and their file.

The page itself is `reflectree.apps.annotating`. A judgement is `right`, `neutral` or `wrong`, as in PRM800K (Lightman
et al., arXiv 2305.20050); `values` turns them into labels. A file of judgements names the run it is of, and is refused
for another: node ids mean nothing elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, Literal, get_args

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.structure import ROOT
from reflectree.training.labels.source import Source

Verdict = Literal["right", "neutral", "wrong"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

FORMAT = "reflectree-annotations"
VERSION = 1
MOST_NOTE = 10_000
"""Most characters of a note."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One step to be judged.

    Attributes:
        node: Its node.
        before: The steps before it.
        text: What it says.
        answer: The answer it gives, where it gives one.
    """

    node: int
    before: tuple[str, ...]
    text: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a person says of a step."""

    node: int
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a person says of a run's steps.

    Attributes:
        run: The run's id.
        digest: A digest of its steps.
        by: Who judges.
        judgements: By node.
    """

    run: str
    digest: str
    by: str = ""
    judgements: Mapping[int, Judgement] = field(default_factory=dict)


def steps_to_judge(source: Source, *, only_answer: bool = False) -> list[Judged]:
    """The steps of a run, those on the way to its answer first, then depth first, so that little of the page changes.

    Args:
        source: The run.
        only_answer: Only the way to the answer.
    """
    order = dict.fromkeys(source.read(source.given) if source.given > ROOT else [])
    if not only_answer:
        stack = list(reversed(source.readers.get(ROOT, ())))
        while stack:
            node = stack.pop()
            order[node] = None
            stack.extend(reversed(source.readers.get(node, ())))
    steps = source.structure.steps
    return [Judged(node, source.texts(node)[:-1], steps[node].text, steps[node].answer) for node in order]


def blank(source: Source, by: str = "") -> Annotations:
    """No judgements yet."""
    texts = [[node, *source.texts(node)] for node in source.nodes]
    digest = hashlib.sha256(json.dumps([source.question, texts]).encode()).hexdigest()[:16]
    return Annotations(source.trace.run_id, digest, by)


def with_judgement(annotations: Annotations, source: Source, row: Mapping[str, Any]) -> Annotations:
    """The annotations with one judgement more, or changed; a verdict of `null` takes it back.

    Raises:
        BadInput: It is no judgement of a step of this run.
    """
    node, verdict, note = row.get("node"), row.get("verdict"), row.get("note", "")
    if unknown := set(row) - {"node", "verdict", "note"}:
        raise BadInput(f"a judgement has no field {min(map(str, unknown))!r}: give node, verdict and note")
    if type(node) is not int or node not in source.nodes:
        raise BadInput(f"there is no step {node!r} to judge in this run")
    if verdict is not None and verdict not in VERDICTS:
        raise BadInput(f"a verdict is {', '.join(VERDICTS)} or null, not {verdict!r:.40}")
    if not isinstance(note, str) or len(note) > MOST_NOTE:
        raise BadInput(f"a note is text of at most {MOST_NOTE:,} characters")
    judgements = {known: judgement for known, judgement in annotations.judgements.items() if known != node}
    if verdict is not None:
        judgements[node] = Judgement(node, verdict, note)
    return replace(annotations, judgements=dict(sorted(judgements.items())))


def values(annotations: Annotations, *, neutral: float = 0.5) -> dict[int, float]:
    """The judgements as labels: right 1, wrong 0, and neutral as given (PRM800K's paper takes 1)."""
    worth = {"right": 1.0, "neutral": neutral, "wrong": 0.0}
    return {node: worth[judgement.verdict] for node, judgement in annotations.judgements.items()}


def merged(source: Source, annotations: Annotations, *, neutral: float = 0.5) -> Source:
    """The run with these judgements; a later file overrules an earlier one where both judge a step.

    Raises:
        BadInput: They are of another run.
    """
    _check_run(annotations, source)
    return replace(source, judgements={**source.judgements, **values(annotations, neutral=neutral)})


def save(annotations: Annotations, path: str | os.PathLike[str]) -> FilePath:
    """Write the annotations as JSON, atomically: the file is whole, or as it was.

    Raises:
        BadInput: The path cannot be written.
    """
    target = FilePath(path)
    row = {
        **{"format": FORMAT, "version": VERSION, "run": annotations.run, "digest": annotations.digest},
        **{"by": annotations.by, "judgements": [asdict(judgement) for judgement in annotations.judgements.values()]},
    }
    name = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(json.dumps(row, ensure_ascii=False, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except OSError as error:
        if name is not None:
            FilePath(name).unlink(missing_ok=True)
        raise BadInput(f"cannot write the annotations to {target}: {error.strerror}; choose another --out") from error
    return target


def load(path: str | os.PathLike[str], source: Source) -> Annotations:
    """Read annotations of a run.

    Raises:
        BadInput: The file cannot be read, is of another kind or version, or of another run.
    """
    try:
        row = json.loads(FilePath(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read the annotations {path}: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{path} is no file of annotations: it is not JSON; choose another --out") from error
    if not isinstance(row, dict) or (row.get("format"), row.get("version")) != (FORMAT, VERSION):
        raise BadInput(f"{path} is no file of annotations of version {VERSION}; choose another --out")
    found = Annotations(str(row.get("run", "")), str(row.get("digest", "")), str(row.get("by", "")))
    _check_run(found, source)
    judgements = row.get("judgements")
    if not isinstance(judgements, list) or not all(isinstance(judgement, dict) for judgement in judgements):
        raise BadInput(f"{path} is damaged: its judgements are no list")
    for judgement in judgements:
        found = with_judgement(found, source, judgement)
    return found


def _check_run(annotations: Annotations, source: Source) -> None:
    if annotations.digest != blank(source).digest:
        raise BadInput(
            f"these annotations are of run {annotations.run!r}, whose steps are others than those of "
            f"{source.trace.run_id!r}: give the trace they were made of"
        )
