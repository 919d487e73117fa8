"""*prune*: take nodes, and with them what grows from them, out of the search. They stay in the trace.

`prune` makes the event. The other functions say *what* to prune (too weak, beyond a rank, said before, dead); they
change nothing, so a strategy asks them and then asks for the prune. They do not know when pruning is a good idea.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Pruned
from reflectree.rlm_ops.structure import ReasoningStructure

Embed = Callable[[Sequence[str]], Any]
"""Texts in, one vector each out: an array of shape (texts, dimensions)."""


def prune(structure: ReasoningStructure, call: Call) -> list[Pruned]:
    """One event for those of `call.nodes` that are not pruned yet; none if all are."""
    nodes = tuple(node for node in call.nodes if structure.steps[node].status != "pruned")
    return [Pruned(nodes=nodes, reason=call.reason)] if nodes else []


def below(structure: ReasoningStructure, nodes: Iterable[int], threshold: float) -> list[int]:
    """Those nodes whose own value is below a threshold. A node without a value is not weak, it is unknown."""
    return [node for node in nodes if (value := structure.value(node)) is not None and value < threshold]


def beyond_rank(
    structure: ReasoningStructure, nodes: Iterable[int], keep: int, values: Mapping[int, float] | None = None
) -> list[int]:
    """All but the `keep` best nodes, the best of them first; ties go to the older node.

    Args:
        structure: Where the nodes stand.
        nodes: What is ranked.
        keep: How many stay.
        values: What to rank by, such as the values of paths; a node it lacks ranks last. Own values by default.
    """

    def rank(node: int) -> tuple[bool, float, int]:
        value = structure.value(node) if values is None else values.get(node)
        return (value is None, 0.0 if value is None else -value, node)

    return sorted(nodes, key=rank)[max(0, keep) :]


def normalised(text: str) -> str:
    """The form in which steps are compared: letter case and white space do not matter."""
    return " ".join(text.casefold().split())


def duplicates(
    structure: ReasoningStructure,
    nodes: Iterable[int],
    how: Literal["text", "embedding"] = "text",
    embed: Embed | None = None,
    threshold: float = 0.95,
) -> list[int]:
    """Those nodes whose path says what the path of an older one of them says.

    Args:
        structure: Where the nodes stand.
        nodes: What is compared.
        how: `text` (equal but for case and white space) or `embedding` (cosine of at least `threshold` to a node that
            stays: what repeats a duplicate only is none).
        embed: Gives the vectors, for `embedding`.
        threshold: Cosine similarity from which two paths are the same, in (0, 1].

    Raises:
        BadInput: `embedding` without a function that embeds, or one that does not give one vector a text.
    """
    ordered = sorted(nodes)
    texts = [structure.path(node).text for node in ordered]
    if how == "embedding":
        return [ordered[position] for position in _alike(texts, embed, threshold)]
    seen: set[str] = set()
    repeated = []
    for node, text in zip(ordered, map(normalised, texts), strict=True):
        if text in seen:
            repeated.append(node)
        seen.add(text)
    return repeated


def dead(structure: ReasoningStructure, node: int) -> bool:
    """Whether nothing can grow at or below a node and no answer is there: a subtree to be given up.

    A subtree with calls in flight, or with a step that still waits for its value, is not dead.
    """
    if structure.openings[node] or structure.virtual[node]:
        return False
    below_it = [node]
    while below_it:
        current = below_it.pop()
        if current in structure.terminals or current in structure.unscored:
            return False
        below_it += structure.children[current]
    return True


def _alike(texts: Sequence[str], embed: Embed | None, threshold: float) -> list[int]:
    """Positions of texts whose vector is close to that of an earlier one that stays."""
    if embed is None:
        raise BadInput("duplicates by embedding need embed=: a function of texts that returns one vector each")
    if not texts:
        return []
    vectors: npt.NDArray[np.float64] = np.asarray(embed(texts), dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise BadInput(f"embed= returned an array of shape {vectors.shape} for {len(texts)} texts: one vector each")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    cosines = units @ units.T
    stays: list[int] = []
    repeated: list[int] = []
    for position in range(len(texts)):
        alike = bool(stays) and float(cosines[position, stays].max()) >= threshold - 1e-12
        (repeated if alike else stays).append(position)
    return repeated
