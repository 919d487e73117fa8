"""The small parts of `benchmarks/discovery.py`; the measurement itself is run by hand."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import ModuleType

import pytest

from reflectree.graphs.discovery import problem
from reflectree.graphs.discovery.linear_regression import LinearRegression
from reflectree.models.fakes import ScriptedPolicy
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.statistics import Interval

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.discovery")


def test_an_interval_is_students(bench: ModuleType) -> None:
    found = bench.t_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.estimate == 3.0
    assert found.high - 3.0 == pytest.approx(2.7764451 * math.sqrt(2.5 / 5))
    assert bench.t_interval([2.0]) == Interval(2.0, -math.inf, math.inf)


def test_an_interval_that_holds_zero_is_no_gain(bench: ModuleType) -> None:
    assert bench.verdict(Interval(-1.0, -3.0, 1.0)).endswith("no gain")
    assert bench.verdict(Interval(-2.0, -3.0, -1.0)).endswith("better")
    assert bench.verdict(Interval(2.0, 1.0, 3.0)).endswith("worse")
    assert bench.verdict(Interval(0.0, 0.0, 0.0)).endswith("no gain")


def test_figures_are_zero_at_the_optimum_and_bounded_before(bench: ModuleType) -> None:
    regression, tsp, law = (problem(name) for name in ("linear-regression/0", "tsp/8/0", "symbolic/kepler"))
    assert isinstance(regression, LinearRegression)
    assert bench.figure(regression, regression.loss(*regression.optimum)) == 0.0
    assert bench.figure(tsp, tsp.optimum()) == 0.0  # type: ignore[attr-defined]
    assert bench.figure(law, 0.0) == pytest.approx(-12.0)
    assert bench.figure(regression, math.inf) == bench.figure(law, -1e80) == 6.0


async def test_all_methods_get_the_same_evaluations(bench: ModuleType) -> None:
    given = problem("tsp/6/0")
    whole = await bench.scripted(given, 0, 13)
    assert len(whole.search) == len(whole.classical) == len(whole.random) == 13
    assert whole.tokens > 0
    policy = ScriptedPolicy(["Answer: 0, 1, 2, 3, 4, 5"] * 2 + ["Answer: 0, 2, 1, 3, 4, 5"] * 8)
    cut = await bench.curves(given, policy, 0, 101, Budget(calls=3))
    assert len(cut.search) == len(cut.classical) == len(cut.random) <= 3


def test_rows_stand_at_a_quarter_half_and_the_whole(bench: ModuleType) -> None:
    runs = [
        bench.Curves(tuple(start - k / 10 for k in range(8)), (2.0,) * 8, (1.5,) * 8, 0, 10, 0.1)
        for start in (1.0, 1.1, 1.2)
    ]
    rows = bench.rows_of("tsp", runs, "scripted")
    assert [row.figure.rpartition(", ")[2] for row in rows] == ["2 evaluations", "4 evaluations", "8 evaluations"]
    assert rows[-1].measured == pytest.approx(0.4)
    assert "classical 2: -1.6" in rows[-1].note
    assert rows[-1].note.count("better") == 2
    [empty] = bench.rows_of("tsp", [], "embedded")
    assert "no candidate" in empty.figure
