"""Designs as canonical text, read from replies, compared in words; what is wrong is refused with its reason."""

import json

import pytest

from reflectree.graphs import blueprints
from reflectree.graphs.design_search.checking import Limits
from reflectree.graphs.design_search.designs import BadDesign, canonical, changes, difference, read_design, why
from reflectree.graphs.design_search.space import Space
from reflectree.rlm_ops.blueprint import Blueprint

COT = blueprints.load("cot")


def space(level: str = "module", **options: object) -> Space:
    return Space(level, COT, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", blueprints.names())
def test_the_canonical_text_of_a_blueprint_gives_the_same_blueprint(name: str) -> None:
    design = blueprints.load(name)
    text = canonical(design)
    again = Blueprint.parse(json.loads(text))
    assert again == design
    assert again.digest == design.digest
    assert canonical(again) == text


def test_canonical_leaves_defaults_out_and_sorts() -> None:
    design = Blueprint.parse({"scheme": {"strategy": {"n": 16, "name": "best-of-n"}}, "name": "b"})
    assert canonical(design) == '{"name":"b","scheme":{"strategy":{"name":"best-of-n"}}}'


@pytest.mark.parametrize(
    "reply",
    [
        'Vote.\n```json\n{"set": {"scheme.strategy": {"name": "self-consistency", "n": 8}}, "why": "votes"}\n```',
        '{"set": {"scheme.strategy": {"name": "self-consistency", "n": 8}}, "why": "votes"}',
        "```yaml\nset:\n  scheme.strategy: {name: self-consistency, n: 8}\nwhy: votes\n```",
        'First I thought of {"set": {"selection": "value"}}, but: {"scheme.strategy": {"name": "self-consistency", '
        '"n": 8}, "why": "votes"}',
    ],
)
def test_an_edit_is_read_in_the_forms_that_models_write(reply: str) -> None:
    design = read_design(reply, space())
    assert design.scheme.strategy.model_dump()["n"] == 8
    assert why(reply) == "votes"


def test_a_whole_blueprint_is_read() -> None:
    whole = {**json.loads(canonical(COT)), "selection": "value"}
    assert read_design(f"```json\n{json.dumps(whole)}\n```", space()).selection == "value"


def test_an_edit_changes_the_parent_and_not_the_seed() -> None:
    parent = COT.with_overrides({"operators.generate.temperature": 0.1})
    design = read_design('{"set": {"operators.generate.instruction": "Check."}}', space(), parent)
    assert design.operators.generate.temperature == 0.1
    assert difference(parent, design) == 'operators.generate.instruction: null -> "Check."'


def test_a_memory_part_is_made_where_one_is_set() -> None:
    design = read_design('{"set": {"memory.recall.limit": 3}}', space(memory=True))
    assert design.memory is not None
    assert design.memory.recall is not None
    assert design.memory.recall.limit == 3


CYCLE = "```yaml\nset: &a\n  operators.generate.instruction: x\n  again: *a\n```"
BOMB = "```yaml\na: &a [1, 1]\nb: &b [*a, *a]\nset: {selection: *b}\n```"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("I would rather not.", "holds no design"),
        ("", "holds no design"),
        ('{"set": {}}', "changes nothing"),
        ('{"set": 3}', "changes nothing"),
        (CYCLE, "anchors"),
        (BOMB, "anchors"),
        ('{"set": {"operators.guess.temperature": 1}}', "no 'guess' here"),
        ('{"set": {"scheme.strategy": {"name": "mtcs"}}}', "unknown strategy 'mtcs'; did you mean 'mcts'"),
        ('{"set": {"scheme.strategy": {"name": "self-consistency", "n": 900}}}', "64 are allowed"),
        ('{"set": {"scheme.strategy": {"name": "self-consistency", "n": null}}}', "has no bound"),
        ('{"set": {"operators.generate.temperature": -1}}', "greater than or equal"),
        ('{"set": {"operators.generate.max_tokens": 100000}}', "4096 are allowed"),
        ('{"set": {"operators.generate.instruction": "' + "x" * 3000 + '"}}', "2000 are allowed"),
        ('{"set": {"selection": "verified"}}', "asks for gold"),
        ('{"set": {"operators.evaluate.kind": "verifier"}}', "asks for gold"),
        ('{"set": {"oracle": true}}', "oracle"),
        ('{"set": {"operators.generate.model": "gpt-9"}}', "no model was granted for the role 'gpt-9'"),
        ('{"set": {"scheme.strategy": {"name": "tot-bfs"}}}', "not among those allowed"),
        ('{"set": {"memory.recall.limit": 3}}', "asks for a memory"),
        ('{"set": {"budget.calls": 1000}}', "may not change at level module"),
        ('{"set": {"operators.generate.variants": {"a": {}}}}', "may not come and go"),
        (
            '{"set": {"operators.generate.nested": {"blueprint": {"name": "cot", "scheme": {"strategy": "cot"}}}}}',
            "cyclic",
        ),
        ('{"set": {"operators.generate.temperature.x": 1}}', "no parts to set"),
        ("[" * 5000, "holds no design"),
        ("x" * 200_000, "characters"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(reply: str, said: str) -> None:
    with pytest.raises(BadDesign) as caught:
        read_design(reply, space())
    assert said in str(caught.value)


def test_a_huge_design_is_refused() -> None:
    demos = [{"question": "q" * 1500, "steps": [], "answer": "a"} for _ in range(8)]
    with pytest.raises(BadDesign, match="huge"):
        read_design(json.dumps({"set": {"operators.generate.demos": demos}}), space(limits=Limits(characters=5000)))


def test_a_tool_that_was_not_granted_is_refused_and_one_that_was_is_not() -> None:
    reply = canonical(blueprints.load("react"))
    with pytest.raises(BadDesign, match="asks for tools"):
        read_design(reply, space("agent", strategies=("react",)))
    granted = space("agent", strategies=("react",), tools=("calculator",))
    assert read_design(reply, granted).scheme.strategy.name == "react"
    code = canonical(blueprints.load("react").with_overrides({"operators.enrich.kind": "code"}))
    with pytest.raises(BadDesign, match="asks for code"):
        read_design(code, granted)


def test_a_team_in_a_circle_is_refused() -> None:
    members = [{"id": "a", "reads": ["b"]}, {"id": "b", "reads": ["a"]}]
    edit = {"scheme.structure": "dag", "scheme.strategy": {"name": "team", "members": members}}
    with pytest.raises(BadDesign, match=r"(circle|wait)"):
        read_design(json.dumps({"set": edit}), space("agent"))


def test_a_design_that_could_not_be_run_is_refused() -> None:
    def trial(design: Blueprint) -> None:
        from reflectree.rlm_ops.errors import BadInput

        raise BadInput("no such thing here")

    with pytest.raises(BadDesign, match="it cannot be run: no such thing here"):
        read_design('{"set": {"selection": "value"}}', space(trial=trial))


def test_changes_are_empty_between_designs_that_differ_in_their_name_alone() -> None:
    assert changes(COT, COT.with_overrides({"name": "other", "description": "x"})) == []
