"""Searches over designs whose worth is known: how much of a hidden design they have. No design is run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import override

from reflectree.agents.base import AgentRun
from reflectree.agents.evaluator import EvaluatorAgent
from reflectree.agents.evaluators.base import Evaluator, Score
from reflectree.graphs.design_search.methods import METHODS
from reflectree.graphs.design_search.proposals import Context
from reflectree.graphs.design_search.space import Space
from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.calls import Call
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.strategies import STRATEGIES
from reflectree.rlm_ops.strategies.design.adas import ADAS
from reflectree.rlm_ops.strategies.design.aflow import AFlow
from reflectree.rlm_ops.strategies.design.agentsquare import AgentSquare
from reflectree.rlm_ops.strategies.design.evolution import Evolution
from reflectree.rlm_ops.strategies.design.evomac import EvoMAC
from reflectree.rlm_ops.strategies.design.gepa import GEPA
from reflectree.rlm_ops.strategies.design.gptswarm import GPTSwarm
from reflectree.rlm_ops.strategies.design.mipro import MIPRO
from reflectree.rlm_ops.strategies.design.tree import DesignMCTS
from reflectree.rlm_ops.strategies.opro import Opro
from reflectree.rlm_ops.strategies.team import Team
from reflectree.rlm_ops.task import Task

for _cls in (ADAS, AFlow, AgentSquare, DesignMCTS, Evolution, EvoMAC, GEPA, GPTSwarm, MIPRO, Opro, Team):
    STRATEGIES.setdefault(_cls.name, _cls)

WORDS = ("units", "check", "table", "estimate")
Tests = Callable[[Blueprint], Mapping[str, float]]


def has_words(design: Blueprint) -> Mapping[str, float]:
    """One example a word: does the instruction hold it?"""
    text = design.operators.generate.instruction
    return {f"the word {word} is missing": float(word in text) for word in WORDS}


def has_settings(design: Blueprint) -> Mapping[str, float]:
    """Four examples about modules."""
    strategy, generate = design.scheme.strategy, design.operators.generate
    samples = getattr(strategy, "n", 1) or 1
    return {
        "it samples once": float(samples > 1),
        "it samples too little": min(1.0, samples / 6),
        "it is too hot": 1.0 - min(1.0, abs((generate.temperature or 0.0) - 0.2)),
        "the word check is missing": float("check" in generate.instruction),
    }


class Hidden:
    """Scores a design by tests that nobody is shown; a minibatch is two of them."""

    source = "hidden"
    local = True

    def __init__(self, tests: Tests, *, how: str = "") -> None:
        self.tests, self.how = tests, how
        self.aside = bool(how)

    def score_now(self, path: Path) -> Score:
        results = self.tests(Blueprint.parse(json.loads(path.answer or "")))
        if self.how:
            first = int(self.how.partition(":")[2]) % 2 * 2
            results = dict(list(results.items())[first : first + 2])
        scores = tuple(results.values())
        said = "\n".join(test for test, score in results.items() if score < 1)
        return Score(sum(scores) / len(scores), said, scores=scores)

    async def score(self, path: Path, call: Call, run: AgentRun) -> Score:
        return self.score_now(path)


class HiddenAgent(EvaluatorAgent):
    """Evaluates on the part that a call's `how` says."""

    def __init__(self, tests: Tests, others: Mapping[str, Evaluator]) -> None:
        super().__init__({**others, "": Hidden(tests)})
        self.tests = tests
        self.local = not others

    @override
    def of(self, call: Call) -> Evaluator:
        known = self.evaluators.get(call.how)
        return known if known is not None else Hidden(self.tests, how=call.how)


def proposing(request: Request, index: int) -> str:
    """A proposer that does what the feedback says, else adds a word at a time to the best instruction it is shown."""
    text = request.messages[-1].content
    if "Which member of the team" in text:
        return "The instruction does not say enough."
    if '"value": V' in text:
        return '{"why": "a guess", "value": 50}'
    designs = [json.loads(line) for line in text.splitlines() if line.startswith('{"name"')]
    instruction = str(designs[-1].get("operators", {}).get("generate", {}).get("instruction", "")) if designs else ""
    missing = re.findall(r"the word (\w+) is missing", text) or [word for word in WORDS if word not in instruction]
    new = f"{instruction} {missing[index % len(missing)] if missing else index}".strip()
    return json.dumps({"set": {"operators.generate.instruction": new}, "why": "the feedback says so"})


SEED = Blueprint.parse(
    {
        "name": "seed",
        "scheme": {"structure": "tree", "granularity": "solution", "strategy": {"name": "self-consistency", "n": 1}},
        "selection": "majority",
    }
)


async def search(
    method: str,
    tests: Tests,
    *,
    proposer: Any = proposing,
    seed_design: Blueprint = SEED,
    seed: int = 0,
    context: Mapping[str, Any] | None = None,
    set_: Mapping[str, Any] | None = None,
    **options: Any,
) -> Result:
    """One search, by a proposer (a script, or `None`) against hidden tests."""
    chosen = METHODS[method]
    plan = chosen.blueprint.with_overrides(dict(set_ or {}))
    told = Context(Space(chosen.level, seed_design), **dict(context or {}))
    proposes = proposer is not None
    agents = chosen.agents(told, proposes=proposes, blueprint=plan)
    evaluate = HiddenAgent(tests, chosen.evaluators(told, proposes=proposes))
    return await asolve(
        Task("Find the best design.", form="code"),
        blueprint=plan,
        policy=ScriptedPolicy(proposer or "Answer: 4"),
        agents={**agents, "evaluate": evaluate},
        concurrency=4,
        seed=seed,
        **options,
    )


def found(result: Result) -> Blueprint:
    """The design that a search found."""
    assert result.answer is not None
    return Blueprint.parse(json.loads(result.answer))
