"""What a method of design search is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath

from reflectree.agents.base import Agent
from reflectree.agents.evaluators.base import Evaluator
from reflectree.graphs import blueprints
from reflectree.graphs.design_search.parameters import Level
from reflectree.graphs.design_search.proposals import Context
from reflectree.rlm_ops.blueprint import Blueprint

FOLDER = FilePath(__file__).parent.parent / "blueprints"
"""Where the methods' own blueprints are."""

MakeAgents = Callable[[Context, Blueprint, bool], Mapping[str, Agent]]
"""Makes the agents of a search, by operator, from what they may know, the method's blueprint, and whether a model
proposes."""
MakeEvaluators = Callable[[Context, bool], Mapping[str, Evaluator]]
"""Makes what a method observes of a design by itself, by the calls' `how`."""


def no_evaluators(context: Context, proposes: bool) -> Mapping[str, Evaluator]:
    """Nothing beside the design's own runs."""
    return {}


@dataclass(frozen=True)
class Method:
    """A method of design search.

    Attributes:
        name: Its name, which is that of its blueprint, too.
        level: What it changes, in the paper: prompts, modules, or agents.
        make_agents: Makes its agents.
        make_evaluators: Makes what it observes by itself.
        needs_train: Whether it cannot do without training examples.
        reads_feedback: Whether its prompts show what went wrong with a design that was measured: each is then run on a
            few training examples as well.
        only_there: Whether it works at no other level.
    """

    name: str
    level: Level
    make_agents: MakeAgents
    make_evaluators: MakeEvaluators = no_evaluators
    needs_train: bool = False
    reads_feedback: bool = False
    only_there: bool = False

    @cached_property
    def blueprint(self) -> Blueprint:
        """The method as a blueprint: strategy, numbers and source."""
        return blueprints.load(FOLDER / f"{self.name}.yaml")

    def agents(
        self, context: Context, *, proposes: bool = True, blueprint: Blueprint | None = None
    ) -> dict[str, Agent]:
        """The agents of a search by operator; *evaluate* is not among them.

        Args:
            context: What they may know.
            proposes: Whether a model proposes designs; else they are varied by chance.
            blueprint: The method's blueprint, where its parameters were changed.
        """
        plan = blueprint or self.blueprint
        uses = plan.scheme.strategy.uses()
        return {op: agent for op, agent in self.make_agents(context, plan, proposes).items() if op in uses}

    def evaluators(self, context: Context, *, proposes: bool = True) -> dict[str, Evaluator]:
        """What it observes of designs by itself, by the calls' `how`: for `DesignEvaluatorAgent`'s `others`."""
        return dict(self.make_evaluators(context, proposes))


__all__ = ["FOLDER", "MakeAgents", "MakeEvaluators", "Method"]
