"""Weights in this process and the same weights behind the server say the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.values.rig import QUICK, path
from tests.support.tiny_models import tiny_causal_lm

from reflectree.models.neural.heads import ValueHead
from reflectree.models.neural.load import load_scorer
from reflectree.models.resolve_values import check_values, value_model
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.items import Scored
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.run import serving
from reflectree.models.serving.service import Service
from reflectree.rlm_ops.errors import ModelError

PATHS = [path(*(f"{k} + {n} = {k + n}" for k in range(n % 4)), question=f"Make {n} of 3, 5, 8.") for n in range(12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("value")
    tiny_causal_lm(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ValueHead(32).save(folder)
    Card(kind="value-head", name="tiny").save(folder)
    return folder


async def asked(model: Any) -> tuple[list[float], list[list[float]], str]:
    """Values, step scores and the words of a check."""
    try:
        return await model.score(PATHS), await model.score_steps(PATHS), await check_values(model)
    finally:
        await model.aclose()


def test_a_folder_here_and_behind_the_server(folder: Path) -> None:
    values, steps, words = asyncio.run(asked(value_model(folder, device="cpu")))
    assert [len(scores) for scores in steps] == [len(one.steps) for one in PATHS]
    assert all(scores[-1] == value for value, scores in zip(values, steps, strict=True) if scores)
    assert "ready; value-head" in words
    assert len(set(values)) > 6
    engine = ScoringEngine(load_scorer(folder, device="cpu"))
    with serving(Service(engine)) as url:
        served, served_steps, words = asyncio.run(asked(value_model(url, retries=QUICK)))
    engine.close()
    assert served == pytest.approx(values, abs=1e-5)
    assert [one for scores in served_steps for one in scores] == pytest.approx(
        [one for scores in steps for one in scores], abs=1e-5
    )
    assert "answers; models: tiny" in words


def test_an_empty_step_fails_alone_and_weights_that_do_not_fit_are_said(folder: Path, tmp_path: Path) -> None:
    async def empty() -> list[Any]:
        model = value_model(folder, device="cpu")
        try:
            return await model.score_each([path("a"), path(" "), path("b")])  # type: ignore[no-any-return]
        finally:
            await model.aclose()

    assert [isinstance(one, Scored) for one in asyncio.run(empty())] == [True, False, True]
    tiny_causal_lm(tmp_path)
    ValueHead(16).save(tmp_path)
    Card(kind="value-head").save(tmp_path)

    async def wrong() -> None:
        model = value_model(tmp_path, device="cpu")
        with pytest.raises(ModelError):
            await model.score([path("a")])
        await model.aclose()

    asyncio.run(wrong())
