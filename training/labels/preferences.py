"""Preference pairs of what a search found: siblings by value, rStar-Math's pairs, comparisons, whole solutions.

A pair shares the steps before the two ways part. Pairs around a first wrong step (Self-Explore, Step-DPO) are in
`reflectree.training.labels.pits`. Values are those the run backed up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from reflectree.rlm_ops.operators.prune import normalised
from reflectree.rlm_ops.structure import ROOT
from reflectree.training.labels.searched import backed_up
from reflectree.training.labels.source import Source
from reflectree.training.samples import Preferred


def pair(
    source: Source,
    label: str,
    node: int,
    chosen: Sequence[str],
    rejected: Sequence[str],
    values: tuple[float, float] | None = None,
) -> Preferred | None:
    """Two ways as a sample, their common beginning as its prefix; `None` where one says nothing of its own.

    Args:
        source: The run.
        label: Its name.
        node: The node it is about.
        chosen: The steps of the better way, from the question on.
        rejected: Those of the worse.
        values: Their values.
    """
    shared = 0
    for a, b in zip(chosen, rejected, strict=False):
        if a != b:
            break
        shared += 1
    better, worse = tuple(chosen[shared:]), tuple(rejected[shared:])
    if not better or not worse or list(map(normalised, better)) == list(map(normalised, worse)):
        return None
    return Preferred(
        question=source.question,
        steps=tuple(chosen[:shared]),
        chosen=better,
        rejected=worse,
        values=values,
        origin=source.origin(label, node),
    )


def siblings(source: Source, *, margin: float = 0.2, least_visits: int = 1, most: int = 4) -> list[Preferred]:
    """Steps read after the same prefix whose values differ by at least `margin`; the clearest `most` of each prefix."""
    values = backed_up(source, least_visits)
    made = []
    for above in sorted(source.readers):
        known = [node for node in source.readers[above] if node in values]
        gaps = [
            (values[a] - values[b], a, b)
            for a, b in itertools.permutations(known, 2)
            if values[a] - values[b] >= margin
        ]
        gaps.sort(key=lambda gap: (-gap[0], gap[1], gap[2]))
        pairs = (_of_nodes(source, "siblings", a, b, (values[a], values[b])) for gap, a, b in gaps if gap > 0)
        made += _distinct(pairs, most)
    return made


def rstar_math(
    source: Source, *, margin: float = 0.5, distance: int = 20, best: int = 2, worst: int = 2
) -> list[Preferred]:
    """rStar-Math's pairs for its process preference model (arXiv 2501.04519, section 3.3, and its release).

    At each prefix the steps of highest Q on the way to a right answer, against those of lowest Q that lead to wrong
    answers only. At the end whole solutions by the mean Q of their steps, for few answers share a prefix.

    Args:
        source: The run.
        margin: The least difference in Q on the paper's scale of -1 to 1, which is twice ours.
        distance: The least edit distance of the two texts, in characters.
        best: Better ways at a prefix.
        worst: Worse ways at a prefix.
    """
    q = backed_up(source)
    right = {node for node, ends in source.ends_below.items() if any(map(source.right, ends))}
    lost = set(source.ends_below) - right
    ends = set(source.ends)
    made: list[Preferred | None] = []
    for above in sorted(source.readers):
        below = [node for node in source.readers[above] if node in q and node not in ends]
        made += _ranked(source, q, [n for n in below if n in right], [n for n in below if n in lost], margin, distance,
                        best, worst)  # fmt: skip
    whole = {end: sum(q[node] for node in ids) / len(ids) for end in ends if (ids := _all_in(source.read(end), q))}
    made += _ranked(source, whole, [n for n in whole if n in right], [n for n in whole if n in lost], margin, distance,
                    best, worst)  # fmt: skip
    return [sample for sample in made if sample is not None]


def _all_in(ids: list[int], values: dict[int, float]) -> list[int]:
    return ids if all(node in values for node in ids) else []


def _ranked(
    source: Source,
    q: dict[int, float],
    right: list[int],
    lost: list[int],
    margin: float,
    distance: int,
    best: int,
    worst: int,
) -> list[Preferred | None]:
    winners = sorted(right, key=lambda node: (-q[node], node))[:best]
    losers = sorted(lost, key=lambda node: (q[node], node))[:worst]
    return [
        _of_nodes(source, "rstar-math", a, b, (q[a], q[b]))
        for a, b in itertools.product(winners, losers)
        if 2.0 * (q[a] - q[b]) >= margin and far_apart("\n".join(source.texts(a)), "\n".join(source.texts(b)), distance)
    ]


def berry(source: Source, *, margin: float = 0.1) -> list[Preferred]:
    """LLaMA-Berry: solutions that were compared in the run, where the judge is sure by at least `margin` beyond a half.

    arXiv 2410.02884. A pair compared in both orders counts with the mean of the two.
    """
    made = []
    for a, b in sorted({(min(pair), max(pair)) for pair in source.structure.preferences}):
        chance = source.structure.better(a, b)
        if chance is None or ROOT in (a, b) or not (source.says(a) and source.says(b)):
            continue
        winner, loser, sure = (a, b, chance) if chance >= 0.5 else (b, a, 1.0 - chance)
        if sure - 0.5 >= margin:
            made.append(_of_nodes(source, "llama-berry", winner, loser, (sure, 1.0 - sure)))
    return [sample for sample in made if sample is not None]


def outcomes(source: Source, *, most: int = 5) -> list[Preferred]:
    """Right solutions against wrong ones, the i-th with the i-th: what step-wise pairs are to be compared with."""
    rights = [end for end in source.ends if source.right(end)]
    wrongs = [end for end in source.ends if source.wrong(end)]
    pairs = (
        _of_nodes(source, "outcome-pairs", a, b, (source.outcomes[a], source.outcomes[b]))
        for shift in range(len(wrongs))
        for a, b in zip(rights, wrongs[shift:] + wrongs[:shift], strict=False)
    )
    return _distinct(pairs, most)


def _of_nodes(source: Source, label: str, better: int, worse: int, values: tuple[float, float]) -> Preferred | None:
    return pair(source, label, better, source.texts(better), source.texts(worse), values)


def _distinct(pairs: Iterable[Preferred | None], most: int) -> list[Preferred]:
    """The first pairs that say something of their own."""
    seen: set[tuple[tuple[str, ...], ...]] = set()
    made: list[Preferred] = []
    for sample in pairs:
        if len(made) == most:
            break
        if sample is not None and (sample.steps, sample.chosen, sample.rejected) not in seen:
            seen.add((sample.steps, sample.chosen, sample.rejected))
            made.append(sample)
    return made


def far_apart(a: str, b: str, least: int) -> bool:
    """Whether the edit distance of two texts is at least `least`; costs O(len * least), not O(len^2)."""
    if least <= 0 or abs(len(a) - len(b)) >= least:
        return True
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        low, high = max(1, i - least), min(len(b), i + least)
        fresh = [least] * (len(b) + 1)
        fresh[0] = i
        for j in range(low, high + 1):
            fresh[j] = min(row[j] + 1, fresh[j - 1] + 1, row[j - 1] + (left != b[j - 1]))
        row = fresh
        if min(row) >= least:
            return True
    return row[-1] >= least
