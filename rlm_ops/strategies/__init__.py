"""Strategies by the name a blueprint gives them."""

from __future__ import annotations

from reflectree.rlm_ops.strategies.ab_mcts import ABMCTS
from reflectree.rlm_ops.strategies.adaptive import Adaptive
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.beam import DVTS, Beam
from reflectree.rlm_ops.strategies.depth_first import TreeOfThoughtsDFS
from reflectree.rlm_ops.strategies.forest import Forest
from reflectree.rlm_ops.strategies.graph_of_thoughts import GraphOfThoughts
from reflectree.rlm_ops.strategies.implicit import Implicit
from reflectree.rlm_ops.strategies.journey import Journey
from reflectree.rlm_ops.strategies.least_to_most import LeastToMost
from reflectree.rlm_ops.strategies.llama_berry import LlamaBerry
from reflectree.rlm_ops.strategies.mcts import MCTS
from reflectree.rlm_ops.strategies.mctsr import MCTSr
from reflectree.rlm_ops.strategies.operator_mcts import OperatorMCTS
from reflectree.rlm_ops.strategies.path_sampling import PathSampling
from reflectree.rlm_ops.strategies.react import ReAct
from reflectree.rlm_ops.strategies.refinement import SelfRefine
from reflectree.rlm_ops.strategies.reflexion import Reflexion
from reflectree.rlm_ops.strategies.rstar import RStar
from reflectree.rlm_ops.strategies.rstar_math import RStarMath
from reflectree.rlm_ops.strategies.sampling import BestOfN, ChainOfThought, SelfConsistency
from reflectree.rlm_ops.strategies.tree_of_thoughts import TreeOfThoughtsBFS

STRATEGIES: dict[str, type[Strategy]] = {
    cls.name: cls
    for cls in (
        ChainOfThought,
        SelfConsistency,
        BestOfN,
        Beam,
        DVTS,
        TreeOfThoughtsBFS,
        TreeOfThoughtsDFS,
        GraphOfThoughts,
        Forest,
        Journey,
        Implicit,
        MCTS,
        SelfRefine,
        MCTSr,
        LlamaBerry,
        LeastToMost,
        ReAct,
        Reflexion,
        RStar,
        RStarMath,
        ABMCTS,
        Adaptive,
        OperatorMCTS,
        PathSampling,
    )
}

__all__ = [
    "ABMCTS",
    "DVTS",
    "MCTS",
    "STRATEGIES",
    "Adaptive",
    "Beam",
    "BestOfN",
    "ChainOfThought",
    "Forest",
    "GraphOfThoughts",
    "Implicit",
    "Journey",
    "LeastToMost",
    "Limits",
    "LlamaBerry",
    "MCTSr",
    "OperatorMCTS",
    "PathSampling",
    "RStar",
    "RStarMath",
    "ReAct",
    "Reflexion",
    "SelfConsistency",
    "SelfRefine",
    "Strategy",
    "TreeOfThoughtsBFS",
    "TreeOfThoughtsDFS",
]
