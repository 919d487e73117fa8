"""The end of a search: choose by the validation part, open the test part once, and measure what was chosen on it.

The seed stands beside the winner, and so does the seed as self-consistency with as many samples as the winner's tokens
pay: what one would get for the same money without any search.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

from reflectree.agents.evaluators.base import ScoreError
from reflectree.graphs.design_search.acceptance import LEVEL, Rule
from reflectree.graphs.design_search.cache import FINAL
from reflectree.graphs.design_search.designs import BadDesign
from reflectree.graphs.design_search.equal_cost import bill_of_test, rival
from reflectree.graphs.design_search.evaluator import DesignEvaluator, Evaluation
from reflectree.graphs.design_search.lineage import Ancestry, chosen, design_at, failures, lineage
from reflectree.graphs.design_search.preflight import FINAL_SHARE, OWNER, Preflight, rest
from reflectree.graphs.design_search.report import SearchReport, Tested
from reflectree.graphs.result import Result
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BudgetRefused, ModelError, TraceError
from reflectree.rlm_ops.structure import ReasoningStructure, fold
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import Usage

MARGIN = 1.1
"""So many times what a test is expected to cost is asked for where a budget did not pay it."""


@dataclass(frozen=True)
class Finish:
    """What the end of a search is made with.

    Attributes:
        seed: The seed design.
        evaluator: What runs designs.
        rule: How sure one is that a design is better than the seed, and `level` how sure one has to be.
    """

    seed: Blueprint
    evaluator: DesignEvaluator
    rule: Rule = "bootstrap"
    level: float = LEVEL


async def finish(
    end: Finish, result: Result, before: Preflight, budget: Budget, settings: Mapping[str, Any]
) -> SearchReport:
    """Choose, test and report.

    Raises:
        BadDesign: The seed was never measured, so that nothing can be compared with it.
        TraceError: Another design was tested in this folder before.
    """
    structure, cache = fold(result.trace), end.evaluator.examples.cache
    found = lineage(structure, end.seed, cache, end.evaluator.examples.bench.name, end.rule)
    if not any(one.digest == end.seed.digest and one.scores for one in found):
        reasons = "; ".join(failures(result.trace)) or result.stop_reason
        raise BadDesign(f"the seed design could not be measured on the validation part ({reasons})")
    best = chosen(found, end.seed.digest, end.rule, end.level)
    winner = _design(structure, best, end.seed)
    search = result.usage + before.usage
    account = Ledger(_for_test(budget, search))
    tested, bill, untested = await _tested(end, winner, best, account)
    if untested and any(cap is not None for cap in astuple(budget)):
        untested = f"{untested}; {_advice(end, winner.digest, budget, search)}"
    lost_runs, lost = cache.lost()
    return SearchReport(
        settings=dict(settings),
        preflight=before,
        designs=tuple(found),
        failures=failures(result.trace),
        seed=end.seed,
        winner=winner,
        stop=result.stop_reason,
        search=search,
        final=bill,
        tested=tuple(tested),
        validation=len(end.evaluator.splits.validation),
        untested=untested,
        lost_runs=lost_runs,
        lost=lost,
    )


def _design(structure: ReasoningStructure, best: Ancestry, seed: Blueprint) -> Blueprint:
    design = design_at(structure, best.node)
    return seed if design is None or design.digest == seed.digest else design


async def _tested(end: Finish, winner: Blueprint, best: Ancestry, account: Ledger) -> tuple[list[Tested], Usage, str]:
    """The final designs on the test part, the bill, and why there are none, where the budget did not pay them."""
    designs = {"seed": end.seed}
    if winner.digest != end.seed.digest:
        same = rival(end.evaluator.examples, end.seed, best.tokens or 0.0)
        designs |= {"winner": winner, "seed at equal cost": same}
    digests = sorted({design.digest for design in designs.values()})
    kept = end.evaluator.examples.cache.note(FINAL, digests)
    if kept != digests:
        raise TraceError(
            f"the test part of this folder was opened for the designs {', '.join(kept)}: a search that went on after "
            "that would be chosen by it; begin a new one in another folder"
        )
    tasks = end.evaluator.splits.test.finalise(*digests)
    tested: list[Tested] = []
    bill = Usage()
    for name, design in designs.items():
        known = any(one.digest == design.digest for one in tested)
        try:
            done = await end.evaluator.evaluate(design, tasks, account, FINAL)
        except (BudgetRefused, ScoreError, ModelError) as error:
            paid = error.usage if isinstance(error, ScoreError) else Usage()
            return tested, bill + paid, f"{name}: {error}"
        bill = bill if known else bill + done.usage
        tested.append(_figures(end.evaluator, name, design, tasks, done))
    return tested, bill, ""


def _figures(
    evaluator: DesignEvaluator, name: str, design: Blueprint, tasks: Sequence[Task], done: Evaluation
) -> Tested:
    cache = evaluator.examples.cache
    usages = [cache.get(evaluator.examples.key(design, task)) for task in tasks]
    whole = sum((made.usage for made in usages if made is not None), Usage())
    return Tested.of(name, design.digest, done.scores, whole)


def _for_test(budget: Budget, spent: Usage) -> Budget:
    """What is left for the test; seconds are counted anew."""
    return replace(rest(budget, spent), seconds=None if budget.seconds is None else budget.seconds * FINAL_SHARE)


def _advice(end: Finish, winner: str, budget: Budget, search: Usage) -> str:
    """Which budget would have paid for the test, of those that were given."""
    examples = end.evaluator.examples
    bill = bill_of_test(examples, end.seed, winner, len(end.evaluator.splits.test))
    wanted = []
    for cap, word in (("calls", "calls"), ("tokens", "tokens"), ("usd", "dollars")):
        if getattr(budget, cap) is not None:
            whole = (getattr(search, cap) or 0) + (getattr(bill, cap) + examples.bound(cap)) * MARGIN
            wanted.append(f"{whole:.2g} {word}" if cap == "usd" else f"{math.ceil(whole)} {word}")
    said = f"search and test take about {' and '.join(wanted)} together" if wanted else "there was no time left for it"
    return f"{said}: with a larger budget, a search that has a folder goes on with its test"


__all__ = ["FINAL", "OWNER", "Finish", "finish"]
