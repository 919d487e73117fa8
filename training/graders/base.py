"""What a grader is, and the templates by which it is told what to look at."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from reflectree.rlm_ops.errors import BadInput, VerifierError
from reflectree.rlm_ops.usage import NO_USAGE, Usage

Fields = Mapping[str, Any]
"""What is known of the task (`item`: the question, a reference, ...) or of the reply (`sample`: `output_text`, ...)."""

_PLACE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)


class GraderFailed(VerifierError):
    """A grader could not grade: code that raised, a model without a readable score. Never a grade of 0."""


@dataclass(frozen=True, slots=True)
class Grade:
    """What a reply is worth.

    Attributes:
        value: The grade; within `[0, 1]` unless the grader states another range.
        parts: The grades it was made of, by name.
        usage: What grading cost.
    """

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    usage: Usage = NO_USAGE


class Grader(Protocol):
    """Grades one reply."""

    @property
    def name(self) -> str:
        """Its name, for reports and for a multi-grader's formula."""
        ...

    async def grade(self, item: Fields, sample: Fields) -> Grade:
        """The grade of one reply.

        Raises:
            GraderFailed: It could not be graded.
        """
        ...


def sample_of(text: str) -> dict[str, Any]:
    """A reply as a grader sees it: its text, and the JSON it is, where it is."""
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    return {"output_text": text, "output_json": parsed if isinstance(parsed, dict | list) else None}


def check_template(template: str) -> str:
    """The template, if it only names fields of `item` and `sample`.

    Raises:
        BadInput: It names something else.
    """
    for place in _PLACE.findall(template):
        namespace, _, name = place.partition(".")
        if namespace not in ("item", "sample") or not name:
            raise BadInput(f"a template's place is item.NAME or sample.NAME, not {{{{{place}}}}}")
    return template


def fill(template: str, item: Fields, sample: Fields) -> str:
    """The template with its places filled; what is filled in is never read as a template again.

    Raises:
        GraderFailed: A field is missing.
    """

    def value(match: re.Match[str]) -> str:
        found: Any = {"item": item, "sample": sample}
        for name in match[1].split("."):
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise GraderFailed(f"the template names {match[1]}, which this task does not have") from error
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)

    return _PLACE.sub(value, template)


def finite(value: object, who: str) -> float:
    """The grade as a number.

    Raises:
        GraderFailed: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise GraderFailed(f"the grader {who} gave {value!r}, which is no number")
    return float(value)
