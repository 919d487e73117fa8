from __future__ import annotations

from pathlib import Path

import pytest

from reflectree.graphs.tasksets import load_taskset
from reflectree.rlm_ops.errors import BadInput


def test_a_limit_is_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 task or more"):
        load_taskset(tmp_path / "any", limit=0)


def test_a_file_has_its_own_examples(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'examples' field"):
        load_taskset(tmp_path / "any", examples=2)
