"""What users are given for their tests runs as its documentation shows."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from reflectree import testing
from reflectree.models import fakes, loopback


@pytest.mark.parametrize("module", [testing, fakes, loopback], ids=lambda module: module.__name__)
def test_the_examples_run(module: ModuleType) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_public_names() -> None:
    assert set(testing.__all__) == {
        "ABLE",
        "FAULTS",
        "Counters",
        "LoopbackServer",
        "Played",
        "ScriptedPolicy",
        "check_strategy",
    }
