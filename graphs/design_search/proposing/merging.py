"""New designs of several: the call's nodes stand in ascending order, so the last one is what an edit changes."""

from __future__ import annotations

from random import Random

from typing_extensions import override

from reflectree.graphs.design_search.designs import difference
from reflectree.graphs.design_search.proposals import Asking, Context, Proposer, design_of
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.structure import ReasoningStructure


class Merger(Proposer):
    """Carries out *aggregate* with a model.

    Args:
        context: What the search's agents know.
        asking: Makes the conversation.
    """

    def __init__(self, context: Context, asking: Asking) -> None:
        super().__init__("aggregate", context, asking)

    @override
    def parent(self, call: Call, structure: ReasoningStructure) -> Blueprint:
        """The design that an edit changes: the best of those shown."""
        return design_of(structure, call.nodes[-1], self.context)


def bred(call: Call, structure: ReasoningStructure, context: Context, rng: Random) -> tuple[Blueprint, str]:
    """Without a model: the two best crossed, then mutated.

    Raises:
        BadDesign: Nothing new and allowed was found.
    """
    best, other = (design_of(structure, node, context) for node in (call.nodes[-1], call.nodes[-2]))
    child = context.space.mutate(context.space.crossover(best, other, rng), rng)
    return child, difference(best, child)


def crossed(call: Call, structure: ReasoningStructure, context: Context, rng: Random) -> tuple[Blueprint, str]:
    """A crossover of two designs, without a mutation: AgentSquare's recombination.

    Raises:
        BadDesign: A design cannot be read.
    """
    first, second = (design_of(structure, node, context) for node in call.nodes[:2])
    design = context.space.crossover(first, second, rng)
    return design, difference(first, design)


__all__ = ["Merger", "bred", "crossed"]
