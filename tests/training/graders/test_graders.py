"""The five graders: what they say, and what is wrong with a description, said before anything is graded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reflectree.rlm_ops import sandbox
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput
from reflectree.testing import ScriptedPolicy
from reflectree.training.graders import Grade, GraderFailed, grader, sample_of

ITEM = {"question": "What is 6 times 7?", "reference": "42", "meta": {"units": ["apples", "pears"]}}
CHECK = {
    "type": "string_check",
    "name": "check",
    "input": "{{ sample.output_text }}",
    "reference": "{{item.reference}}",
}
isolated = pytest.mark.skipif(bool(sandbox.available()), reason="no sandbox on this kernel")


async def graded(description: dict[str, Any], text: str, **given: Any) -> Grade:
    return await grader(description, **given).grade(ITEM, sample_of(text))


@pytest.mark.parametrize(
    ("operation", "text", "value"),
    [
        ("eq", "42", 1),
        ("eq", "42 ", 0),
        ("ne", "41", 1),
        ("like", "It is 42.", 1),
        ("like", "4 2", 0),
        ("ilike", "42", 1),
    ],
)
async def test_string_check(operation: str, text: str, value: float) -> None:
    assert (await graded({**CHECK, "operation": operation}, text)).value == value


async def test_places_may_be_nested_and_what_fills_them_is_no_template() -> None:
    described = {**CHECK, "operation": "eq", "reference": "{{item.meta.units.1}}"}
    assert (await graded(described, "pears")).value == 1
    assert (await graded({**CHECK, "operation": "eq"}, "{{item.reference}}")).value == 0


@pytest.mark.parametrize(
    ("metric", "text", "reference", "value"),
    [
        ("fuzzy_match", "abcd", "abxd", 0.75),
        ("fuzzy_match", "", "", 1.0),
        ("rouge_1", "the cat sat", "the cat ran", 2 / 3),
        ("rouge_2", "the cat sat", "the cat ran", 0.5),
        ("rouge_l", "a b c d", "a x c d", 0.75),
        ("gleu", "a b", "a c", 1 / 3),
        ("bleu", "one two three four five", "one two three four five", 1.0),
        ("bleu", "seven", "eight", 0.0),
    ],
)
async def test_text_similarity(metric: str, text: str, reference: str, value: float) -> None:
    described = {
        "type": "text_similarity", "name": "like", "input": text, "reference": reference, "evaluation_metric": metric,
    }  # fmt: skip
    assert (await graded(described, "")).value == pytest.approx(value)
    passed = await graded({**described, "pass_threshold": value}, "")
    assert passed.value == 1.0
    assert passed.parts == {metric: pytest.approx(value)}


@isolated
async def test_python_grades_in_the_sandbox() -> None:
    source = (
        "def grade(sample, item):\n    print('noise')\n    return 0.5 * (sample['output_text'] == item['reference'])"
    )
    assert (await graded({"type": "python", "name": "half", "source": source}, "42")).value == 0.5


@isolated
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return 'much'", "no number"),
        ("return float('nan')", "no number"),
        ("return True", "no number"),
        ("return sample['nothing']", "KeyError"),
        ("open('/etc/passwd')", "PermissionError|Operation not permitted|Permission denied"),
    ],
)
async def test_what_python_cannot_grade_is_no_grade_of_zero(body: str, why: str) -> None:
    with pytest.raises(GraderFailed, match=why):
        await graded({"type": "python", "name": "bad", "source": f"def grade(sample, item):\n    {body}"}, "42")


SCORE = {
    "type": "score_model", "name": "judge", "model": "openai/x", "range": [0, 10],
    "input": [
        {"role": "developer", "content": "Grade the reply."},
        {"role": "user", "content": {"type": "input_text", "text": "{{item.question}} -> {{sample.output_text}}"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "value"), [('{"reasoning": "2 slips", "result": 7.5}', 7.5), ("I would say 3 of 10, so 3", 3.0)]
)
async def test_a_model_scores_within_its_range(said: str, value: float) -> None:
    ledger = Ledger(Budget(calls=5))
    grade = await graded(SCORE, "42", model=ScriptedPolicy(lambda request, index: said), ledger=ledger)
    assert grade.value == value
    assert grade.usage.calls == ledger.spent.calls == 1


async def test_a_model_is_shown_task_and_reply_in_a_user_turn() -> None:
    seen: list[str] = []

    def script(request: Any, index: int) -> str:
        seen.extend(f"{turn.role}: {turn.content}" for turn in request.messages)
        return "5"

    await graded(SCORE, "42", model=ScriptedPolicy(script))
    assert seen == ["system: Grade the reply.", "user: What is 6 times 7? -> 42"]


async def test_a_score_that_cannot_be_read_fails_after_one_retry() -> None:
    ledger = Ledger(Budget(calls=5))
    with pytest.raises(GraderFailed, match="no score"):
        await graded(SCORE, "42", model=ScriptedPolicy(lambda request, index: "well, 99"), ledger=ledger)
    assert ledger.spent.calls == 2


async def test_multi_computes_from_its_parts() -> None:
    described = {
        "type": "multi", "name": "both", "calculate_output": "0.75*exact + 0.25*near",
        "graders": {
            "exact": {**CHECK, "operation": "eq"},
            "near": {**CHECK, "type": "text_similarity", "evaluation_metric": "fuzzy_match"},
        },
    }  # fmt: skip
    grade = await graded(described, "4")
    assert grade.value == pytest.approx(0.25 * 2 / 3)
    assert grade.parts == {"exact": 0.0, "near": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"type": "label_model"}, "type is one of"),
        ({"operation": "neq"}, "operation is one of"),
        ({"input": "{{ env.HOME }}"}, "item.NAME or sample.NAME"),
        ({"input": 7}, "input cannot be 7"),
        ({"surprise": 1}, "no field 'surprise'"),
        ({"type": "python", "source": "def grade(:"}, "no Python"),
        ({"type": "python", "source": "def score(s, i): ..."}, "no function grade"),
        ({**SCORE, "range": [1, 0]}, "range is"),
        ({**SCORE, "model": ""}, "lacks 'model'"),
        ({**SCORE, "input": [{"role": "system", "content": "{{item.question}}"}]}, "no place for text"),
        ({"type": "multi", "graders": {}, "calculate_output": "1"}, "by name"),
        (
            {"type": "multi", "graders": {"a": {**CHECK, "operation": "eq"}}, "calculate_output": "a + b"},
            "names 'b'",
        ),
        (
            {"type": "multi", "graders": {"a": {**CHECK, "operation": "eq"}}, "calculate_output": "a +* 1"},
            "no formula",
        ),
    ],
)
def test_a_description_is_checked_before_anything_is_graded(change: dict[str, Any], why: str) -> None:
    base = {} if change.get("type") in ("python", "score_model", "multi") else {**CHECK, "operation": "eq"}
    with pytest.raises(BadInput, match=why):
        grader({"name": "g", **base, **change})


async def test_a_missing_field_is_no_grade_of_zero() -> None:
    with pytest.raises(GraderFailed, match=r"item\.gold"):
        await graded({**CHECK, "operation": "eq", "reference": "{{item.gold}}"}, "42")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
async def test_a_description_may_be_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"grader.{suffix}"
    path.write_text(json.dumps({**CHECK, "operation": "eq"}))
    assert (await grader(path).grade(ITEM, sample_of("42"))).value == 1
    path.write_text("{]")
    with pytest.raises(BadInput, match="neither JSON nor YAML"):
        grader(path)
    with pytest.raises(BadInput, match="cannot read the grader"):
        grader(tmp_path / "none.json")
