"""Hypothesis search as Wang et al. set it (2023, arXiv 2309.05660): find the rule behind a few examples, as a program.

The train cases stand in the question and guide; the held-out ones are only in the report. A program that fails on one
case has that case wrong; one that cannot run at all is a failed evaluation.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from reflectree.agents.evaluators.base import Score, ScoreError
from reflectree.graphs.discovery.base import Sense, Waited, running_best, set_all
from reflectree.graphs.discovery.enumeration import PRIMITIVES, apply, compositions, names_in, program_of
from reflectree.graphs.discovery.rules import RULES, Case, Kind
from reflectree.graphs.discovery.sandboxed import LIMITS, decisions
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.sandbox import Limits
from reflectree.rlm_ops.strategies.parse import nearest
from reflectree.rlm_ops.task import Task

ENTRY = "transform"
_LONGEST_SHOWN = 200


def decide(transform: Any, given: Any) -> list[Any]:
    """For each input `["got", output]` or `["raised", words]`. It runs in the sandbox, so it uses built-ins only."""
    import json

    found = []
    for each in given:
        try:
            output = transform(json.loads(json.dumps(each)))
            json.dumps(output, allow_nan=False)
            found.append(["got", output])
        except Exception as error:
            found.append(["raised", f"{type(error).__name__}: {error}"[:200]])
    return found


HARNESS = inspect.getsource(decide)


@dataclass(frozen=True, slots=True)
class Hypothesis(Waited):
    """One hidden rule, or cases of your own (then `key` is any name, and `kind` says what their inputs are)."""

    key: str
    train: tuple[Case, ...] = field(default=(), repr=False)
    test: tuple[Case, ...] = field(default=(), repr=False)
    kind: Kind = "list"
    limits: Limits = field(default=LIMITS, repr=False)
    name: str = field(init=False)
    task: Task = field(init=False)
    sense: Sense = field(default="max", init=False)
    blueprint: str = field(default="hypothesis-search", init=False, repr=False)
    sandboxed: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        name = f"hypothesis/{self.key}"
        if not self.train:
            rule = RULES.get(self.key)
            if rule is None:
                raise BadInput(f"there is no rule {self.key!r}; {nearest(self.key, list(RULES))}")
            train, test = rule.cases(self.key)
            set_all(self, train=train, test=test, kind=rule.kind)
        set_all(self, name=name, task=Task(_question(self.train), id=name, form="code"))

    def measure(self, candidate: str) -> Score:
        """1 or 0 a train case; the value is their share, and the note says what is wrong with the first wrong ones."""
        found = self._outputs(candidate, self.train)
        right = [_is_right(one, case) for one, case in zip(found, self.train, strict=True)]
        wrong = [_complaint(one, case) for one, case, good in zip(found, self.train, right, strict=True) if not good]
        note = f"{sum(right)} of {len(right)} cases right" + "".join(f"; {complaint}" for complaint in wrong[:2])
        return Score(sum(right) / len(right), note, scores=tuple(map(float, right)))

    def report(self, answer: str) -> dict[str, Any]:
        """The shares of train and of held-out cases that are right."""
        shares = {
            part: sum(map(_is_right, self._outputs(answer, cases), cases)) / len(cases)
            for part, cases in (("train", self.train), ("held_out", self.test))
            if cases
        }
        return {"objective": shares["train"], **shares, "solved": all(share == 1.0 for share in shares.values())}

    def classical(self, evaluations: int, seed: int) -> list[float]:
        """Enumerate compositions of primitives, the shortest first; nothing is random, so `seed` is unused."""
        found = list[float]()
        for names, _ in zip(compositions(self.kind), range(evaluations), strict=False):
            right = [apply(self.kind, names, case.given) == case.wanted for case in self.train]
            found.append(sum(right) / len(right))
        found += [math.nan] * (evaluations - len(found))
        return running_best(found, self.sense)

    def draw(self, rng: Random) -> str:
        """A random composition of one to three primitives."""
        names = list(PRIMITIVES[self.kind])
        return program_of(self.kind, [rng.choice(names) for _ in range(rng.randint(1, 3))])

    def vary(self, shown: Sequence[str], rng: Random) -> str:
        """The best composition with a primitive added, dropped or replaced."""
        names = names_in(self.kind, shown[-1]) if shown else []
        if not names or rng.random() < 0.2:
            return self.draw(rng)
        new, at = rng.choice(list(PRIMITIVES[self.kind])), rng.randrange(len(names))
        changed = rng.choice(([*names[:at], new, *names[at:]], [*names[:at], new, *names[at + 1 :]], [*names, new]))
        return program_of(self.kind, changed)

    def _outputs(self, candidate: str, cases: Sequence[Case]) -> list[Any]:
        found = decisions(candidate, ENTRY, HARNESS, [case.given for case in cases], self.limits)
        if not isinstance(found, list) or len(found) != len(cases):
            raise ScoreError("the program gave no output a case")
        return found


def _is_right(found: Any, case: Case) -> bool:
    return isinstance(found, list) and json.dumps(found) == json.dumps(["got", case.wanted])


def _complaint(found: Any, case: Case) -> str:
    how, what = found if isinstance(found, list) and len(found) == 2 else ("gave", found)
    said = f"{ENTRY}({case.given}) {how} {what}, wanted {case.wanted}"
    return said if len(said) <= _LONGEST_SHOWN else f"{said[:_LONGEST_SHOWN]}..."


def _question(cases: Sequence[Case]) -> str:
    lines = "\n".join(f"{ENTRY}({case.given}) == {case.wanted}" for case in cases)
    return (
        f"Find the rule behind these examples and write it as the Python function {ENTRY}(x). It will be checked on "
        f"further examples of the same rule.\n\n{lines}"
    )
