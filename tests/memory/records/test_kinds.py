"""Records: what they are called, how they are told, and what is refused at the edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from tests.memory.records.making import any_record, lesson, made_id

from reflectree.memory.records import (
    Concept,
    Experience,
    Origin,
    Record,
    Skill,
    Standing,
    TestRecordRefused,
    from_row,
    task_key,
    to_row,
)
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.task import Task

ORIGIN = Origin(source="env")


@given(any_record)
def test_a_row_is_the_record(record: Record) -> None:
    assert from_row(to_row(record)) == record
    stood = replace(record, standing=Standing(trust="trusted", uses=3, wins=2, support=("a", "b")))
    assert from_row(to_row(stood)) == stood


def test_the_id_is_of_content_task_and_run_and_outlives_changes() -> None:
    one = lesson("Check the units.", run="a")
    assert one.id == lesson("Check   the units.", run="a").id != lesson("Check the units.", run="b").id
    assert one.fingerprint == lesson("CHECK the units.", run="b").fingerprint
    assert replace(one, lesson="Check all units.").id == one.id
    assert one.id[0] == "r"


@pytest.mark.parametrize(
    ("polarity", "certainty", "relation", "told"),
    [
        (True, "may", "necessary", "a lamp may be necessary to light."),
        (True, "should", "necessary", "a lamp should be necessary to light."),
        (False, "may", "contributes", "a lamp may not contribute to light."),
        (False, "should", "contributes", "a lamp should not contribute to light."),
    ],
)
def test_clins_forms(polarity: bool, certainty: Any, relation: Any, told: str) -> None:
    concept = Concept(
        left="a lamp", relation=relation, right="light", polarity=polarity, certainty=certainty, origin=ORIGIN
    )
    assert concept.told == told


def test_a_skill_is_found_by_its_description_and_told_with_its_body() -> None:
    skill = Skill(name="double", description="doubles a number", body="return 2 * x", language="python", origin=ORIGIN)
    assert "return" not in skill.key
    assert skill.told.endswith("return 2 * x")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"kind": "note"}, "kind is one of"),
        ({"kind": "reflection", "lesson": "x", "origin": {"source": "env"}, "extra": 1}, "extra"),
        ({"kind": "reflection", "lesson": 3, "origin": {"source": "env"}}, "lesson"),
        ({"kind": "reflection", "lesson": " ", "origin": {"source": "env"}}, "empty"),
        ({"kind": "reflection", "lesson": "x" * 2001, "origin": {"source": "env"}}, "2001 characters"),
        ({"kind": "reflection", "lesson": "x\x00", "origin": {"source": "env"}}, "no text"),
        ({"kind": "reflection", "lesson": "x\ud800", "origin": {"source": "env"}}, "damaged"),
        ({"kind": "reflection", "lesson": "x", "origin": {"source": "rumour"}}, "source"),
        ({"kind": "reflection", "lesson": "x", "origin": {"source": "env", "reward": 2}}, "reward"),
        ({"kind": "reflection", "lesson": "x", "origin": {"source": "env", "parents": ["../x"]}}, "no record's id"),
        ({"kind": "reflection", "lesson": "x", "id": "e-000000000000", "origin": {"source": "env"}}, "no id of a"),
        ({"kind": "experience", "task": "x", "succeeded": "yes", "origin": {"source": "env"}}, "succeeded"),
    ],
)
def test_what_is_no_record_is_refused_with_its_field(row: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        from_row(row)


def test_no_class_no_copy_and_no_row_makes_a_test_record() -> None:
    with pytest.raises(TestRecordRefused):
        Origin(source="env", split="test")
    with pytest.raises(TestRecordRefused):
        replace(ORIGIN, split="test")
    with pytest.raises(TestRecordRefused):
        from_row({"kind": "experience", "task": "x", "succeeded": True, "origin": {"source": "env", "split": "test"}})


def test_a_task_has_one_key_however_it_is_spaced_and_another_with_its_context() -> None:
    assert task_key("What is 6 times 7?") == task_key("what is  6 times 7? ") == task_key(Task("What is 6 times 7?"))
    assert task_key(Task("What is 6 times 7?", context="A sum.")) != task_key("What is 6 times 7?")


def test_parents_are_ids() -> None:
    assert Experience(task="x", succeeded=True, origin=Origin(source="env", parents=(made_id(3),))).origin.parents
