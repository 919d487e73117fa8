"""Strategies over designs are known by name, and a family of riddles on which designs matter."""

import importlib
import pkgutil

import pytest

import reflectree.rlm_ops.strategies.design as design_strategies
from reflectree.rlm_ops.strategies import STRATEGIES
from reflectree.rlm_ops.strategies.base import Strategy


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in pkgutil.iter_modules(design_strategies.__path__):
        found = importlib.import_module(f"{design_strategies.__name__}.{module.name}")
        for cls in vars(found).values():
            if isinstance(cls, type) and issubclass(cls, Strategy) and "name" in vars(cls):
                monkeypatch.setitem(STRATEGIES, cls.name, STRATEGIES.get(cls.name, cls))
