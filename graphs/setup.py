"""What a run needs, validated before anything is paid for: blueprint, models, evaluator, verifier, budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reflectree.agents import evaluators
from reflectree.agents.base import Agent
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.generator import Generator
from reflectree.graphs import blueprints
from reflectree.graphs.live import OnEvent
from reflectree.graphs.state import TaskInput, task_from
from reflectree.models.base import PolicyModel
from reflectree.models.calling import Retries
from reflectree.models.resolve import policy as resolve_policy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Began
from reflectree.rlm_ops.task import Verifier


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything a reasoning graph closes over, validated. Heavy objects live here, never in the state."""

    blueprint: Blueprint
    policy: PolicyModel
    evaluator: evaluators.Evaluator | None
    verifier: Verifier | None
    budget: Budget
    concurrency: int
    seed: int
    oracle: bool
    judge: PolicyModel | None = None
    retries: Retries | None = None
    on_event: OnEvent | None = None

    def agents(self) -> dict[str, Agent]:
        """The agents the blueprint needs, by operator."""
        operators, granularity = self.blueprint.operators, self.blueprint.scheme.granularity
        agents: dict[str, Agent] = {"generate": Generator(operators.generate, granularity, self.policy)}
        if self.evaluator is not None:
            agents["evaluate"] = EvaluatorAgent(self.evaluator)
        return agents

    def models(self) -> dict[str, PolicyModel]:
        """The models by role."""
        return {"policy": self.policy} if self.judge is None else {"policy": self.policy, "judge": self.judge}

    def began(self, task: str | TaskInput) -> Began:
        """The first event of a run."""
        words = task_from(task)
        limits = self.blueprint.scheme.strategy.limits()
        return Began(
            question=words.question,
            context=words.context,
            examples=words.examples,
            tools=words.tools,
            task_id=words.id,
            blueprint=self.blueprint.model_dump(mode="json"),
            width=limits.width,
            root_width=limits.root_width,
            depth=limits.depth,
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
    budget: Budget | None = None,
    concurrency: int = 8,
    seed: int = 0,
    oracle: bool = False,
    retries: Retries | None = None,
    on_event: OnEvent | None = None,
) -> Setup:
    """Validate everything before anything is paid for.

    Raises:
        BadInput: Something given cannot work; the message names the fix.
    """
    plan = blueprints.load(blueprint)
    model = resolve_policy(policy)
    examiner = None if judge is None else resolve_policy(judge)
    if verifier is not None and not isinstance(verifier, Verifier):
        raise BadInput(f"verifier={verifier!r}: give one of reflectree.verifiers, for example verifiers.numeric(42)")
    if concurrency < 1:
        raise BadInput(f"concurrency={concurrency}: give at least 1")
    caps = _tightest(budget or Budget(), Budget(**plan.budget.model_dump()))
    if caps.usd is not None and any(m.price is None for m in (model, examiner) if m is not None):
        raise BadInput(
            f"a budget in dollars needs a known price, and that of {model.name} is unknown: "
            "give rt.policy(..., price=Price(prompt=..., completion=...)) in dollars per million tokens, or cap tokens"
        )
    scorer = None
    if plan.scheme.strategy.evaluates:
        scorer = evaluators.choose(plan.operators.evaluate, plan.operators.generate, evaluator, verifier, oracle=oracle)
    if plan.selection == "verified" and (verifier is None or (verifier.gold and not oracle)):
        raise BadInput(f"blueprint {plan.name} selects by verifier: give one that knows no gold answer, or oracle=True")
    return Setup(plan, model, scorer, verifier, caps, concurrency, seed, oracle, examiner, retries, on_event)


def _tightest(*budgets: Budget) -> Budget:
    """The smallest cap of each kind."""

    def least(name: str) -> Any:
        return min((cap for budget in budgets if (cap := getattr(budget, name)) is not None), default=None)

    return Budget(least("calls"), least("tokens"), least("usd"), least("seconds"))
