"""Strategies by the name a blueprint gives them."""

from __future__ import annotations

from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.forest import Forest
from reflectree.rlm_ops.strategies.graph_of_thoughts import GraphOfThoughts
from reflectree.rlm_ops.strategies.implicit import Implicit
from reflectree.rlm_ops.strategies.mcts import MCTS
from reflectree.rlm_ops.strategies.sampling import BestOfN, ChainOfThought, SelfConsistency

STRATEGIES: dict[str, type[Strategy]] = {
    cls.name: cls for cls in (ChainOfThought, SelfConsistency, BestOfN, MCTS, Forest, GraphOfThoughts, Implicit)
}

__all__ = ["MCTS", "STRATEGIES", "BestOfN", "ChainOfThought", "Limits", "SelfConsistency", "Strategy"]
