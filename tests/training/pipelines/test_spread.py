"""Runs on a local Ray cluster: the same data as in one process, and errors a user can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.training.pipelines.rig import made

from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.loopback_process import Remote
from reflectree.rlm_ops.errors import BadInput, ModelError
from reflectree.rlm_ops.trace import Trace
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.pipelines.recipe import ModelWords

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"),
    pytest.mark.timeout(300),
]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "job" / "traces").glob("*.jsonl")}


def test_two_workers_make_the_data_of_one_process(tmp_path: Path, server: Remote) -> None:
    def data(folder: Path, **options: Any) -> ReplayBuffer:
        report = made(
            folder / "job", 6, policy=f"{server.base_url}#loopback", runs=2, parallel=2,
            labels=["outcome", "tree/soft", "outcome-pairs"], buffer=folder / "buffer", **options,
        )  # fmt: skip
        assert report.finished == 12
        return ReplayBuffer(folder / "buffer")

    serial = data(tmp_path / "serial")
    spread = data(tmp_path / "ray", ray="local", ray_workers=2)
    assert contents(tmp_path / "ray") == contents(tmp_path / "serial")
    for kind in ("solution", "labelled", "preferred"):
        assert spread.read(kind) == serial.read(kind)
    assert all(Trace.load(path).verify() == [] for path in (tmp_path / "ray" / "job" / "traces").iterdir())


def test_a_model_that_cannot_be_reached_from_a_worker_is_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9"):
        made(tmp_path, 2, policy=ModelWords(name="http://127.0.0.1:9/v1#none"), ray="local", ray_workers=1)
    import ray

    assert not ray.is_initialized()


def test_a_cluster_that_is_not_there(tmp_path: Path, server: Remote) -> None:
    with pytest.raises(BadInput, match="check the address, or use local"):
        made(tmp_path, 1, policy=f"{server.base_url}#loopback", ray="127.0.0.1:1")


def test_models_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="give them as strings"):
        made(tmp_path, 1, policy=ScriptedPolicy("Answer: 1"), ray="local")
