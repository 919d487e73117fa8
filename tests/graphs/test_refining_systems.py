"""The refinement-based systems from end to end: scripted models through the agents and the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.engine import QUICK
from tests.support.virtual_time import run_virtually

from reflectree.graphs.result import Result
from reflectree.graphs.run import asolve
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.blueprint import Blueprint
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.events import Evaluated, Failed, Grown
from reflectree.rlm_ops.strategies import Strategy
from reflectree.rlm_ops.strategies.llama_berry import LlamaBerry
from reflectree.rlm_ops.strategies.mctsr import MCTSr
from reflectree.rlm_ops.strategies.refinement import SelfRefine
from reflectree.rlm_ops.structure import fold

BLUEPRINTS = Path(__file__).parents[2] / "graphs/blueprints"
CLASSES: dict[str, type[Strategy]] = {cls.name: cls for cls in (SelfRefine, MCTSr, LlamaBerry)}


def blueprint(name: str, *, critique: str = "self", evaluate: str = "", **parameters: Any) -> Blueprint:
    """A built-in blueprint with other parameters."""
    data = yaml.safe_load((BLUEPRINTS / f"{name}.yaml").read_text())
    strategy = {**data["scheme"]["strategy"], **parameters}
    data["scheme"]["strategy"] = CLASSES[strategy.pop("name")].model_validate(strategy)
    data["operators"]["refine"]["critique"] = critique
    if evaluate:
        data["operators"]["evaluate"] = {"kind": evaluate}
    return Blueprint.parse(data)


class Scripted:
    """A policy that drafts 40, criticises what is not 42, and adds one at each rewrite."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.policy = ScriptedPolicy(self.say)

    def say(self, request: Request, sample: int) -> str:
        system, asked = request.messages[0].content, request.messages[-1].content
        if system.startswith("You are a strict reviewer"):
            self.kinds.append("critique")
            return "Verdict: correct" if "Answer: 42" in asked else "Verdict: wrong\nThe result is too small."
        if system.startswith("You revise"):
            self.kinds.append("rewrite")
            assert "too small" in asked or "score of" in asked
            return f"Answer: {int(asked.split('Answer: ')[1].split()[0]) + 1}"
        if request.json_schema or "score" in asked.lower():
            self.kinds.append("judge")
            return json.dumps({"reason": "so", "score": int(asked.split("Answer: ")[1].split()[0]) - 36})
        if "Answer: " in asked:
            self.kinds.append("compare")
            first, second = (int(part.split()[0]) for part in asked.split("Answer: ")[1:3])
            return "A" if first > second else "B"
        self.kinds.append("draft")
        return "Answer: 40"

    def solve(self, plan: Blueprint, **options: Any) -> Result:
        options = {"policy": self.policy, "blueprint": plan, "concurrency": 1, "retries": QUICK, **options}
        return run_virtually(asolve("What is 6 times 7?", **options))


def test_self_refine_goes_on_until_the_critique_is_content() -> None:
    scripted = Scripted()
    result = scripted.solve(blueprint("self-refine"))
    assert scripted.kinds == ["draft", "judge", *["critique", "rewrite", "judge"] * 2, "critique"]
    grown = [event for event in result.trace if isinstance(event, Grown)]
    assert [(event.op, event.nodes, event.after, event.source, event.answer) for event in grown] == [
        ("generate", (0,), -1, "", "40"),
        ("refine", (1,), 0, "self", "41"),
        ("refine", (2,), 0, "self", "42"),
    ]
    (last,) = (event for event in result.trace if isinstance(event, Failed))
    assert last.reason == "nothing to refine: self-critique finds nothing wrong"
    assert result.answer == "42"
    assert result.usage.calls == len(scripted.kinds)


def test_a_verifier_in_place_of_self_critique_needs_no_critique_and_ends_the_run() -> None:
    scripted = Scripted()
    check = verifiers.function(lambda answer: float(answer == "42"), gold=False)
    plan = blueprint("self-refine", critique="auto", evaluate="verifier", patience=3)
    result = scripted.solve(plan, verifier=check)
    assert scripted.kinds == ["draft", "rewrite", "rewrite"]
    assert (result.answer, result.stop_reason, result.selected_correct) == ("42", "confidence", True)


def test_no_feedback_from_outside_is_refused_before_anything_is_paid() -> None:
    scripted = Scripted()
    with pytest.raises(BadInput, match="rarely helps"):
        scripted.solve(blueprint("self-refine", critique="auto"))
    assert scripted.kinds == []


def test_mctsr_rewrites_rewards_and_takes_the_best() -> None:
    scripted = Scripted()
    result = scripted.solve(blueprint("mctsr", rollouts=3))
    kinds = ["draft", "judge"]
    # the second reward of the chosen node, its rewrite, and the reward of that
    kinds += ["judge", "critique", "rewrite", "judge"] * 2
    assert scripted.kinds == [*kinds, "judge", "critique"]
    assert result.answer == "42"
    structure = fold(result.trace)
    assert structure.q(3) == pytest.approx(5 / 9)
    assert structure.q(2) == pytest.approx((4 / 9 + 5 / 9) / 2)
    assert structure.visits == [6, 6, 4, 2]


def test_llama_berry_compares_each_rewrite_in_both_orders_and_selects_by_borda() -> None:
    scripted = Scripted()
    result = scripted.solve(blueprint("llama-berry", rollouts=3, max_children=1))
    kinds = ["draft", "critique", "rewrite", *["compare"] * 2, "critique", "rewrite", *["compare"] * 4]
    assert scripted.kinds == [*kinds, "critique"]
    compared = [(e.node, e.against, e.value) for e in result.trace if isinstance(e, Evaluated)]
    assert [pair[:2] for pair in compared] == [(2, 1), (3, 2), (3, 1)]
    assert all(value > 0.9 for _, _, value in compared)
    assert result.answer == "42"
    assert result.trace.answered is not None
    assert result.trace.answered.selection == "borda"
    assert fold(result.trace).visits == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["self-refine", "mctsr", "llama-berry"])
def test_concurrency_changes_no_budget_and_ends(name: str) -> None:
    result = Scripted().solve(blueprint(name), concurrency=8)
    assert result.answer == "42"
    assert result.stop_reason == "complete"
