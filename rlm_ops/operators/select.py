"""*select*: choose among nodes of a structure, by a formula or by chance. It changes nothing and makes no event.

Each selector takes a structure, nodes, how many of them, and a `random.Random` (a strategy passes `structure.rng`); it
returns distinct nodes, the first choice first, all of them where there are fewer. Ties go to the older node. What a
node is worth is its value under the run's backup rule; before anything was backed up to it, its own; before that, its
primary parent's; and `NEUTRAL` where nothing is known at all. Calls in flight count as visits (WU-UCT).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.formulas.posteriors import Beta, Moments
from reflectree.rlm_ops.formulas.sampling import epsilon_greedy as _epsilon_greedy
from reflectree.rlm_ops.formulas.sampling import proportional as _proportional
from reflectree.rlm_ops.formulas.sampling import thompson as _thompson
from reflectree.rlm_ops.formulas.scores import puct as _puct
from reflectree.rlm_ops.formulas.scores import uct as _uct
from reflectree.rlm_ops.structure import ROOT, ReasoningStructure

Selector = Callable[[ReasoningStructure, Iterable[int], int, Random], list[int]]

NEUTRAL = 0.5
"""The worth of a node of which nothing is known."""


def worth(structure: ReasoningStructure, node: int) -> float:
    """What a node is worth as far as is known, in [0, 1]."""
    for known in structure.ancestors(node):
        q = structure.q(known)
        value = structure.value(known) if q is None else q
        if value is not None:
            return value
    return NEUTRAL


def top_k(structure: ReasoningStructure, nodes: Iterable[int], k: int, rng: Random) -> list[int]:
    """The nodes worth most; no chance in it."""
    return _highest(nodes, k, lambda node: worth(structure, node))


def uct(structure: ReasoningStructure, nodes: Iterable[int], k: int, rng: Random) -> list[int]:
    """The nodes that UCT scores highest, each against its own primary parent's visits; unvisited ones first."""
    return _highest(
        nodes,
        k,
        lambda node: _uct(
            worth(structure, node), _visits(structure, _parent(structure, node)), _visits(structure, node)
        ),
    )


def puct(structure: ReasoningStructure, nodes: Iterable[int], k: int, rng: Random) -> list[int]:
    """The nodes that PUCT scores highest; priors are the policy's where it gave any, else uniform over siblings."""

    def score(node: int) -> float:
        parent = _parent(structure, node)
        priors = structure.sibling_priors(parent) if node != ROOT else None
        prior = priors[node] if priors else 1.0 / max(1, len(structure.children[parent]))
        return _puct(worth(structure, node), _visits(structure, parent), _visits(structure, node), prior)

    return _highest(nodes, k, score)


def thompson(structure: ReasoningStructure, nodes: Iterable[int], k: int, rng: Random) -> list[int]:
    """Thompson sampling: a draw a node from a Beta belief about its mean, the highest draw first."""

    def belief(node: int) -> Beta:
        visits = structure.visits[node]
        if visits:
            return Beta().given(Moments(visits, structure.value_sum[node] / visits))
        return Beta().given(Moments(structure.evaluations[node], structure.value(node) or 0.0))

    return _drawn(nodes, k, lambda left: _thompson([belief(node) for node in left], rng))


def epsilon_greedy(structure: ReasoningStructure, nodes: Iterable[int], k: int, rng: Random) -> list[int]:
    """The nodes worth most, with one choice in ten at random."""
    return _drawn(nodes, k, lambda left: _epsilon_greedy([worth(structure, node) for node in left], rng))


def proportional(structure: ReasoningStructure, nodes: Iterable[int], k: int, rng: Random) -> list[int]:
    """Nodes by chance, proportional to what they are worth (Tree of Thoughts' `sample`), none twice."""
    return sample(nodes, k, rng, lambda node: worth(structure, node))


def sample(
    nodes: Iterable[int], k: int, rng: Random, score: Callable[[int], float], temperature: float = 1.0
) -> list[int]:
    """`k` nodes by chance, proportional to `score ** (1 / temperature)`, none twice."""
    return _drawn(nodes, k, lambda left: _proportional([score(node) for node in left], rng, temperature))


SELECTORS: dict[str, Selector] = {
    "uct": uct,
    "puct": puct,
    "thompson": thompson,
    "epsilon-greedy": epsilon_greedy,
    "top-k": top_k,
    "proportional": proportional,
}


def select(structure: ReasoningStructure, nodes: Iterable[int], k: int, rng: Random, by: str = "top-k") -> list[int]:
    """`k` of the nodes, by a selector's name.

    Raises:
        BadInput: There is no such selector.
    """
    if by not in SELECTORS:
        raise BadInput(f"unknown selector {by!r}: use one of {', '.join(SELECTORS)}")
    return SELECTORS[by](structure, nodes, k, rng)


def _parent(structure: ReasoningStructure, node: int) -> int:
    return structure.parents[node][0] if node != ROOT else ROOT


def _visits(structure: ReasoningStructure, node: int) -> int:
    return structure.visits[node] + structure.virtual[node]


def _highest(nodes: Iterable[int], k: int, score: Callable[[int], float]) -> list[int]:
    return sorted(nodes, key=lambda node: (-score(node), node))[: max(0, k)]


def _drawn(nodes: Iterable[int], k: int, choose: Callable[[Sequence[int]], int]) -> list[int]:
    """Draw without putting back; the order in which nodes come cannot matter."""
    left = sorted(nodes)
    chosen: list[int] = []
    while left and len(chosen) < k:
        chosen.append(left.pop(choose(left)))
    return chosen
