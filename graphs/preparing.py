"""What a run is given, validated before anything is paid for: blueprint, models, verifier, tools, people, budget.

What comes of it is a `reflectree.graphs.setup.Setup`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reflectree.agents import evaluators
from reflectree.agents.acting import Worlds
from reflectree.agents.asking import Person
from reflectree.agents.attempts import Wanted
from reflectree.agents.base import Agent
from reflectree.agents.evaluators.base import Evaluator
from reflectree.agents.evaluators.gating import gated
from reflectree.agents.refiner import check_refine
from reflectree.agents.safety import as_check, guarded_tools
from reflectree.agents.tools import Tool, check_environment, check_tools, read_tools
from reflectree.graphs import blueprints
from reflectree.graphs.casting import cast
from reflectree.graphs.embodied import resolve as embodied
from reflectree.graphs.embodied.verifier import EpisodeVerifier
from reflectree.graphs.given import check_roles, models_by_role, own_agents
from reflectree.graphs.live import OnEvent
from reflectree.graphs.people import with_people
from reflectree.graphs.setup import Setup
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Retries
from reflectree.rlm_ops.blueprint import Blueprint, Caps
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.environment import MakeEnvironment
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.remembering import DEFAULT
from reflectree.rlm_ops.task import Verifier


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
    person: Person | None = None,
    safety: Any = None,
    wanted: Wanted | None = None,
) -> Setup:
    """Validate everything before anything is paid for.

    `models` are further models by role, as blueprints name them (`{"critic": "openai/gpt-5"}`; `judge` is one of them),
    `tools` what *act* steps may call: LangChain tools or typed functions. The rest is `asolve`'s.

    Raises:
        BadInput: Something given cannot work; the message names the fix.
    """
    plan = cast(blueprints.complete(blueprints.load(blueprint)), models or {})
    if memory is not None and plan.memory is None:
        plan = plan.model_copy(update={"memory": DEFAULT})
    roles = models_by_role(policy, judge, models or {})
    if verifier is not None and not isinstance(verifier, Verifier):
        raise BadInput(f"verifier={verifier!r}: give one of reflectree.verifiers, for example verifiers.numeric(42)")
    if concurrency < 1:
        raise BadInput(f"concurrency={concurrency}: give at least 1")
    caps = _tightest(budget or Budget(), plan.budget)
    if caps.usd is not None:
        for model in roles.values():
            if model.price is None:
                raise BadInput(
                    f"a budget in dollars needs a known price, and that of {model.name} is unknown: "
                    "give rt.policy(..., price=Price(prompt=..., completion=...)) in dollars per million tokens, "
                    "or cap tokens"
                )
    made = None if environment is None else embodied.make(environment)
    if verifier is None and made is not None:
        verifier = EpisodeVerifier(made)
    scorer = evaluators.resolved(evaluator)  # once, for this run and those nested in it
    check = None if safety is None else as_check(safety)
    granted = read_tools(tools or ())
    granted = granted if check is None else guarded_tools(granted, check)
    shared = _Shared(roles, granted, scorer, verifier, concurrency, oracle, retries, on_nested)
    own = own_agents(agents or {}, plan)
    setup = shared.setup(plan, caps, seed, on_event, own, made)
    if setup.inner or person is not None or check is not None:
        setup = with_people(setup, person, check)
    if wanted is not None:
        scorers = {how: gated(inner, wanted) for how, inner in setup.evaluators.items()}
        setup = replace(setup, evaluators=scorers, wanted=wanted)
    if made is not None and setup.environment is not None:
        worlds = Worlds(setup.environment, instances=concurrency, most=embodied.most_of(made))
        setup = replace(setup, worlds=worlds)
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
        check_roles(plan, self.roles)
        scorers: Mapping[str, Evaluator] = {}
        if "evaluate" in uses:
            scorers = evaluators.choose_all(
                operators.evaluate, operators.generate, self.evaluator, verifier, oracle=self.oracle, models=self.roles
            )
        if "refine" in uses:
            check_refine(operators.refine, usable, self.roles, plan.name, observes="enrich" in uses)
        if "enrich" in uses:
            check_tools(operators.enrich, self.tools, plan.name)
        if "enrich" not in own:
            check_environment(operators.enrich if "enrich" in uses else None, environment, plan.name)
        if plan.selection == "verified" and usable is None:
            raise BadInput(
                f"blueprint {plan.name} selects by verifier: give one that knows no gold answer, or oracle=True"
            )
        inner = {}
        for how in ("", *operators.generate.variants):
            nested = operators.generate.variant(how).nested
            if nested is not None:
                cap = Budget(calls=nested.calls, tokens=nested.tokens)
                child = cast(blueprints.load(nested.blueprint), self.roles)
                inner[how] = self.setup(child, _tightest(cap, child.budget), seed, self.on_nested)
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


def _tightest(*budgets: Budget | Caps) -> Budget:
    """The smallest cap of each kind."""

    def least(name: str) -> Any:
        return min((cap for budget in budgets if (cap := getattr(budget, name)) is not None), default=None)

    return Budget(least("calls"), least("tokens"), least("usd"), least("seconds"))
