"""Monte Carlo labels: what completions of a prefix come to.

Math-Shepherd (arXiv 2312.08935, eqs. 3 and 4): N completions of each prefix; the hard estimate is whether any of them
is right, the soft one the share of them that are (an outcome between 0 and 1 counts as such in the soft one). VinePPO
(arXiv 2410.01679) takes the soft one as a value, PAV (arXiv 2410.08146) the difference a step makes to it under a
prover that is not the policy. The completions are data: `wanted` says of which prefixes, and
`reflectree.training.labels.rolling` has them made. Nothing here calls a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas import progress
from reflectree.rlm_ops.structure import ROOT
from reflectree.training.labels.source import RIGHT, Source, Wanted
from reflectree.training.samples import Labelled, Valued


def hard(outcomes: Sequence[float]) -> float:
    """Math-Shepherd's hard estimate (eq. 3): 1 if any completion is right, else 0.

    Raises:
        BadInput: There is no completion.
    """
    return float(max(_some(outcomes)) >= RIGHT)


def soft(outcomes: Sequence[float]) -> float:
    """Math-Shepherd's soft estimate (eq. 4): the share of completions that are right.

    Raises:
        BadInput: There is no completion.
    """
    return sum(_some(outcomes)) / len(outcomes)


def _some(outcomes: Sequence[float]) -> Sequence[float]:
    if not outcomes:
        raise BadInput("a prefix without completions has no estimate: roll out at least one first")
    return outcomes


def wanted(source: Source, *, root: bool = False, open_paths: bool = False) -> list[Wanted]:
    """The prefixes that want completions: those on the way to an answer that have none yet, the answers left out.

    Args:
        source: The run.
        root: The question alone is wanted too: for VinePPO and PAV.
        open_paths: Prefixes that no answer was found below are wanted too.
    """
    ends = set(source.ends)
    nodes = {node for end in ends for node in source.read(end)}
    if open_paths:
        nodes.update(source.nodes)
    if root:
        nodes.add(ROOT)
    return [(node, source.structure.path(node)) for node in sorted(nodes - ends) if not source.rollouts.get(node)]


def estimates(source: Source, how: Callable[[Sequence[float]], float] = soft) -> dict[int, float]:
    """The estimate of each node with completions; an answer of known outcome has that as its only completion."""
    found = {node: how(outcomes) for node, outcomes in source.rollouts.items() if outcomes}
    return found | {end: how([source.outcomes[end]]) for end in source.ends if end in source.outcomes}


def math_shepherd_hard(source: Source) -> list[Labelled]:
    """Each solution, a step labelled 1 if any completion from it is right."""
    return source.labelled("math-shepherd/hard", estimates(source, hard))


def math_shepherd_soft(source: Source) -> list[Labelled]:
    """Each solution, a step labelled with the share of completions from it that are right."""
    return source.labelled("math-shepherd/soft", estimates(source, soft))


def rollout_values(source: Source) -> list[Valued]:
    """Each prefix with completions and the share of them that are right: V(s) as VinePPO estimates it."""
    return source.valued("rollouts/values", estimates(source, soft))


def tree_hard(source: Source) -> list[Labelled]:
    """As `math_shepherd_hard`, with the answers the search itself found below a step in place of rollouts."""
    return source.labelled("tree/hard", _from_tree(source, hard))


def tree_soft(source: Source) -> list[Labelled]:
    """As `math_shepherd_soft`, with the answers the search itself found below a step in place of rollouts.

    A search looks more often where it is promising, so these shares lean upwards, unlike those of rollouts.
    """
    return source.labelled("tree/soft", _from_tree(source, soft))


def _from_tree(source: Source, how: Callable[[Sequence[float]], float]) -> dict[int, float]:
    return {node: how([source.outcomes[end] for end in ends]) for node, ends in source.ends_below.items() if node}


def pav(source: Source) -> list[Labelled]:
    """Each solution, a step labelled with the progress it makes under the prover whose completions are given.

    Progress A = Q after the step less Q before it lies in [-1, 1] (arXiv 2410.08146, eq. 2); the label is (1 + A) / 2,
    so 0.5 is no progress.
    """
    q = estimates(source, soft)
    labels: dict[int, float] = {}
    for end in source.ends:
        ids = [ROOT, *source.read(end)]
        for before, node in pairwise(ids):
            if before in q and node in q:
                labels[node] = 0.5 * (1.0 + progress([q[before], q[node]])[0])
    return source.labelled("pav", labels)
