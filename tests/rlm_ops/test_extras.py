from __future__ import annotations

import json

import pytest

from reflectree.rlm_ops.errors import MissingExtra
from reflectree.rlm_ops.extras import require


def test_a_module_that_is_there() -> None:
    assert require("json", "tasks", "this") is json


def test_a_module_that_is_not_names_its_extra() -> None:
    with pytest.raises(MissingExtra, match=r"A set needs no_such_module.*pip install 'reflectree\[tasks\]'"):
        require("no_such_module.part", "tasks", "A set")
