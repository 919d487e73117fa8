"""What a run needs, validated before anything is paid for: blueprint, models, evaluators, verifier, tools, budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reflectree.agents import evaluators
from reflectree.agents.aggregator import Aggregator
from reflectree.agents.base import Agent
from reflectree.agents.enricher import Enricher
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators.base import Evaluator
from reflectree.agents.generator import Generator
from reflectree.agents.nested import NestedRuns
from reflectree.agents.refiner import Refiner, check_refine
from reflectree.agents.tools import Tool, check_environment, check_tools, read_tools
from reflectree.graphs import blueprints
from reflectree.graphs.live import OnEvent
from reflectree.graphs.state import TaskInput, task_from
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Retries
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.environment import MakeEnvironment
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Began
from reflectree.rlm_ops.remembering import DEFAULT
from reflectree.rlm_ops.strategies.parse import nearest
from reflectree.rlm_ops.strategies.reflexion import Reflexion
from reflectree.rlm_ops.task import Verifier

if TYPE_CHECKING:
    from reflectree.graphs.memory.access import Memory


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
        environment: What the run acts in.
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
            agents["generate"] = Generator(operators.generate, granularity, self.roles, nested=nested, tools=described)
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
        if not isinstance(self.blueprint.scheme.strategy, Reflexion):
            return Enricher(settings, tools=self.tools, models=self.roles, environment=self.environment)
        from reflectree.agents.memory.retrier import Retrier
        from reflectree.graphs.memory.outcome import scoring_source

        source = scoring_source(self) or "self"
        return Retrier(settings, tools=self.tools, models=self.roles, window=part.window, source=source)

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
            blueprint=self.blueprint.model_dump(mode="json"),
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


def prepare(
    blueprint: Any = "mcts",
    policy: Any = "embedded",
    *,
    evaluator: Any = None,
    verifier: Verifier | None = None,
    judge: Any = None,
    models: Mapping[str, Any] | None = None,
    tools: Sequence[Any] | None = None,
    budget: Budget | None = None,
    concurrency: int = 8,
    seed: int = 0,
    oracle: bool = False,
    retries: Retries | None = None,
    on_event: OnEvent | None = None,
    on_nested: OnEvent | None = None,
    memory: Any = None,
    agents: Mapping[str, Agent] | None = None,
    environment: Any = None,
) -> Setup:
    """Validate everything before anything is paid for.

    `models` are further models by role, as blueprints name them (`{"critic": "openai/gpt-5"}`; `judge` is one of them),
    `tools` what *act* steps may call: LangChain tools or typed functions. The rest is `asolve`'s.

    Raises:
        BadInput: Something given cannot work; the message names the fix.
    """
    plan = blueprints.complete(blueprints.load(blueprint))
    if memory is not None and plan.memory is None:
        plan = plan.model_copy(update={"memory": DEFAULT})
    roles = _roles(policy, judge, models or {})
    if verifier is not None and not isinstance(verifier, Verifier):
        raise BadInput(f"verifier={verifier!r}: give one of reflectree.verifiers, for example verifiers.numeric(42)")
    if concurrency < 1:
        raise BadInput(f"concurrency={concurrency}: give at least 1")
    caps = _tightest(budget or Budget(), Budget(**plan.budget.model_dump()))
    if caps.usd is not None:
        for model in roles.values():
            if model.price is None:
                raise BadInput(
                    f"a budget in dollars needs a known price, and that of {model.name} is unknown: "
                    "give rt.policy(..., price=Price(prompt=..., completion=...)) in dollars per million tokens, "
                    "or cap tokens"
                )
    scorer = evaluators.resolved(evaluator)  # once, for this run and those nested in it
    shared = _Shared(roles, read_tools(tools or ()), scorer, verifier, concurrency, oracle, retries, on_nested)
    own = _own_agents(agents or {}, plan)
    setup = shared.setup(plan, caps, seed, on_event, own, environment)
    return setup if memory is None else _with_memory(setup, memory)


def _with_memory(setup: Setup, memory: Any) -> Setup:
    """The set-up with a memory, if it has what the blueprint wants to learn from.

    Raises:
        BadInput: It has not, or the memory is none.
    """
    from reflectree.graphs.memory.access import Memory
    from reflectree.graphs.memory.outcome import check_memory

    setup = replace(setup, memory=Memory.of(memory, oracle=setup.oracle))
    check_memory(setup)
    return setup


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a run shares with those nested in it."""

    roles: Mapping[str, PolicyModel]
    tools: Mapping[str, Tool]
    evaluator: Any
    verifier: Verifier | None
    concurrency: int
    oracle: bool
    retries: Retries | None
    on_nested: OnEvent | None

    def setup(
        self,
        plan: Blueprint,
        caps: Budget,
        seed: int,
        on_event: OnEvent | None,
        own: Mapping[str, Agent] | None = None,
        environment: MakeEnvironment | None = None,
    ) -> Setup:
        """The set-up of one blueprint, and of those nested in it.

        Raises:
            BadInput: The blueprint needs something that was not given.
        """
        own = own or {}
        operators, uses = plan.operators, plan.scheme.strategy.uses() - own.keys()
        verifier = self.verifier
        usable = verifier if verifier is not None and (self.oracle or not verifier.gold) else None
        _check_roles(plan, self.roles)
        scorers: Mapping[str, Evaluator] = {}
        if "evaluate" in uses:
            scorers = evaluators.choose_all(
                operators.evaluate, operators.generate, self.evaluator, verifier, oracle=self.oracle, models=self.roles
            )
        if "refine" in uses:
            check_refine(operators.refine, usable, self.roles, plan.name, observes="enrich" in uses)
        if "enrich" in uses:
            check_tools(operators.enrich, self.tools, plan.name)
            check_environment(operators.enrich, environment, plan.name)
        if plan.selection == "verified" and usable is None:
            raise BadInput(
                f"blueprint {plan.name} selects by verifier: give one that knows no gold answer, or oracle=True"
            )
        inner = {}
        for how in ("", *operators.generate.variants):
            nested = operators.generate.variant(how).nested
            if nested is not None:
                cap = Budget(calls=nested.calls, tokens=nested.tokens)
                child = blueprints.load(nested.blueprint)
                inner[how] = self.setup(
                    child, _tightest(cap, Budget(**child.budget.model_dump())), seed, self.on_nested
                )
        return Setup(
            plan,
            self.roles,
            scorers,
            verifier,
            caps,
            self.concurrency,
            seed,
            self.oracle,
            self.retries,
            on_event,
            self.on_nested,
            self.tools,
            inner,
            own=own,
            environment=environment,
        )


