"""OmegaPRM's binary search for the first wrong step of a wrong solution (arXiv 2406.06592, section 3.2).

A step is wrong if no completion from it is right (MC = 0). The first such step of n is found with at most
ceil(log2(n)) estimates: the whole is known to be wrong and the question is taken to be answerable. The search has no
state: `probe` says from the estimates that are known which prefix wants the next one. The tree of states that OmegaPRM
grows around this search is in `reflectree.training.labels.omega_tree`.
"""

from __future__ import annotations

from collections.abc import Mapping

from reflectree.training.labels.monte_carlo import estimates, soft
from reflectree.training.labels.source import Source, Wanted
from reflectree.training.samples import Labelled, Valued


def bounds(steps: int, mc: Mapping[int, float]) -> tuple[int, int]:
    """The last prefix known to be sound and the first known to be lost, as far as the search has come.

    Args:
        steps: Steps of the wrong solution.
        mc: For a prefix length the share of its completions that are right.
    """
    low, high = 0, steps
    while high - low > 1:
        middle = (low + high) // 2
        if middle not in mc:
            break
        low, high = (middle, high) if mc[middle] > 0 else (low, middle)
    return low, high


def probe(steps: int, mc: Mapping[int, float]) -> int | None:
    """The prefix length to estimate next; `None` once the first wrong step is known."""
    low, high = bounds(steps, mc)
    return (low + high) // 2 if high - low > 1 else None


def first_wrong(steps: int, mc: Mapping[int, float]) -> int | None:
    """The number of the first wrong step, from 1; `None` while it is not known."""
    low, high = bounds(steps, mc)
    return high if high - low == 1 else None


def wanted(source: Source) -> list[Wanted]:
    """The prefix of each wrong solution that the search wants completions of next; none once all are settled.

    Ask again with what came of them: a solution of n steps is settled after at most ceil(log2(n)) rounds.
    """
    nodes = set()
    for ids, mc in _searches(source):
        at = probe(len(ids), mc)
        if at is not None:
            nodes.add(ids[at - 1])
    return [(node, source.structure.path(node)) for node in sorted(nodes)]


def _searches(source: Source) -> list[tuple[list[int], dict[int, float]]]:
    """For each wrong solution its nodes, and the estimates of its prefixes by length.

    A right answer that the search itself found below a prefix proves that the prefix is not lost, without a rollout.
    """
    proofs = {node: [1.0] for node, ends in source.ends_below.items() if any(map(source.right, ends))}
    known = {
        node: soft([*source.rollouts.get(node, ()), *proofs.get(node, ())])
        for node in {*proofs, *(node for node, outcomes in source.rollouts.items() if outcomes)}
    }
    found = []
    for end in source.ends:
        if source.wrong(end):
            ids = source.read(end)
            found.append((ids, {at: known[node] for at, node in enumerate(ids, 1) if node in known}))
    return found


def first_errors(source: Source) -> dict[int, int]:
    """For each wrong solution that is settled, by its last node: the node of its first wrong step."""
    found = {}
    for ids, mc in _searches(source):
        at = first_wrong(len(ids), mc)
        if at is not None:
            found[ids[-1]] = ids[at - 1]
    return found


def omegaprm(source: Source) -> list[Labelled]:
    """Each settled solution: 1 for the steps before the first wrong one, 0 for that, none for what comes after.

    A right solution has 1 for every step. What follows an error is neither right nor wrong, so it is not learnt.
    """
    errors = first_errors(source)
    made = []
    for end in source.ends:
        ids = source.read(end)
        if source.right(end):
            made += source.labelled("omegaprm", dict.fromkeys(ids, 1.0), [end])
        elif end in errors:
            sound = ids[: ids.index(errors[end])]
            made += source.labelled("omegaprm", {**dict.fromkeys(sound, 1.0), errors[end]: 0.0}, [end])
    return made


def omegaprm_values(source: Source) -> list[Valued]:
    """Each prefix the search looked at and its share of right completions, and each answer with its outcome."""
    return source.valued("omegaprm/values", estimates(source, soft))


def most_probes(steps: int) -> int:
    """The most estimates that settle a solution of so many steps: ceil(log2(steps))."""
    return max(0, steps - 1).bit_length()
