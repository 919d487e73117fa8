"""docs/scaling.md says what was measured, and its arithmetic is right."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _loaded() -> Any:
    """The page's arithmetic; benchmarks are no part of the package, so that it is loaded by its file."""
    spec = importlib.util.spec_from_file_location("scaling_page", ROOT / "benchmarks" / "scaling_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["scaling_page"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


page = _loaded()
TEXT = (ROOT / "docs" / "scaling.md").read_text()
RESULTS: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / "scaling.json").read_text())


def test_the_page_is_what_its_results_make_of_it() -> None:
    assert page.rewritten(TEXT, RESULTS) == TEXT
    for name in page.BLOCKS:
        assert f"<!-- {name} -->" in TEXT


def test_every_constant_was_measured_and_is_on_the_page() -> None:
    assert set(RESULTS["constants"]) == set(page.NAMES)
    for name, found in RESULTS["constants"].items():
        assert found["rounds"], name
        assert min(found["rounds"]) <= found["median"] <= max(found["rounds"])
        assert f"| {page.number(found['median'])} {page.NAMES[name][1]} |" in TEXT


def test_a_changed_constant_changes_the_page() -> None:
    changed = json.loads(json.dumps(RESULTS))
    changed["constants"]["call_cpu_ms"]["median"] *= 3
    assert page.rewritten(TEXT, changed) != TEXT


def test_the_formulas_by_hand() -> None:
    work = page.Work(10_000, 64, 400, 10.0)
    assert work.all_calls == 640_000
    assert work.rate == pytest.approx(17.78, abs=0.01)
    assert work.token_rate == pytest.approx(7111, abs=1)
    assert page.in_flight(work.rate, 8.0) == 143
    assert page.calls_per_core(0.7) == pytest.approx(1000)
    assert page.processes(2500, 0.7) == 3
    assert page.gpus(7111, 2500) == 3
    assert page.gigabytes(640_000, 350) == pytest.approx(0.224)
    assert page.gpu_value_tokens_s(1.5e9, 400e12) == pytest.approx(40_000)
    assert [page.number(value) for value in (0.1234, 12.34, 1234.5, 0)] == ["0.123", "12.3", "1,230", "0"]
    assert "40,000" in TEXT
