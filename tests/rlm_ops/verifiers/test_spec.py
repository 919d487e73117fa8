from __future__ import annotations

import json
from pathlib import Path

import pytest

from reflectree.rlm_ops.errors import BadInput, MissingExtra
from reflectree.rlm_ops.verifiers import parse_spec
from reflectree.rlm_ops.verifiers.spec import FORMS


@pytest.mark.parametrize(
    ("spec", "right", "wrong", "gold"),
    [
        ("exact:Paris", "paris", "Lyon", True),
        ("exact:10:30", "10:30", "10", True),
        ("numeric: 3.14", "3.14", "3", True),
        (r"math:\frac12", "0.5", "0.6", True),
        (r"regex:^\d+$", "42", "x", False),
        ("countdown:3,5,7,8=28", "3 * (5 + 7) - 8", "28", False),
        ("Countdown: 6, 7 = 42", "6*7", "7", False),
        ("python:operator:truth", "yes", "", False),
    ],
)
def test_forms(spec: str, right: str, wrong: str, gold: bool) -> None:
    verifier = parse_spec(spec)
    assert (verifier.score(right), verifier.score(wrong), verifier.gold) == (1.0, 0.0, gold)


def test_a_schema_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"type": "integer"}))
    assert parse_spec(f"json-schema:{path}").score("5") == 1.0
    assert parse_spec(f"json_schema:{path}").score('"5"') == 0.0
    path.write_text("{")
    with pytest.raises(BadInput, match="is not JSON"):
        parse_spec(f"json-schema:{path}")
    with pytest.raises(BadInput, match="No such file"):
        parse_spec(f"json-schema:{path}.other")


@pytest.mark.slow
def test_a_reasoning_gym_entry() -> None:
    verifier = parse_spec("reasoning_gym:chain_sum:2:5")
    assert (verifier.name, verifier.gold) == ("reasoning_gym:chain_sum", True)
    with pytest.raises(BadInput, match="did you mean"):
        parse_spec("reasoning_gym:chainsum:2")


BAD = [
    "", "42", "exact", "exact:", "exakt:42", ":", "countdown:3,5", "countdown:a=1", "python:operator",
    "reasoning_gym:chain_sum", "reasoning_gym:chain_sum:x",
]  # fmt: skip


@pytest.mark.parametrize("spec", BAD)
def test_bad_specifications_name_the_forms(spec: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_spec(spec)
    assert all(form in str(caught.value) for form in FORMS)


@pytest.mark.parametrize("spec", ["numeric:pi", "regex:(", "python:no_such_module_at_all:f", "python:operator:no_such"])
def test_parts_that_do_not_work(spec: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_spec(spec)
    assert not isinstance(caught.value, MissingExtra)
