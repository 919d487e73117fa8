"""Voyager's automatic curriculum: the policy says which errand comes next (arXiv 2305.16291, section 2.1).

It is shown what has been learnt and which errands are left, as data, and gives a number. Each question is a run of one
call, with a bill and a trace like any other. The errands are those there are: a model that made one up would have no
environment to try it in. An answer that names none of them leaves the choice to the rule, by which they are ranked.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from reflectree.graphs import blueprints
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.rlm_ops.task import Task

MOST = 30
"""Errands that are shown, the first by the rule, and skills, the latest."""
TEMPERATURE = 0.1
"""Voyager's for the curriculum."""
QUESTION = (
    "Which errand should be tried next? Choose one that teaches something new and is not too hard with what has been "
    "learnt so far, so that in time as many as possible can be done. Give its number alone."
)
_OPTIONS = ("policy", "budget", "concurrency", "checkpoint", "retries", "on_event")
"""Of what a run of an errand is given, that which this question takes, too."""
_NUMBER = re.compile(r"[0-9]{1,4}")


async def proposed(
    ranked: Sequence[str],
    goals: Mapping[str, str],
    learnt: Sequence[str],
    failed: Mapping[str, int],
    *,
    seed: int = 0,
    **options: Any,
) -> tuple[str, Result | None]:
    """The errand that the policy proposes, and the run that asked it; where there is one only, nobody is asked.

    Args:
        ranked: The errands left, at least one, the next by the rule first.
        goals: What each is about, in words.
        learnt: What the skills there are say they do, the latest last.
        failed: How often each has failed.
        seed: Of the run.
        **options: Of `asolve`; those that have to do with errands alone are left out.
    """
    if len(ranked) == 1:
        return ranked[0], None
    shown = ranked[:MOST]
    task = Task(QUESTION, context=_situation([(goals[name], failed.get(name, 0)) for name in shown], learnt))
    given = {name: options[name] for name in _OPTIONS if name in options}
    run_id = f"voyager-{seed}-next-{zlib.crc32(task.context.encode()):08x}"
    plan = blueprints.load("cot").with_overrides({"operators.generate.temperature": TEMPERATURE})
    result = await asolve(task, blueprint=plan, seed=seed, run_id=run_id, **given)
    return shown[_chosen(result.answer or "", len(shown))], result


def _situation(errands: Sequence[tuple[str, int]], learnt: Sequence[str]) -> str:
    """What the choice is made from."""
    known = [f"- {' '.join(skill.split())}" for skill in learnt[-MOST:]] or ["- nothing yet"]
    left = [
        f"{number}. {' '.join(goal.split())}" + (f" (failed {failures}x)" if failures else "")
        for number, (goal, failures) in enumerate(errands, 1)
    ]
    return "\n".join(["Learnt so far:", *known, "", "Errands left:", *left])


def _chosen(answer: str, count: int) -> int:
    """The place of the errand that an answer names; the first where it names none."""
    number = _NUMBER.search(answer)
    return int(number[0]) - 1 if number and 1 <= int(number[0]) <= count else 0
