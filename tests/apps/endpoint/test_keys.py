from __future__ import annotations

import json
from pathlib import Path

import pytest

from reflectree.apps.endpoint.keys import ANYONE, Key, Keys, digest_of, read_keys
from reflectree.models.http.errors import ApiError
from reflectree.rlm_ops.errors import BadInput

ANN, BOB = Key(name="ann", digest=digest_of("sk-ann")), Key(name="bob", digest=digest_of("sk-b\u00f6b"), concurrent=2)


def test_each_key_finds_its_own_and_no_other() -> None:
    keys = Keys([ANN, BOB])
    assert keys.find("Bearer sk-ann") is ANN
    assert keys.find("bearer  sk-ann ") is ANN
    assert list(keys) == [ANN, BOB]


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer sk-anna",
        "Basic sk-ann",
        "sk-ann",
        "Bearer \u00ff\u0100",
        digest_of("sk-ann"),
    ],
)
def test_anything_else_is_401_and_told_nothing(sent: str | None) -> None:
    with pytest.raises(ApiError, match="Bearer KEY") as error:
        Keys([ANN, BOB]).find(sent)
    assert (error.value.status, error.value.code) == (401, "invalid_api_key")
    assert error.value.headers == {"WWW-Authenticate": "Bearer"}
    assert "ann" not in str(error.value)


def test_without_keys_anyone_asks() -> None:
    assert not Keys()
    assert Keys().find(None) is ANYONE
    assert list(Keys()) == [ANYONE]


def test_a_key_never_shows_its_digest() -> None:
    assert ANN.digest not in repr(ANN)


def test_read_from_the_environment_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "sk-default\n")
    monkeypatch.setenv("B_KEY", "sk-b")
    file = tmp_path / "keys.yaml"
    file.write_text(
        f"keys:\n- {{name: ann, sha256: {digest_of('sk-ann').upper()}, requests_per_minute: 30, usd_per_day: 5}}\n"
        "- {name: b, env: B_KEY, concurrent: 4, tokens_per_day: 100000}\n"
    )
    keys = read_keys("A_KEY", file)
    assert keys.find("Bearer sk-default").name == "default"
    ann, bob = keys.find("Bearer sk-ann"), keys.find("Bearer sk-b")
    assert (ann.name, ann.requests_per_minute, ann.usd_per_day, ann.concurrent) == ("ann", 30, 5, None)
    assert (bob.name, bob.concurrent, bob.tokens_per_day) == ("b", 4, 100_000)
    file.write_text(json.dumps([{"name": "ann", "sha256": digest_of("sk-ann")}]))
    assert read_keys(None, file).find("Bearer sk-ann").name == "ann"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no keys"),
        ("[1]", "key 1: write name:"),
        ("{a: [", "neither YAML nor JSON"),
        ("[{name: a}]", "key 1: give either sha256: or env:"),
        ("[{name: a, key: sk-secret}]", "a key itself is not written here"),
        ("[{name: a, sha256: sk-secret}]", "64 hexadecimal digits"),
        (f"[{{name: a, sha256: {'12' * 32}}}]", "put it in quotes"),
        ("[{name: a, env: NOT_SET_ANYWHERE}]", "NOT_SET_ANYWHERE is not set"),
        (f"[{{name: a, sha256: {'ab' * 32}, rpm: 3}}]", "rpm: is not known"),
        (f"[{{name: a, sha256: {'ab' * 32}, concurrent: 0}}]", "concurrent: input should be greater than 0"),
        (f"[{{name: 'a b', sha256: {'ab' * 32}}}]", "name: string should match"),
        (f"[{{name: a, sha256: {'ab' * 32}}}, {{name: a, sha256: {'cd' * 32}}}]", "two keys are called 'a'"),
        (f"[{{name: a, sha256: {'ab' * 32}}}, {{name: b, sha256: {'ab' * 32}}}]", "a and b are one key"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as error:
        read_keys(None, file)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "sk-secret" not in str(error.value)


def test_no_file_and_no_variable(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read the keys"):
        read_keys(None, tmp_path / "absent")
    with pytest.raises(BadInput, match="NOT_SET_ANYWHERE is not set"):
        read_keys("NOT_SET_ANYWHERE")
