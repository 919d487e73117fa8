"""Where each design came from and what became of it, read from the trace of a search; and which one is chosen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reflectree.graphs.design_search.acceptance import LEVEL, Rule, accepts, probability
from reflectree.graphs.design_search.cache import Cache
from reflectree.graphs.design_search.designs import difference
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure
from reflectree.rlm_ops.trace import Trace


@dataclass(frozen=True, slots=True)
class Ancestry:
    """One design of a search.

    Attributes:
        node: Its node.
        digest: Its digest.
        parents: The nodes it was made from; the root is none.
        op: The operator that made it, and `how` its variant.
        why: What the proposal says for it.
        changed: What it changes in its first parent, one path a line; in the seed where it has no parent.
        status: `measured`, `unmeasured` (it was never run over the validation part, or that came to nothing), `pruned`.
        scores: Its validation scores; empty where it was not measured.
        better: How sure one may be that it is better than the seed, on the validation part.
        tokens: Tokens an example; `None` where it was never run.
    """

    node: int
    digest: str
    parents: tuple[int, ...]
    op: str
    how: str
    why: str
    changed: str
    status: str
    scores: tuple[float, ...]
    better: float | None
    tokens: float | None

    @property
    def mean(self) -> float | None:
        """Its validation score."""
        return sum(self.scores) / len(self.scores) if self.scores else None

    def to_json(self) -> dict[str, Any]:
        """As the report holds it."""
        return {**asdict(self), "mean": self.mean}


def design_at(structure: ReasoningStructure, node: int) -> Blueprint | None:
    """The design of a node, if it has one."""
    answer = structure.steps[node].answer if node != ROOT else None
    return None if answer is None else Blueprint.parse(json.loads(answer), origin=f"node {node}")


def lineage(
    structure: ReasoningStructure, seed: Blueprint, cache: Cache, bench: str, rule: Rule = "bootstrap"
) -> list[Ancestry]:
    """All designs of a search, oldest first."""
    designs = {node: design for node in range(1, len(structure)) if (design := design_at(structure, node)) is not None}
    seed_scores = next((_scores(structure, node) for node, one in designs.items() if one.digest == seed.digest), ())
    found = []
    for node, design in designs.items():
        scores = _scores(structure, node)
        parents = tuple(parent for parent in _parents(structure, node) if parent != ROOT)
        first = designs.get(parents[0], seed) if parents else seed
        step = structure.steps[node]
        status = "pruned" if step.status == "pruned" else "measured" if scores else "unmeasured"
        count, usage = cache.cost(design.digest, bench)
        found.append(
            Ancestry(
                node=node,
                digest=design.digest,
                parents=parents,
                op=structure.ops[node],
                how=structure.hows[node],
                why=structure.notes.get(node, "") if isinstance(structure.notes, dict) else "",
                changed=difference(first, design),
                status=status,
                scores=scores,
                better=probability(seed_scores, scores, rule) if len(scores) == len(seed_scores) > 0 else None,
                tokens=usage.tokens / count if count else None,
            )
        )
    return found


def chosen(found: Sequence[Ancestry], seed: str, rule: Rule = "bootstrap", level: float = LEVEL) -> Ancestry:
    """The design with the highest validation mean of those that are better than the seed beyond doubt, else the seed.

    Of equal means the one that takes fewer tokens is chosen.

    Args:
        found: The designs; the seed, measured, is among them.
        seed: The seed's digest.
        rule: How sure one is that one is better than another.
        level: How sure one has to be.
    """
    first = next(one for one in found if one.digest == seed and one.scores)
    ranked = sorted(
        (one for one in found if one.scores and one.digest != seed),
        key=lambda one: (-(one.mean or 0.0), one.tokens or 0.0, one.node),
    )
    for one in ranked:
        if len(one.scores) == len(first.scores) and accepts(first.scores, one.scores, rule, level):
            return one
    return first


def failures(trace: Trace, most: int = 8) -> dict[str, int]:
    """Why proposals and evaluations came to nothing, the most frequent reasons first."""
    reasons = Counter(
        f"{row.get('of', '')}: {' '.join(str(row.get('reason', '')).split())[:160]}"
        for row in trace.rows
        if row.get("op") == "failed"
    )
    return dict(reasons.most_common(most))


def _scores(structure: ReasoningStructure, node: int) -> tuple[float, ...]:
    return tuple(structure.scores.get((node, ""), ()))


def _parents(structure: ReasoningStructure, node: int) -> Sequence[int]:
    return structure.parents[node]
