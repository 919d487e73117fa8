"""Preference pairs around the first wrong step of a wrong solution: Self-Explore and Step-DPO.

The *first pit* is the first step from which no completion is right, the one before having one (Self-Explore, arXiv
2404.10346). Both take a pair there: the pit alone is rejected; chosen is, in Self-Explore, the shortest right
continuation from the step before, and in Step-DPO (arXiv 2406.18629) only that continuation's first step. Nothing after
the pit is learnt. Completions are data; so are people's judgements, where they are to name the pit.
"""

from __future__ import annotations

from reflectree.rlm_ops.structure import ROOT
from reflectree.training.labels.judged import first_judged_errors
from reflectree.training.labels.preferences import pair
from reflectree.training.labels.source import RIGHT, Source, Wanted
from reflectree.training.samples import Preferred


def wanted(source: Source) -> list[Wanted]:
    """The prefixes that want completions: the question and each step but the last of every wrong solution."""
    ends = set(source.ends)
    wrongs = [end for end in source.ends if source.wrong(end)]
    nodes = {node for end in wrongs for node in (ROOT, *source.read(end)) if node not in ends}
    return [(node, source.structure.path(node)) for node in sorted(nodes) if not source.rollouts.get(node)]


def first_pits(source: Source) -> dict[int, int]:
    """For each wrong solution, by its last node, its first pit; none where a step before it is not known.

    A step is known to be hopeful by a right completion or by a right answer of the run below it.
    """
    found = {}
    for end in source.ends:
        if not source.wrong(end):
            continue
        for node in source.read(end):
            hope = _hopeful(source, node)
            if hope is None:
                break
            if not hope:
                found[end] = node
                break
    return found


def _hopeful(source: Source, node: int) -> bool | None:
    """Whether a right answer can be reached from a node; `None` where nothing says."""
    if any(map(source.right, source.ends_below.get(node, ()))):
        return True
    outcomes = [*source.rollouts.get(node, ())]
    if node in source.outcomes and node in source.ends:
        outcomes.append(source.outcomes[node])
    return any(value >= RIGHT for value in outcomes) if outcomes else None


def ways_on(source: Source, node: int) -> list[tuple[str, ...]]:
    """The right continuations of a prefix that are known, the shortest first, no two the same."""
    above = len(source.read(node))
    ends = [end for end in source.ends_below.get(node, ()) if source.right(end)]
    found = [made.steps for made in source.continuations.get(node, ()) if made.reward >= RIGHT and made.steps]
    found += [source.texts(end)[above:] for end in ends]
    kept = dict.fromkeys(steps for steps in found if steps and all(step.strip() for step in steps))
    return sorted(kept, key=lambda steps: (sum(map(len, steps)), steps))


def self_explore(source: Source) -> list[Preferred]:
    """At each first pit: the shortest right continuation from the step before it, against the pit alone."""
    return _pairs(source, "self-explore", first_pits(source), whole=True)


def step_dpo(source: Source) -> list[Preferred]:
    """At each first wrong step: a right step in its place against it. People's judgement of where it is goes first."""
    return _pairs(source, "step-dpo", {**first_pits(source), **first_judged_errors(source)}, whole=False)


def _pairs(source: Source, label: str, pits: dict[int, int], *, whole: bool) -> list[Preferred]:
    made: dict[int, Preferred] = {}
    for pit in pits.values():
        if pit in made:
            continue
        above = source.above(pit)
        prefix, text = source.texts(above), source.structure.steps[pit].text
        for steps in ways_on(source, above):
            if steps[0] == text:
                continue
            chosen = (*prefix, *(steps if whole else steps[:1]))
            sample = pair(source, label, pit, chosen, (*prefix, text), (1.0, 0.0))
            if sample is not None:
                made[pit] = sample
                break
    return list(made.values())
