"""The agents of each method: who carries out *generate*, *refine* and *aggregate*, with a proposing model or without.

Without one, designs are varied by chance within their space: every method runs, as a search by its selection alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reflectree.agents.base import Agent
from reflectree.agents.evaluators.base import Evaluator
from reflectree.graphs.design_search.proposals import Asking, Context, Proposer, Varier
from reflectree.graphs.design_search.proposing import asks
from reflectree.graphs.design_search.proposing.backward import Backpropagator
from reflectree.graphs.design_search.proposing.edges import EdgeSampler
from reflectree.graphs.design_search.proposing.examples import Bootstrapper, Combiner
from reflectree.graphs.design_search.proposing.merging import Merger, bred, crossed
from reflectree.graphs.design_search.proposing.predicting import NearestPredictor, Predictor
from reflectree.graphs.design_search.proposing.routing import Routed
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Operator
from reflectree.rlm_ops.strategies.design.adas import DEBUG
from reflectree.rlm_ops.strategies.design.agentsquare import PREDICT
from reflectree.rlm_ops.strategies.design.mipro import DEMOS

Agents = Mapping[str, Agent]

ONE_EDIT = (
    "Change one thing of this design so that it does better. Do not repeat an edit that was tried; build on what "
    "helped, and avoid what did not."
)
BETTER = (
    "The designs are listed in ascending order of their values, from 0 to 100: higher is better. Write a new design "
    "that differs from all of them and has a higher value than any."
)
NEXT = (
    "These designs are from an archive. Draw on what makes some better than others, and propose the next one: "
    "interestingly different from them, and likely to do better."
)
REPAIR = (
    "This design does not work: its value is next to nothing. Find the mistake with the help of the feedback and "
    "repair it, keeping its idea."
)
MUTATE = "Change one role of this team, or one connection: who is in it, what one is told, or who reads whose messages."
CROSS = "Make one design that takes what is best of both."
INSTRUCT = (
    "Write a new instruction (operators.generate.instruction) for these tasks. Take another approach than those that "
    "were tried: think of what the tasks have in common, and of what is easily got wrong."
)


def _made(op: Operator, context: Context, proposes: bool, asking: Asking) -> Agent:
    """The agent of an operator."""
    return Proposer(op, context, asking) if proposes else Varier(op, context)


def _first(context: Context, proposes: bool) -> Agent:
    return _made("generate", context, proposes, asks.fresh)


def _merger(context: Context, proposes: bool, goal: str) -> Agent:
    return Merger(context, asks.viewing(goal)) if proposes else Varier("aggregate", context, bred)


def merging(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """OPRO: new designs from the task alone, then from the history in ascending order."""
    return {
        "generate": _first(context, proposes),
        "aggregate": _merger(context, proposes, BETTER),
    }


def reflective(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """GEPA: one text rewritten in view of a minibatch; merges, where they are on."""
    return {
        "generate": _first(context, proposes),
        "refine": _made("refine", context, proposes, asks.reflecting),
        "aggregate": _merger(context, proposes, CROSS),
    }


def with_demos(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """MIPRO: instructions proposed, worked examples bootstrapped, both put together without a model."""
    instruct = _made("refine", context, proposes, asks.editing(INSTRUCT))
    return {
        "generate": _first(context, proposes),
        "refine": Routed(instruct, {DEMOS: Bootstrapper(context)}),
        "aggregate": Combiner(context),
    }


def edits(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """AFlow and tree search: one edit, with the parent's experience."""
    return {
        "generate": _first(context, proposes),
        "refine": _made("refine", context, proposes, asks.editing(ONE_EDIT)),
    }


def squares(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """AgentSquare: modules changed in turn, and recombined without a model."""
    return {
        "generate": _first(context, proposes),
        "refine": _made("refine", context, proposes, asks.changing_module),
        "aggregate": Varier("aggregate", context, crossed),
    }


def predictors(context: Context, proposes: bool) -> Mapping[str, Evaluator]:
    """AgentSquare's performance predictor."""
    return {PREDICT: Predictor(context) if proposes else NearestPredictor(context)}


def adas(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """ADAS: the next design in view of a few of the archive; repairs."""
    repair = asks.by_how({DEBUG: asks.editing(REPAIR, experience=False)}, asks.editing(ONE_EDIT))
    return {
        "generate": _first(context, proposes),
        "refine": _made("refine", context, proposes, repair),
        "aggregate": _merger(context, proposes, NEXT),
    }


def sampled_edges(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """GPTSwarm: teams with sampled edges; no model proposes."""
    settings: dict[str, Any] = plan.scheme.strategy.model_dump()
    return {"generate": EdgeSampler(context, settings)}


def updates(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """EvoMAC: a textual gradient and an update."""
    update: Agent = Backpropagator(context) if proposes else Varier("refine", context)
    return {"generate": _first(context, proposes), "refine": update}


def evolving(context: Context, plan: Blueprint, proposes: bool) -> Agents:
    """Evolution of roles and teams: mutations and crossovers."""
    return {
        "generate": _first(context, proposes),
        "refine": _made("refine", context, proposes, asks.editing(MUTATE)),
        "aggregate": _merger(context, proposes, CROSS),
    }


__all__ = [
    "adas",
    "edits",
    "evolving",
    "merging",
    "predictors",
    "reflective",
    "sampled_edges",
    "squares",
    "updates",
    "with_demos",
]
