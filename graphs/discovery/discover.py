"""Run a search over candidates for a problem: `discover`, and what it found.

It is a run of `asolve` like any other, with the problem as task and as evaluator. Beside what the search found stands
the classical method at as many evaluations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs import blueprints
from reflectree.graphs.bridge import run_sync
from reflectree.graphs.discovery.base import Problem, Sense, check_ready
from reflectree.graphs.discovery.catalogue import problem as problem_named
from reflectree.graphs.discovery.curve import best_measured, best_so_far, measurements
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a search over candidates found.

    Attributes:
        problem: The problem's name.
        sense: Whether a smaller or a larger objective is better.
        best: The best candidate that was measured; `None` where none could be.
        objective: Its objective, in units of the problem.
        curve: The best objective after each evaluation; `inf` or `-inf` before the first valid candidate.
        failed: Evaluations that failed, of all of them: invalid candidates, mostly.
        classical: The same curve for the classical method, as long as `curve`; empty where it was not asked for.
        held_out: The problem's report on the best candidate, which search never saw.
        result: The run.
    """

    problem: str
    sense: Sense
    best: str | None
    objective: float | None
    curve: tuple[float, ...]
    failed: int
    classical: tuple[float, ...]
    held_out: dict[str, Any]
    result: Result

    @property
    def evaluations(self) -> int:
        """Evaluations of candidates, failed ones and those of nested runs included."""
        return len(self.curve)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens."""
        return self.result.usage.tokens

    def to_json(self, trace_path: str | None = None) -> dict[str, Any]:
        """All of it as JSON data; what is not finite in a curve is `None`."""
        return {
            "problem": self.problem,
            "sense": self.sense,
            "best": self.best,
            "objective": self.objective,
            "evaluations": self.evaluations,
            "failed": self.failed,
            "tokens": self.tokens,
            "curve": _finite(self.curve),
            "classical": _finite(self.classical),
            "held_out": self.held_out,
            "result": self.result.to_json(trace_path),
        }


async def adiscover(
    problem: str | Problem,
    *,
    blueprint: Any = None,
    evaluations: int | None = None,
    classical: bool = True,
    seed: int = 0,
    **options: Any,
) -> Discovery:
    """Search for a better candidate until the blueprint's search or the budget ends.

    Args:
        problem: A problem, or the name of one (`reflectree.graphs.discovery.problem`).
        blueprint: The reasoning system; by default the one that suits the problem (`opro`, `funsearch`, ...).
        evaluations: Most candidates the search asks for, where its strategy counts them (`opro`, `islands`,
            `best-of-n`); a budget caps any other.
        classical: Whether to run the classical method at as many evaluations, too.
        seed: Seed of all sampling, and of the classical method.
        options: Those of `asolve`: `policy`, `budget`, `concurrency`, `checkpoint`, `run_id` and the others.

    Raises:
        BadInput: Something given cannot work; nothing was paid.
        ModelError: As `asolve`.
    """
    given = problem_named(problem) if isinstance(problem, str) else problem
    if not isinstance(given, Problem):
        raise BadInput(f"problem={given!r}: give the name of one, or an object with what `Problem` asks for")
    for taken in ("task", "evaluator"):
        if taken in options:
            raise BadInput(f"{taken}=: the problem itself is the {taken}; use rt.solve for another one")
    check_ready(given)
    plan = blueprints.load(getattr(given, "blueprint", "opro") if blueprint is None else blueprint)
    if evaluations is not None:
        plan = sized(plan, evaluations)
    if classical:
        given.classical(1, seed)  # what cannot be compared with is said before anything is paid
    result = await asolve(given.task, blueprint=plan, evaluator=given, seed=seed, **options)
    return discovery_of(given, result, classical=classical, seed=seed)


def discover(problem: str | Problem, **options: Any) -> Discovery:
    """`adiscover` for code that is not async: the same arguments, result and errors."""
    return run_sync(adiscover(problem, **options))


def discovery_of(problem: Problem, result: Result, *, classical: bool = True, seed: int = 0) -> Discovery:
    """What a finished run found, read off its trace."""
    found = measurements(result.trace)
    best = best_measured(found, problem.sense)
    candidate = None if best is None else best.candidate
    held_out: dict[str, Any] = {}
    if candidate is not None:
        try:
            held_out = problem.report(candidate)
        except Exception as error:  # held-out data may be harder, and time shorter; what was found is paid for
            held_out = {"failed": str(error) if isinstance(error, ScoreError) else f"{type(error).__name__}: {error}"}
    return Discovery(
        problem.name,
        problem.sense,
        candidate,
        None if best is None else best.objective,
        tuple(best_so_far(found, problem.sense)),
        sum(math.isnan(one.objective) for one in found),
        tuple(problem.classical(len(found), seed)) if classical and found else (),
        held_out,
        result,
    )


def sized(plan: Blueprint, evaluations: int) -> Blueprint:
    """The blueprint with a search that asks for so many candidates at most.

    Raises:
        BadInput: The number is not positive, or the strategy does not count candidates.
    """
    strategy = plan.scheme.strategy
    known = type(strategy).model_fields
    if evaluations < 1:
        raise BadInput(f"evaluations={evaluations}: give at least 1")
    if {"starts", "per_step", "steps"} <= known.keys():
        starts, per_step = min(getattr(strategy, "starts"), evaluations), getattr(strategy, "per_step")  # noqa: B009
        return plan.with_overrides(
            {"scheme.strategy.starts": starts, "scheme.strategy.steps": (evaluations - starts) // per_step}
        )
    for name in ("programs", "n"):
        if name in known:
            return plan.with_overrides({f"scheme.strategy.{name}": evaluations})
    raise BadInput(
        f"evaluations=: strategy {strategy.name} of blueprint {plan.name} does not count candidates; "
        "cap it with budget=Budget(calls=...)"
    )


def _finite(curve: tuple[float, ...]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in curve]
