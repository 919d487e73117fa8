"""What may change at which level, and that changes without a model stay within it."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectree.graphs import blueprints
from reflectree.graphs.design_search.designs import BadDesign, canonical, changes, read_design
from reflectree.graphs.design_search.space import Level, Space
from reflectree.rlm_ops.errors import BadInput

COT = blueprints.load("cot")
ROLES = {"policy": "small", "second": "knows stars"}
SPACES = {level: Space(level, COT, models=ROLES) for level in ("prompt", "module", "agent")}


@given(level=st.sampled_from(["prompt", "module", "agent"]), seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_every_mutation_is_valid_new_and_reads_back(level: Level, seed: int) -> None:
    space = SPACES[level]
    first = space.mutate(space.seed, Random(seed))
    second = space.mutate(first, Random(seed + 1))
    for design in (first, second):
        assert space.check(design) is design
        assert read_design(canonical(design), space).digest == design.digest
    assert first.digest != space.seed.digest
    assert second.digest != first.digest
    child = space.crossover(first, second, Random(seed))
    assert space.check(child) is child


def test_the_same_seed_gives_the_same_mutation() -> None:
    space = SPACES["agent"]
    assert canonical(space.mutate(COT, Random(5))) == canonical(space.mutate(COT, Random(5)))


@pytest.mark.parametrize(
    ("level", "path", "value"),
    [
        ("prompt", "operators.generate.temperature", 0.2),
        ("prompt", "selection", "value"),
        ("prompt", "scheme.granularity", "step"),
        ("module", "budget.tokens", 5),
    ],
)
def test_a_level_may_not_change_what_belongs_to_a_higher_one(level: Level, path: str, value: object) -> None:
    with pytest.raises(BadDesign, match=f"{path} may not change at level {level}"):
        SPACES[level].check(COT.with_overrides({path: value}))


@pytest.mark.parametrize("level", ["prompt", "module", "agent"])
def test_every_level_may_change_prompts(level: Level) -> None:
    edited = COT.with_overrides(
        {
            "operators.generate.instruction": "Check.",
            "operators.generate.demos": [{"question": "1+1?", "answer": "2"}],
            "operators.evaluate.rubric": "Is it right?",
        }
    )
    assert SPACES[level].check(edited) is edited


def test_prompt_level_keeps_the_strategy() -> None:
    assert SPACES["prompt"].allowed_strategies == ("cot",)
    assert all(path.startswith("operators.generate") for path, _, _ in _changed("prompt"))


def test_agent_level_may_add_members_with_granted_models() -> None:
    edited = COT.with_overrides(
        {"operators.generate.variants": {"a": {"model": "second", "instruction": "You know stars."}}}
    )
    assert SPACES["agent"].check(edited) is edited
    with pytest.raises(BadDesign, match="variants may not come and go at level module"):
        SPACES["module"].check(edited)
    wrong = COT.with_overrides({"operators.generate.variants": {"a": {"model": "third"}}})
    with pytest.raises(
        BadDesign, match=r"operators.generate.variants.a.model: no model was granted for the role 'third'"
    ):
        SPACES["agent"].check(wrong)


def test_the_description_names_paths_ranges_strategies_and_roles() -> None:
    text = SPACES["module"].describe()
    assert "operators.generate.instruction: text of at most 2000 characters" in text
    assert "operators.generate.temperature: number from 0 to 1.5" in text
    assert "self-consistency:" in text
    assert "n: whole number from 2 to 16" in text
    assert "second (knows stars)" in text
    assert "There are no tools." in text
    assert "scheme.strategy" not in SPACES["prompt"].describe()


def test_gold_is_offered_only_where_a_verifier_knows_none() -> None:
    assert "verified" not in SPACES["module"].describe()
    free = Space("module", COT, verifier=True)
    assert "verified" in free.describe()
    edited = COT.with_overrides({"selection": "verified"})
    assert free.check(edited) is edited


def test_a_space_of_unknown_words_is_refused() -> None:
    with pytest.raises(BadInput, match="level 'prompts': did you mean"):
        Space("prompts", COT)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="unknown strategy 'magic'"):
        Space("module", COT, strategies=("magic",))


def _changed(level: Level) -> list[tuple[str, object, object]]:
    space, design = SPACES[level], COT
    for number in range(10):
        design = space.mutate(design, Random(number))
    return changes(COT, design)
