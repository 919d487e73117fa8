"""Strategies by the name a blueprint gives them, and `register` for your own."""

from __future__ import annotations

from reflectree.rlm_ops.strategies.ab_mcts import ABMCTS
from reflectree.rlm_ops.strategies.adaptive import Adaptive
from reflectree.rlm_ops.strategies.base import Limits, Strategy
from reflectree.rlm_ops.strategies.beam import DVTS, Beam
from reflectree.rlm_ops.strategies.debate import Debate
from reflectree.rlm_ops.strategies.depth_first import TreeOfThoughtsDFS
from reflectree.rlm_ops.strategies.design.adas import ADAS
from reflectree.rlm_ops.strategies.design.aflow import AFlow
from reflectree.rlm_ops.strategies.design.agentsquare import AgentSquare
from reflectree.rlm_ops.strategies.design.evolution import Evolution
from reflectree.rlm_ops.strategies.design.evomac import EvoMAC
from reflectree.rlm_ops.strategies.design.gepa import GEPA
from reflectree.rlm_ops.strategies.design.gptswarm import GPTSwarm
from reflectree.rlm_ops.strategies.design.mipro import MIPRO
from reflectree.rlm_ops.strategies.design.tree import DesignMCTS
from reflectree.rlm_ops.strategies.forest import Forest
from reflectree.rlm_ops.strategies.graph_of_thoughts import GraphOfThoughts
from reflectree.rlm_ops.strategies.hypotheses import HypothesisSearch
from reflectree.rlm_ops.strategies.implicit import Implicit
from reflectree.rlm_ops.strategies.islands import Islands
from reflectree.rlm_ops.strategies.journey import Journey
from reflectree.rlm_ops.strategies.lats_env import LatsEnv
from reflectree.rlm_ops.strategies.least_to_most import LeastToMost
from reflectree.rlm_ops.strategies.llama_berry import LlamaBerry
from reflectree.rlm_ops.strategies.mcts import MCTS
from reflectree.rlm_ops.strategies.mctsr import MCTSr
from reflectree.rlm_ops.strategies.mixture_of_agents import MixtureOfAgents
from reflectree.rlm_ops.strategies.operator_mcts import OperatorMCTS
from reflectree.rlm_ops.strategies.opro import Opro
from reflectree.rlm_ops.strategies.path_sampling import PathSampling
from reflectree.rlm_ops.strategies.react import ReAct
from reflectree.rlm_ops.strategies.react_env import ReActEnv
from reflectree.rlm_ops.strategies.refinement import SelfRefine
from reflectree.rlm_ops.strategies.reflexion import Reflexion
from reflectree.rlm_ops.strategies.reflexion_env import ReflexionEnv
from reflectree.rlm_ops.strategies.registry import STRATEGIES, register
from reflectree.rlm_ops.strategies.role_team import RoleTeam
from reflectree.rlm_ops.strategies.rstar import RStar
from reflectree.rlm_ops.strategies.rstar_math import RStarMath
from reflectree.rlm_ops.strategies.sampling import BestOfN, ChainOfThought, SelfConsistency
from reflectree.rlm_ops.strategies.team import Team
from reflectree.rlm_ops.strategies.tree_of_thoughts import TreeOfThoughtsBFS

for _built_in in (
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
    Opro,
    Islands,
    HypothesisSearch,
    Team,
    Debate,
    MixtureOfAgents,
    RoleTeam,
    ReActEnv,
    ReflexionEnv,
    LatsEnv,
    ADAS,
    AFlow,
    AgentSquare,
    Evolution,
    EvoMAC,
    GEPA,
    GPTSwarm,
    MIPRO,
    DesignMCTS,
):
    register(_built_in)

__all__ = [
    "ABMCTS",
    "ADAS",
    "DVTS",
    "GEPA",
    "MCTS",
    "MIPRO",
    "STRATEGIES",
    "AFlow",
    "Adaptive",
    "AgentSquare",
    "Beam",
    "BestOfN",
    "ChainOfThought",
    "Debate",
    "DesignMCTS",
    "EvoMAC",
    "Evolution",
    "Forest",
    "GPTSwarm",
    "GraphOfThoughts",
    "HypothesisSearch",
    "Implicit",
    "Islands",
    "Journey",
    "LatsEnv",
    "LeastToMost",
    "Limits",
    "LlamaBerry",
    "MCTSr",
    "MixtureOfAgents",
    "OperatorMCTS",
    "Opro",
    "PathSampling",
    "RStar",
    "RStarMath",
    "ReAct",
    "ReActEnv",
    "Reflexion",
    "ReflexionEnv",
    "RoleTeam",
    "SelfConsistency",
    "SelfRefine",
    "Strategy",
    "Team",
    "TreeOfThoughtsBFS",
    "TreeOfThoughtsDFS",
    "register",
]
