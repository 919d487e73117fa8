from __future__ import annotations

import json

import pytest

from reflectree.apps.asking import RunOptions
from reflectree.rlm_ops.errors import BadInput


def test_options_survive_being_remembered() -> None:
    options = RunOptions(
        question="What?", model="embedded", price=(0.25, 2.0), calls=7, verifier="exact:4", memory="/m"
    )
    assert RunOptions.from_json({**json.loads(json.dumps(options.to_json())), "of_a_newer_version": 1}) == options


def test_no_key_is_ever_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    options = RunOptions(question="What?", model="openai/gpt-5-mini", api_key_env="MY_KEY")
    assert options.policy(lambda _what, _share: None).name == "openai/gpt-5-mini"
    assert "sk-very-secret" not in json.dumps(options.to_json())


def test_only_what_is_given_changes() -> None:
    options = RunOptions(question="What?", calls=7, seconds=60.0)
    assert options.changed(calls=9, model=None, seconds=None) == RunOptions(question="What?", calls=9, seconds=60.0)


def test_a_run_without_caps_gets_the_default_ones() -> None:
    assert (RunOptions().with_default_caps().calls, RunOptions().with_default_caps().seconds) == (200, 300.0)
    assert RunOptions(tokens=5).with_default_caps() == RunOptions(tokens=5)


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(BadInput, match="MY_KEY is not set"):
        RunOptions(model="openai/gpt-5-mini", api_key_env="MY_KEY").policy(lambda _what, _share: None)
