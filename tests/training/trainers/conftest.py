"""A tiny base model, and a job as a trainer's module gets it."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny_models import tiny_causal_lm
from tests.support.training_jobs import QUICK, MakeJob

from reflectree.training.samples import Sample
from reflectree.training.trainers import TRAINERS
from reflectree.training.trainers.base import open_base
from reflectree.training.trainers.checks import gather
from reflectree.training.trainers.common import Job
from reflectree.training.trainers.settings import settings_of


@pytest.fixture(scope="session", autouse=True)
def _imports_are_no_garbage() -> None:
    """Accelerate collects garbage after each training, and would go through all of torch and transformers again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny language model with random weights."""
    folder = tmp_path_factory.mktemp("models") / "base"
    tiny_causal_lm(folder)
    return folder


@pytest.fixture
def make_job(base: Path, tmp_path: Path) -> MakeJob:
    """Makes a job of samples for a trainer."""

    def make(name: str, samples: Sequence[Sample], **settings: Any) -> Job:
        spec = TRAINERS[name]
        chosen = settings_of(spec.settings, {**QUICK, **settings}, name)
        data = gather(name, spec.kinds, samples, (), chosen.valid, chosen.tag)
        return Job(name, chosen, open_base(base, chosen.tag), data, tmp_path / "work")

    return make
