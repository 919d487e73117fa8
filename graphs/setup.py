"""What a run closes over once it has been validated, and the agents that are made of it.

How it is validated is in `reflectree.graphs.preparing`.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reflectree.agents.acting import Worlds
from reflectree.agents.aggregator import Aggregator
from reflectree.agents.asking import Asking, Person, asks_people
from reflectree.agents.attempts import Wanted
from reflectree.agents.base import Agent
from reflectree.agents.enricher import Enricher
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators.base import Evaluator
from reflectree.agents.generator import Generator
from reflectree.agents.nested import NestedRuns
from reflectree.agents.refiner import Refiner
from reflectree.agents.safety import Check
from reflectree.agents.tools import Tool
from reflectree.graphs.live import OnEvent
from reflectree.graphs.state import TaskInput, task_from
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Retries
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.environment import MakeEnvironment
from reflectree.rlm_ops.events import Began
from reflectree.rlm_ops.remembering import DEFAULT
from reflectree.rlm_ops.strategies.reflexion import Reflexion
from reflectree.rlm_ops.strategies.reflexion_env import ReflexionEnv
from reflectree.rlm_ops.task import Verifier

if TYPE_CHECKING:
    from reflectree.graphs.memory.access import Memory

_KEPT = 64
_words: OrderedDict[int, tuple[Blueprint, str]] = OrderedDict()
"""The latest blueprints as JSON, by the object: its hash would be made of that same text each time."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything a reasoning graph closes over, validated. Heavy objects live here, never in the state.

    Attributes:
        roles: The models by role; `policy` is always among them.
        evaluators: The evaluators by variant, the plain one under ""; empty where the strategy asks for none.
        tools: The tools a run may use, by name.
        inner: The set-ups of nested runs, by the variant of *generate* that makes them.
        memory: What the run recalls from and learns into; its blueprint then has a memory part.
        own: Agents given to the run, by operator, in place of those that the blueprint's settings make.
        environment: Makes what the run acts in.
        worlds: The environments it acts in.
        person: Answers what the run asks a person; without one it waits, saved, for the reply.
        safety: Refuses commands before they are carried out. The tools and the environment stand behind it.
        wanted: Says what is wrong with the form of an answer.
    """

    blueprint: Blueprint
    roles: Mapping[str, PolicyModel]
    evaluators: Mapping[str, Evaluator]
    verifier: Verifier | None
    budget: Budget
    concurrency: int
    seed: int
    oracle: bool
    retries: Retries | None = None
    on_event: OnEvent | None = None
    on_nested: OnEvent | None = None
    tools: Mapping[str, Tool] = field(default_factory=dict)
    inner: Mapping[str, Setup] = field(default_factory=dict)
    memory: Memory | None = None
    own: Mapping[str, Agent] = field(default_factory=dict)
    environment: MakeEnvironment | None = None
    worlds: Worlds | None = None
    person: Person | None = None
    safety: Check | None = None
    wanted: Wanted | None = None

    @property
    def asking(self) -> Asking | None:
        """What says which calls a person is asked about; `None` where the blueprint never asks one."""
        settings, strategy = self.blueprint.operators.enrich, self.blueprint.scheme.strategy
        ours = "enrich" in strategy.uses() and "enrich" not in self.own
        return Asking(settings, self.safety) if ours and asks_people(settings) else None

    @property
    def policy(self) -> PolicyModel:
        """The model that writes steps."""
        return self.roles["policy"]

    @property
    def evaluator(self) -> Evaluator | None:
        """The plain evaluator."""
        return self.evaluators.get("")

    @property
    def usable_verifier(self) -> Verifier | None:
        """The verifier, if search may ask it."""
        verifier = self.verifier
        return verifier if verifier is not None and (self.oracle or not verifier.gold) else None

    def agents(self, nested: NestedRuns | None = None) -> dict[str, Agent]:
        """The agents the blueprint needs, by operator."""
        operators, granularity = self.blueprint.operators, self.blueprint.scheme.granularity
        uses = self.blueprint.scheme.strategy.uses()
        own = {op: agent for op, agent in self.own.items() if op in uses}
        uses -= own.keys()
        agents: dict[str, Agent] = {}
        if "generate" in uses:
            described = {name: tool.description for name, tool in self.tools.items()}
            agents["generate"] = Generator(
                operators.generate, granularity, self.roles, nested=nested, tools=described, wanted=self.wanted
            )
        if "refine" in uses:
            agents["refine"] = Refiner(
                operators.refine,
                granularity,
                verifier=self.usable_verifier,
                models=self.roles,
                delimiter=operators.generate.delimiter,
            )
        if "aggregate" in uses:
            agents["aggregate"] = Aggregator(operators.aggregate, granularity, self.roles)
        if "enrich" in uses:
            agents["enrich"] = self._enricher()
        if self.evaluators:
            agents["evaluate"] = EvaluatorAgent(self.evaluators)
        return {**agents, **own}

    def _enricher(self) -> Enricher:
        """The enricher; for Reflexion the one that reflects on the attempt that has just failed."""
        settings, part = self.blueprint.operators.enrich, self.blueprint.memory or DEFAULT
        if not isinstance(self.blueprint.scheme.strategy, Reflexion | ReflexionEnv):
            return Enricher(settings, tools=self.tools, models=self.roles, worlds=self.worlds)
        from reflectree.agents.memory.retrier import Retrier
        from reflectree.graphs.memory.outcome import scoring_source

        source = scoring_source(self) or "self"
        retrier = Retrier(settings, tools=self.tools, models=self.roles, window=part.window, source=source)
        retrier.worlds = self.worlds
        return retrier

    def began(self, task: str | TaskInput) -> Began:
        """The first event of a run."""
        words = task_from(task)
        strategy = self.blueprint.scheme.strategy
        limits = strategy.limits()
        return Began(
            question=words.question,
            context=words.context,
            examples=words.examples,
            tools=tuple(self.tools),
            task_id=words.id,
            form=words.form,
            blueprint=_data_of(self.blueprint),
            width=limits.width,
            root_width=limits.root_width,
            depth=limits.depth,
            ops=limits.ops,
            backup=strategy.backup_rule.to_row(),
            policy=self.policy.name,
            evaluator=self.evaluator.source if self.evaluator else "",
            verifier=self.verifier.name if self.verifier else "",
            seed=self.seed,
            oracle=self.oracle,
        )


def _data_of(blueprint: Blueprint) -> dict[str, Any]:
    """A blueprint's data, each time its own: to dump it takes a tenth of the time of a short run."""
    kept = _words.get(id(blueprint))
    if kept is None:
        kept = blueprint, json.dumps(blueprint.model_dump(mode="json"))
        _words[id(blueprint)] = kept
        if len(_words) > _KEPT:
            _words.popitem(last=False)
    data: dict[str, Any] = json.loads(kept[1])
    return data
