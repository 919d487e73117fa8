"""`python` and `multi`: a grade computed by code in the sandbox, or by a formula over other grades."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reflectree.rlm_ops.arithmetic import compute
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.sandbox import Limits, arun_python
from reflectree.rlm_ops.usage import total
from reflectree.training.graders.base import Fields, Grade, Grader, GraderFailed, finite

_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class PythonGrader:
    """A function `grade(sample, item) -> float`, run in the sandbox: no network, no files, little time and memory."""

    name: str
    source: str
    limits: Limits = field(default_factory=lambda: Limits(seconds=20.0, cpu_seconds=10))

    async def grade(self, item: Fields, sample: Fields) -> Grade:
        """Run it."""
        given = json.dumps([dict(sample), dict(item)])
        # what the source itself prints is not mistaken for the grade: only the last line is read
        program = (
            f"{self.source}\n\nimport json as _json\nprint()\nprint(_json.dumps(grade(*_json.loads({given!r}))))\n"
        )
        outcome = await arun_python(program, limits=self.limits)
        if not outcome.ok:
            said = (outcome.stderr.strip().splitlines() or [f"it ended by {outcome.reason}"])[-1]
            raise GraderFailed(f"the grader {self.name} failed: {said}")
        try:
            value = json.loads(outcome.stdout.rstrip("\n").rpartition("\n")[2])
        except ValueError:
            value = None
        return Grade(finite(value, self.name))


@dataclass(frozen=True, slots=True)
class MultiGrader:
    """Several grades made one by a formula of their names, numbers, `+ - * /` and parentheses."""

    name: str
    graders: Mapping[str, Grader]
    calculate_output: str

    async def grade(self, item: Fields, sample: Fields) -> Grade:
        """Grade by each, then compute."""
        grades = await asyncio.gather(*(grader.grade(item, sample) for grader in self.graders.values()))
        parts = {name: grade.value for name, grade in zip(self.graders, grades, strict=True)}
        formula = _NAME.sub(lambda match: f"({parts[match[0]]:.17f})", self.calculate_output)
        try:
            value = float(compute(formula))
        except BadInput as error:
            raise GraderFailed(f"the grader {self.name} cannot compute {self.calculate_output!r}: {error}") from error
        return Grade(value, parts, total(grade.usage for grade in grades))


def check_formula(formula: str, names: Mapping[str, Any]) -> str:
    """The formula, if it can be computed from grades of these names.

    Raises:
        BadInput: It names another grade, or is no formula.
    """
    if unknown := [name for name in _NAME.findall(formula) if name not in names]:
        raise BadInput(f"calculate_output names {unknown[0]!r}; the graders are {', '.join(names)}")
    try:
        compute(_NAME.sub("(0.5)", formula))
    except BadInput as error:
        if "divides by zero" not in str(error):
            raise BadInput(f"calculate_output {formula!r} is no formula: {error}") from error
    return formula
