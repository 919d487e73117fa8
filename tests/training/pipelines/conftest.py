"""An endpoint in a process of its own whose replies follow from the request alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reflectree.models.loopback_process import Remote
from reflectree.testing import LoopbackServer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
    with LoopbackServer.in_process(reply_from="tests.training.pipelines.rig:answer", latency=0.03) as remote:
        yield remote
