"""Labels from the values a search backed up: q(node), TD(lambda) and n-step targets.

The blueprint's process-based supervision (arXiv 2501.11223, section 4.3: the value model is trained towards backed-up
q), and the targets of Sutton & Barto 2018 (7.1 and 12.1). Values are those of the run's own evaluator and backup rule:
what it could not see, these labels do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.structure import ROOT
from reflectree.training.labels.source import Source
from reflectree.training.samples import Labelled, Valued


def backed_up(source: Source, least_visits: int = 1) -> dict[int, float]:
    """Backed-up value q of every step that was visited often enough, in [0, 1]."""
    structure = source.structure
    return {
        node: min(1.0, max(0.0, q))
        for node in source.nodes
        if structure.visits[node] >= least_visits and (q := structure.q(node)) is not None
    }


def search_values(source: Source, *, least_visits: int = 2) -> list[Valued]:
    """Each prefix and its q; its weight is its share of the visits of the step visited most, in (0, 1].

    Args:
        source: The run.
        least_visits: Visits below which a step has no label. An answer needs only one: below it nothing is averaged.
    """
    ends = set(source.ends)
    visits = source.structure.visits
    values = {n: q for n, q in backed_up(source).items() if n in ends or visits[n] >= least_visits}
    top = max((visits[node] for node in values), default=1)
    return source.valued("search", values, {node: visits[node] / top for node in values})


def search_steps(source: Source) -> list[Labelled]:
    """Each path of the tree to its end with q of its steps."""
    return source.labelled("search/steps", backed_up(source), source.leaves())


def lambda_targets(values: Sequence[float], reward: float, lam: float = 0.9, gamma: float = 1.0) -> list[float]:
    """TD(lambda) along an episode, without rewards on the way: G_t = gamma ((1 - lam) V_(t+1) + lam G_(t+1)).

    Args:
        values: V after each step; the last is not used, for there the episode ends.
        reward: What the episode came to: the target of the last step.
        lam: 0 looks one step ahead, 1 takes the outcome.
        gamma: Discount.

    Returns:
        One target a step; the last is the reward.
    """
    if not values:
        return []
    targets = [reward]
    for later in reversed([*values[1:-1], reward] if len(values) > 1 else []):
        targets.append(gamma * ((1.0 - lam) * later + lam * targets[-1]))
    return targets[::-1]


def n_step_targets(values: Sequence[float], reward: float, n: int = 1, gamma: float = 1.0) -> list[float]:
    """n-step targets along an episode: gamma^n V_(t+n), or the discounted reward where it ends before.

    Raises:
        BadInput: n is below 1.
    """
    if n < 1:
        raise BadInput(f"an n-step target looks at least one step ahead: n={n}")
    last = len(values) - 1
    return [gamma**n * values[at + n] if at + n < last else gamma ** (last - at) * reward for at in range(last + 1)]


def td_lambda(source: Source, *, lam: float = 0.9, gamma: float = 1.0) -> list[Valued]:
    """Each prefix on the way to an answer and its TD(lambda) target, averaged over the answers below it."""
    return _along(source, "td-lambda", lambda values, reward: lambda_targets(values, reward, lam, gamma))


def n_step(source: Source, *, n: int = 2, gamma: float = 1.0) -> list[Valued]:
    """Each prefix on the way to an answer and its n-step target, averaged over the answers below it."""
    return _along(source, "n-step", lambda values, reward: n_step_targets(values, reward, n, gamma))


def _along(source: Source, label: str, targets: Callable[[Sequence[float], float], list[float]]) -> list[Valued]:
    worths = _worths(source)
    found: dict[int, list[float]] = {}
    for end in source.ends:
        if end in worths:
            ids = source.read(end)
            known = [node for node in ids if node in worths]
            for node, target in zip(known, targets([worths[n] for n in known], worths[end]), strict=True):
                found.setdefault(node, []).append(target)
    return source.valued(label, {node: fmean(several) for node, several in found.items()})


def _worths(source: Source) -> Mapping[int, float]:
    """V of each step: the outcome of an answer where it is known, else the mean of its own evaluations."""
    own = {node: v for node in source.nodes if (v := source.structure.value(node)) is not None and node != ROOT}
    return own | {end: source.outcomes[end] for end in source.ends if end in source.outcomes}
