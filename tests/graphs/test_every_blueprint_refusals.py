"""What cannot work is refused in one line before anything is paid, in Python and from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.bad_models import Speaker, reason
from tests.support.virtual_time import run_virtually

from reflectree.graphs import blueprints
from reflectree.rlm_ops import verifiers
from reflectree.rlm_ops.errors import BadInput

TREE = "operators.generate.variants.tree.nested"
CIRCLE = [
    {"id": "draft", "op": "generate", "inputs": ["best"]},
    {"id": "score", "op": "evaluate", "inputs": ["draft"]},
    {"id": "best", "op": "keep_best", "inputs": ["score"]},
]
MISSING_OPERATOR = [{"id": "draft", "op": "generate"}, {"id": "shine", "op": "polish", "inputs": ["draft"]}]
MISSING_INPUT = [{"id": "draft", "op": "generate"}, {"id": "score", "op": "evaluate", "inputs": ["drafts"]}]
ALONE: dict[str, Any] = {"models": {}}
HIDDEN: dict[str, Any] = {"models": {}, "verifier": verifiers.exact("42")}
TOOLLESS: dict[str, Any] = {"tools": None}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("got", {"scheme.strategy.plan": CIRCLE}, {}, "the plan goes in a circle: draft, score, best"),
    ("got", {"scheme.strategy.plan": MISSING_OPERATOR}, {}, "unknown operator 'polish'; known: generate, "),
    ("got", {"scheme.strategy.plan": MISSING_INPUT}, {}, "'drafts', which is not in the plan; did you mean 'draft'?"),
    ("got", {"scheme.strategy.plan": []}, {}, "scheme.strategy.plan"),
    ("got", {"scheme.structure": "tree"}, {}, "merges nodes, which makes a dag and no tree"),
    ("operator-mcts", {"scheme.structure": "tree"}, {}, "merges nodes, which makes a dag and no tree"),
    ("forest", {f"{TREE}.blueprint": "forest"}, {}, "it nests itself: forest -> forest"),
    ("adaptive", {"operators.generate.variants.search.nested.blueprint": "adaptive"}, {}, "it nests itself"),
    ("cot", {"operators.generate.nested": {"blueprint": "cot"}}, {}, "it nests itself: cot -> cot"),
    ("forest", {f"{TREE}.blueprint": "mtcs"}, {}, "unknown blueprint 'mtcs'; did you mean 'mcts'?"),
    ("forest", {f"{TREE}.depth": 9}, {}, "nested.depth"),
    ("forest", {f"{TREE}.calls": 0}, {}, "nested.calls"),
    ("react", {}, TOOLLESS, "acts with tools: give tools="),
    ("react", {}, {"tools": ["hammer"]}, "no built-in tool 'hammer': there are calculator, python"),
    ("cot", {"operators.generate.nested": {"blueprint": "react"}}, TOOLLESS, "acts with tools: give tools="),
    ("ab-mcts", {}, ALONE, "--role critic=MODEL"),
    ("ab-mcts", {}, HIDDEN, "a verifier that knows no gold answer"),
    ("operator-mcts", {}, ALONE, "--role critic=MODEL"),
    ("cot", {"operators.generate.nested": {"blueprint": "ab-mcts"}}, ALONE, "--role critic=MODEL"),
    ("self-refine", {"operators.refine.critique": "critic"}, ALONE, "operators.refine.critique is critic"),
    ("mctsr", {"operators.refine.critique": "verifier"}, HIDDEN, "needs a verifier that knows no gold answer"),
    ("llama-berry", {"operators.refine.critique": "tests"}, {}, "needs visible code tests"),
    ("mcts", {"operators.evaluate.kind": "tests"}, {}, "visible tests, and none were given: pass verifier="),
    ("mcts", {"operators.evaluate.kind": "verifier"}, {}, "none was given: pass verifier="),
    ("mcts", {"operators.evaluate.kind": "verifier"}, HIDDEN, "oracle=True"),
    ("beam", {"operators.evaluate.kind": "value"}, {}, "needs a value model"),
    ("openr", {"operators.evaluate.kind": "reward"}, {}, "needs a reward model"),
    ("mcts", {"operators.evaluate.kind": "confidence"}, {}, "operators.generate.alternatives"),
    ("mcts", {"operators.evaluate.kind": "rubric"}, {}, "a rubric needs criteria"),
    ("tot-bfs", {"operators.evaluate.values": {}}, {}, "a scale needs two different words"),
    ("mcts", {"operators.evaluate.kind": "difficulty"}, {}, "operators.evaluate.variants"),
    ("mcts", {"operators.evaluate.kind": "finished"}, {}, "operators.evaluate.variants"),
    ("rstar", {"operators.evaluate.kind": "discriminate"}, {}, "operators.evaluate.variants"),
    ("dvts", {"operators.evaluate.variants": {"late": {"kind": "value"}}}, {}, "variant 'late'"),
    ("mcts", {"operators.generate.model": "poet"}, {}, "--role poet=MODEL"),
    ("got", {"operators.aggregate.model": "poet"}, {}, "--role poet=MODEL"),
    ("rstar", {"operators.evaluate.variants.discriminate.model": "poet"}, {}, "--role poet=MODEL"),
    ("mcts", {"selection": "verified"}, HIDDEN, "oracle=True"),
    ("mcts", {"scheme.strategy": {"name": ["mcts"]}}, {}, "unknown strategy"),
    ("mcts", {"scheme.strategy.widht": 2}, {}, "did you mean 'width'?"),
    ("rstar", {"operators.generate.variants.step.prompt": "sing"}, {}, "variants.step.prompt"),
]


def refusal(blueprint: Any, options: dict[str, Any]) -> str:
    """The one line in which a run is refused; nothing may have been asked."""
    policy = Speaker()
    with pytest.raises(BadInput) as error:
        run_virtually(reason(blueprint, policy, **options))
    assert policy.made == 0
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(name: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """A blueprint's data with dotted paths replaced, right or wrong."""
    data = blueprints.load(name).model_dump(mode="json")
    for path, value in overrides.items():
        *parents, last = path.split(".")
        place = data
        for key in parents:
            place = place[key]
        place[last] = value
    return data


@pytest.mark.parametrize(("name", "overrides", "options", "said"), CASES)
def test_refused_in_one_line_before_the_first_call(
    name: str, overrides: dict[str, Any], options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    data = changed(name, overrides)
    assert said in refusal(data, options)
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(data))
    assert said in refusal(file, options)


@pytest.mark.parametrize("name", blueprints.names())
def test_a_variant_that_the_strategy_asks_for_must_be_there(name: str) -> None:
    for op, how in blueprints.load(name).scheme.strategy.variants():
        if how:
            said = refusal(changed(name, {f"operators.{op}.variants": {}}), {})
            assert f"operators.{op}.variants" in said
            assert "asks for the variant" in said


@pytest.mark.parametrize("name", blueprints.names())
def test_a_role_without_a_model_is_refused(name: str) -> None:
    assert "--role poet=MODEL" in refusal(changed(name, {"operators.generate.model": "poet"}), {})


@pytest.mark.parametrize("name", blueprints.names())
def test_nesting_oneself_is_refused(name: str) -> None:
    said = refusal(changed(name, {"operators.generate.nested": {"blueprint": name}}), {})
    assert f"it nests itself: {name} -> {name}" in said
