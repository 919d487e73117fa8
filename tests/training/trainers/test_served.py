"""What a trainer writes says the same over HTTP as in this process, whose numbers are training's (test_scorers)."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.support.training_jobs import samples_of

from reflectree.models.neural.load import load_scorer
from reflectree.models.scoring.items import Item
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.run import serving
from reflectree.models.serving.service import Service
from reflectree.training.trainers import TRAINERS, train

SCORERS = [name for name, spec in TRAINERS.items() if spec.makes != "policy"]
ITEMS = [Item("add 3", ("good", "b3")), Item("add 2", ("bad",)), Item("add 3", ("good", "b3", "c"))]


@pytest.mark.parametrize("name", SCORERS)
def test_over_http_as_here(name: str, base: Path, tmp_path: Path) -> None:
    samples = samples_of(TRAINERS[name].kinds[0])
    train(name, samples, base, tmp_path / "out", {"max_steps": 2, "batch": 4, "lr": 5e-3, "checkpoint": 0})
    scorer = load_scorer(tmp_path / "out", device="cpu")
    alone = [scorer.score([scorer.encode(item)])[0] for item in ITEMS]
    scorer.close()
    engine = ScoringEngine(load_scorer(tmp_path / "out", device="cpu"))
    try:
        with serving(Service(engine)) as url:
            rows = ask(url, [{"question": item.question, "steps": list(item.steps)} for item in ITEMS])
    finally:
        engine.close()
    assert [row["value"] for row in rows] == pytest.approx([one.value for one in alone], abs=1e-5)
    for row, one in zip(rows, alone, strict=True):
        assert row["steps"] == pytest.approx(list(one.steps), abs=1e-5)


def ask(url: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{url}/v1/value", json.dumps({"items": items}).encode())
    with urllib.request.urlopen(request, timeout=30) as reply:
        return list(json.load(reply)["data"])
