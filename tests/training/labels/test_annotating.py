"""People's judgements: the order of steps, one judgement at a time, the file, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.training.labels.growing import Tree

from reflectree.rlm_ops.errors import BadInput
from reflectree.training.labels import annotating, judged
from reflectree.training.labels.source import Source


def run(last: str = "3") -> Source:
    tree = Tree()
    first = tree.grow("1", value=0.5)
    wrong = tree.grow("5", first, value=0.25)
    tree.grow("6", wrong, answer="6", value=0.125)
    end = tree.grow(last, first, answer="3", value=0.75)
    return Source.of(tree.end(end).trace)


def test_the_way_to_the_answer_comes_first_and_then_depth_first() -> None:
    steps = annotating.steps_to_judge(run())
    assert [(step.node, step.before, step.text, step.answer) for step in steps] == [
        (1, (), "1", None),
        (4, ("1",), "3", "3"),
        (2, ("1",), "5", None),
        (3, ("1", "5"), "6", "6"),
    ]
    assert [step.node for step in annotating.steps_to_judge(run(), only_answer=True)] == [1, 4]


def test_judgements_are_kept_changed_and_taken_back() -> None:
    source = run()
    found = annotating.blank(source, "ann")
    for row in (
        {"node": 2, "verdict": "wrong", "note": "1 + 1 is 2"},
        {"node": 1, "verdict": "neutral"},
        {"node": 2, "verdict": "right"},
        {"node": 3, "verdict": "wrong"},
        {"node": 3, "verdict": None},
    ):
        found = annotating.with_judgement(found, source, row)
    assert annotating.values(found) == {1: 0.5, 2: 1.0}
    assert annotating.values(found, neutral=1.0) == {1: 1.0, 2: 1.0}
    assert annotating.blank(source).judgements == {}


def test_the_file_there_and_back_and_onto_the_trace(tmp_path: Path) -> None:
    source = run()
    found = annotating.blank(source, "ann")
    for node, verdict in ((1, "right"), (2, "wrong")):
        found = annotating.with_judgement(found, source, {"node": node, "verdict": verdict, "note": "é\u2028"})
    path = annotating.save(found, tmp_path / "run.judged.json")
    assert annotating.load(path, source) == found
    assert [file.name for file in tmp_path.iterdir()] == ["run.judged.json"]
    merged = annotating.merged(source, annotating.load(path, source))
    assert {sample.labels[:2] for sample in judged.human(merged) if len(sample.labels) == 3} == {(1.0, 0.0)}
    second = annotating.with_judgement(annotating.blank(source), source, {"node": 2, "verdict": "neutral"})
    assert annotating.merged(merged, second).judgements == {1: 1.0, 2: 0.5}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"node": 9, "verdict": "right"}, "no step 9"),
        ({"node": 0, "verdict": "right"}, "no step 0"),
        ({"node": True, "verdict": "right"}, "no step True"),
        ({"node": 1, "verdict": "good"}, "right, neutral, wrong or null"),
        ({"node": 1, "verdict": "right", "note": 5}, "a note is text"),
        ({"node": 1, "verdict": "right", "note": "x" * 10_001}, "at most 10,000"),
        ({"node": 1, "verdict": "right", "gold": "3"}, "no field 'gold'"),
    ],
)
def test_what_is_no_judgement_is_refused(row: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        annotating.with_judgement(annotating.blank(run()), run(), row)


def test_files_of_other_runs_and_other_kinds_are_refused(tmp_path: Path) -> None:
    path = annotating.save(annotating.blank(run("3, surely")), tmp_path / "other.json")
    with pytest.raises(BadInput, match="whose steps are others"):
        annotating.load(path, run())
    with pytest.raises(BadInput, match="whose steps are others"):
        annotating.merged(run(), annotating.blank(run("3, surely")))
    with pytest.raises(BadInput, match="cannot read"):
        annotating.load(tmp_path / "none.json", run())
    row = json.loads(path.read_text())
    for text, why in (
        ("{", "not JSON"),
        ("[]", "no file of annotations of version 1"),
        (json.dumps(row | {"version": 2}), "version 1"),
        (json.dumps(row | {"digest": annotating.blank(run()).digest, "judgements": {}}), "no list"),
        (json.dumps(row | {"digest": annotating.blank(run()).digest, "judgements": [{"node": 77}]}), "no step 77"),
    ):
        path.write_text(text)
        with pytest.raises(BadInput, match=why):
            annotating.load(path, run())


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="choose another --out"):
        annotating.save(annotating.blank(run()), tmp_path / "no" / "such" / "folder.json")
    (tmp_path / "taken").mkdir()
    with pytest.raises(BadInput, match="choose another --out"):
        annotating.save(annotating.blank(run()), tmp_path / "taken")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
