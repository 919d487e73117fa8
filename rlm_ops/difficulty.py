"""How hard a question is, by what was sampled so far; how many samples it is worth; and when to stop sampling.

All from answers, votes and values, never from gold. Nothing here draws a sample or knows of budgets.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

from reflectree.rlm_ops.answers import normalise
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.consensus import beta_majority, dirichlet_majority

StopRule = Literal["beta", "dirichlet"]


def count_votes(answers: Sequence[str]) -> Counter[str]:
    """How often each answer was given, normalised answers being the same."""
    return Counter(map(normalise, answers))


def agreement(answers: Sequence[str]) -> float:
    """The share of the most frequent answer (self-consistency, arXiv 2203.11171); 0 of none."""
    return max(count_votes(answers).values()) / len(answers) if answers else 0.0


def spread(values: Sequence[float]) -> float:
    """Standard deviation of values (of a population: 0 of one, at most one half between 0 and 1); 0 of none."""
    if not values:
        return 0.0
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def majority_confidence(answers: Sequence[str], rule: StopRule = "beta") -> float:
    """P(the leading answer stays the majority), by Adaptive-Consistency's rule (arXiv 2305.11860).

    `beta` weighs the leader against the second only; `dirichlet` against all others, and so stops later.

    Raises:
        BadInput: There is no such rule.
    """
    votes = count_votes(answers).values()
    if rule == "beta":
        return beta_majority(votes)
    if rule == "dirichlet":
        return dirichlet_majority(votes)
    raise BadInput(f"unknown stop rule {rule!r}: use beta or dirichlet")


def has_settled(answers: Sequence[str], confidence: float = 0.95, rule: StopRule = "beta", least: int = 1) -> bool:
    """Whether Adaptive-Consistency stops sampling here (arXiv 2305.11860).

    Args:
        answers: The answers so far; samples that state none do not count.
        confidence: From where on the leader is sure enough. At 0.95, four equal answers settle it.
        rule: See `majority_confidence`.
        least: Answers wanted in any case.
    """
    return len(answers) >= max(1, least) and majority_confidence(answers, rule) >= confidence


def can_still_change(votes: Collection[float], remaining: int) -> bool:
    """Whether `remaining` more votes could change which answer leads, be it by drawing level.

    An answer not seen yet can come to lead, too. The opposite is Forest-of-Thought's early stop (arXiv 2412.09078),
    which asks for more than half of all votes and so may come later.

    Args:
        votes: The votes of each answer, such as `count_votes(answers).values()`.
        remaining: How many are still to come, one unit each.
    """
    if remaining < 1:
        return False
    first, second = (*heapq.nlargest(2, votes), 0.0, 0.0)[:2]
    return first - second <= remaining


def samples_for(difficulty: float, target: float = 0.95, least: int = 1, most: int = 32) -> int:
    """How many samples make at least one success `target` likely: `ln(1 - target) / ln(difficulty)`, rounded up.

    Args:
        difficulty: The chance that one sample fails: 0 is trivial, 1 hopeless. `1 - agreement(answers)` of a few
            samples is an estimate that needs no gold (compute-optimal scaling, arXiv 2408.03314).
        target: The chance of success that is wanted.
        least: Samples in any case.
        most: The cap; the hopeless get it. `allocate` spends nothing on them instead.

    Raises:
        BadInput: A difficulty outside [0, 1], a target outside [0, 1), or bounds that cannot be.
    """
    _check(difficulty, least, most)
    if not 0.0 <= target < 1.0:
        raise BadInput(f"a target is a probability below 1, got {target}")
    if difficulty <= 0.0:
        wanted = 1.0
    elif difficulty >= 1.0:
        wanted = math.inf
    else:
        wanted = math.log1p(-target) / math.log(difficulty)
    # a hair less, so that rounding does not buy a sample where the quotient is whole
    return max(least, math.ceil(wanted - 1e-9)) if wanted < most else most


def allocate(difficulties: Sequence[float], total: int, least: int = 1, most: int = 32) -> list[int]:
    """Share samples out over questions, each next one where it adds most successes (arXiv 2410.04707).

    The n-th sample of a question of difficulty d adds `(1 - d) * d ** (n - 1)` of a success; greedy is optimal, since
    that falls with n. What adds nothing is not spent: the trivial and the hopeless keep `least`.

    Args:
        difficulties: The chance that one sample fails, for each question.
        total: Samples to share out.
        least: Samples for each in any case.
        most: Most samples for one.

    Raises:
        BadInput: A difficulty outside [0, 1], or `total` does not give each `least`.
    """
    for difficulty in difficulties:
        _check(difficulty, least, most)
    left = total - least * len(difficulties)
    if left < 0:
        raise BadInput(f"{total} samples do not give each of {len(difficulties)} questions {least}: raise the total")
    shares = [least] * len(difficulties)
    heap = [(-(1.0 - d) * d**least, index) for index, d in enumerate(difficulties)]
    heapq.heapify(heap)
    while left and heap:
        loss, index = heapq.heappop(heap)
        if loss >= 0.0 or shares[index] >= most:
            continue
        shares[index] += 1
        left -= 1
        heapq.heappush(heap, (loss * difficulties[index], index))
    return shares


def _check(difficulty: float, least: int, most: int) -> None:
    if not 0.0 <= difficulty <= 1.0:
        raise BadInput(f"a difficulty is a probability, got {difficulty}")
    if not 0 <= least <= most:
        raise BadInput(f"at least {least} and at most {most} samples cannot be")
