from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

import pytest
from tests.support.tiny_models import tiny_causal_lm

import reflectree
from reflectree.models.calling import Retries
from reflectree.models.resolve_values import check_values, located, value_model
from reflectree.models.scoring.card import Card
from reflectree.models.values.client import HttpStepValues, HttpValues
from reflectree.models.values.in_process import InProcessValues
from reflectree.models.values.server import ServerValues
from reflectree.rlm_ops.errors import BadInput
from reflectree.rlm_ops.step import Path
from reflectree.rlm_ops.verifiers.literal import exact


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VLLM", "TEI", "OPENAI", "REFLECTREE_VALUE"):
        monkeypatch.delenv(f"{name}_BASE_URL", raising=False)
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)


class Mine:
    """A value model of the user's own."""

    name = "mine"

    async def score(self, paths: Sequence[Path]) -> list[float]:
        return [0.5 for _ in paths]

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "options", "kind", "model", "path"),
    [
        ("http://h:8100", {}, ServerValues, "", "/v1/value"),
        ("http://h:8100#v", {}, ServerValues, "v", "/v1/value"),
        ("http://h:8100/v1/#v", {}, ServerValues, "v", "/v1/value"),
        ("v", {"base_url": "http://h:8100"}, ServerValues, "v", "/v1/value"),
        ("", {"base_url": "http://h:8100"}, ServerValues, "", "/v1/value"),
        ("vllm-pooling/org/v", {}, HttpStepValues, "org/v", "/pooling"),
        ("vllm-classify/org/v", {"base_url": "http://h/v1"}, HttpValues, "org/v", "/classify"),
        ("tei", {}, HttpValues, "", "/predict"),
        ("tei/good", {}, HttpValues, "", "/predict"),
        ("decisions/v", {"api_key": "k"}, HttpValues, "v", "/v1/decisions"),
        ("decisions/v", {"base_url": "http://h"}, HttpValues, "v", "/v1/decisions"),
    ],
)
def test_the_form_says_whose_server_it_is(name: str, options: Any, kind: type[Any], model: str, path: str) -> None:
    found = value_model(name, **options)
    assert type(found) is kind
    assert (found.model, found.dialect.path) == (model, path)
    assert found.name == name or options
    assert "/v1" not in found._exchange.where


def test_addresses_and_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert value_model("vllm-pooling/m")._exchange.where == "http://localhost:8000"
    assert value_model("tei")._exchange.where == "http://localhost:8080"
    monkeypatch.setenv("VLLM_BASE_URL", "http://gpu:8000/v1")
    monkeypatch.setenv("VLLM_API_KEY", "k-secret-1")
    model = value_model("vllm-pooling/m")
    assert model._exchange.where == "http://gpu:8000"
    assert model._exchange._secrets == ("k-secret-1",)
    assert "k-secret-1" not in repr(model)
    monkeypatch.setenv("REFLECTREE_VALUE_API_KEY", "k-secret-2")
    assert value_model("http://h:1")._exchange._secrets == ("k-secret-2",)
    assert value_model("vllm-pooling/m", step_tag=" ки").dialect.step_tag == " ки"


def test_a_model_is_returned_as_it_is() -> None:
    mine = Mine()
    assert value_model(mine) is mine
    assert reflectree.value_model(mine) is mine
    assert asyncio.run(check_values(mine)) == "mine: ready (it cannot be asked without a call)"
    with pytest.raises(BadInput, match="takes no retries"):
        value_model(mine, retries=Retries())


def test_a_language_model_that_nothing_says_how_to_read_is_refused_at_once(tmp_path: FilePath) -> None:
    tiny_causal_lm(tmp_path / "base", hidden=16, layers=1)
    with pytest.raises(BadInput, match="LlamaForCausalLM without a card"):
        value_model(tmp_path / "base")
    (tmp_path / "base").rename(tmp_path / "math-shepherd")  # what a published one is called
    assert isinstance(value_model(tmp_path / "math-shepherd"), InProcessValues)


def test_a_folder_is_looked_at_and_not_loaded(tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(BadInput, match="holds no model"):
        value_model(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    for name in ("model", "./model", str(tmp_path / "model"), tmp_path / "model"):
        assert isinstance(value_model(name), InProcessValues)
    Card(kind="policy").save("model")
    with pytest.raises(BadInput, match="holds a policy"):
        value_model("model")
    Card(kind="value-head").save("model")
    with pytest.raises(BadInput, match=r"no folder \./other"):
        value_model("./other")
    with pytest.raises(BadInput, match="takes no timeout"):
        value_model("./model", timeout=3.0)
    assert located("model", str(tmp_path)) == str(tmp_path / "model")
    (tmp_path / "tei").mkdir()
    for name in ("", "tei", "other", "http://h:1", "countdown-value"):
        assert located(name, str(tmp_path)) == name


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vllm-poolin/m", {}, "did you mean 'vllm-pooling/m'"),
        ("vllm/m", {}, "write 'vllm-pooling/m'"),
        ("vllm-pooling", {}, "write 'vllm-pooling/MODEL'"),
        ("vllm-pooling/", {}, "names no model"),
        ("countdown-valu", {}, "did you mean 'countdown-value'"),
        ("localhost:8100", {}, "write 'http://localhost:8100'"),
        ("nonsense", {}, "the other forms are http://HOST:PORT"),
        ("", {}, "unknown value model ''"),
        ("decisions/v", {}, "set OPENAI_API_KEY"),
        ("http://h:1", {"base_url": "http://h:2"}, "two addresses"),
        ("http://h:1", {"device": "cpu"}, "takes no device"),
        ("tei", {"step_tag": "x"}, "takes no step_tag"),
        ("countdown-value", {"api_key": "x"}, "takes no api_key"),
        ("m", {"base_url": "ftp://h"}, "no http"),
        (exact("42"), {}, "is no value model"),
        (5, {}, "int is no value model"),
    ],
)
def test_what_names_nothing_is_refused_and_the_fix_named(name: Any, options: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        value_model(name, **options)