def _own_agents(agents: Mapping[str, Agent], plan: Blueprint) -> Mapping[str, Agent]:
    """The agents given, if the blueprint's strategy asks for what they do.

    Raises:
        BadInput: One is given for an operator that is not its own, or that nobody asks for.
    """
    uses = plan.scheme.strategy.uses()
    for op, agent in agents.items():
        if getattr(agent, "op", None) != op:
            raise BadInput(f"agents={{{op!r}: ...}}: this agent carries out {getattr(agent, 'op', 'nothing')!r}")
        if op not in uses:
            raise BadInput(
                f"agents={{{op!r}: ...}}: strategy {plan.scheme.strategy.name} of blueprint {plan.name} asks for "
                f"{', '.join(sorted(uses))} only"
            )
    return agents


def _roles(policy: Any, judge: Any, models: Mapping[str, Any]) -> dict[str, PolicyModel]:
    """The models by role."""
    given = {"policy": policy, **({} if judge is None else {"judge": judge}), **models}
    if "policy" in models or (judge is not None and "judge" in models):
        raise BadInput("models=: the policy and the judge are given by arguments of their own")
    return {role: resolve_policy(model) for role, model in given.items()}


_OPTIONAL_ROLES = frozenset({"policy", "judge", "critic", "discriminator"})
"""Roles that the policy takes where nobody else has them."""


def _check_roles(plan: Blueprint, roles: Mapping[str, PolicyModel]) -> None:
    """Refuse a blueprint that names a model nobody gave."""
    for op in ("generate", "refine", "aggregate", "enrich", "evaluate"):
        settings = getattr(plan.operators, op)
        for how in ("", *settings.variants):
            role = settings.variant(how).model
            if role not in roles and role not in _OPTIONAL_ROLES:
                raise BadInput(
                    f"blueprint {plan.name}: operators.{op} wants a model for the role {role!r}: "
                    f'give models={{"{role}": ...}} (--role {role}=MODEL); {nearest(role, list(roles))}'
                )
    for stage in plan.memory.learn if plan.memory is not None else ():
        role = stage.model
        if role not in roles and role not in _OPTIONAL_ROLES:
            raise BadInput(
                f"blueprint {plan.name}: memory.learn wants a model for the role {role!r}: "
                f'give models={{"{role}": ...}} (--role {role}=MODEL); {nearest(role, list(roles))}'
            )


def _tightest(*budgets: Budget) -> Budget:
    """The smallest cap of each kind."""

    def least(name: str) -> Any:
        return min((cap for budget in budgets if (cap := getattr(budget, name)) is not None), default=None)

    return Budget(least("calls"), least("tokens"), least("usd"), least("seconds"))
