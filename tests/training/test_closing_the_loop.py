"""The loop closes: searches make data, data trains a value model, and searches that ask it over HTTP choose better.

The policy guesses one of four letters; which one is right stands in the question, so that a tiny model can learn it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.tiny_models import tiny_causal_lm

from reflectree.graphs.run import asolve
from reflectree.models.base import Request
from reflectree.models.fakes import ScriptedPolicy
from reflectree.models.neural.heads import ValueHead
from reflectree.models.neural.load import load_scorer
from reflectree.models.resolve_values import value_model
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.items import item_of
from reflectree.models.serving.engine import ScoringEngine
from reflectree.models.serving.run import serving
from reflectree.models.serving.service import Service
from reflectree.rlm_ops.budget import Budget
from reflectree.rlm_ops.step import Path as Steps
from reflectree.rlm_ops.step import Step
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.verifiers import exact
from reflectree.training.buffer import ReplayBuffer
from reflectree.training.pipelines.generation import generate
from reflectree.training.splits import Splits
from reflectree.training.trainers import train

LETTERS = "abcd"
SPLITS = Splits(valid=0.0, test=0.3)
TASKS = [Task(f"Say {x}. {n}", verifier=exact(x), id=f"{x}{n}") for n in range(10, 40) for x in LETTERS]
BEST_OF_8: dict[str, Any] = {
    "name": "best-of-8",
    "scheme": {"structure": "tree", "granularity": "solution", "strategy": {"name": "best-of-n", "n": 8}},
}


def guess(request: Request, index: int) -> str:
    """A letter, by chance."""
    words = "".join(message.content for message in request.messages) + f"{request.seed} {index}"
    return f"Answer: {LETTERS[zlib.crc32(words.encode()) % 4]}"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    engine = ScoringEngine(load_scorer(folder, device="cpu"))
    try:
        with serving(Service(engine)) as url:
            yield url
    finally:
        engine.close()


async def share_right(url: str, tasks: list[Task]) -> tuple[float, float]:
    """How often best-of-8 gives the right answer by these values, and how often it is among the eight."""
    values = value_model(url)
    try:
        found = [
            await asolve(
                task,
                blueprint=BEST_OF_8,
                policy=ScriptedPolicy(guess),
                evaluator=values,
                budget=Budget(calls=8),
                seed=5,
            )
            for task in tasks
        ]
    finally:
        await values.aclose()
    right = sum(result.answer == task.id[0] for task, result in zip(tasks, found, strict=True))
    return right / len(tasks), sum(result.in_structure is True for result in found) / len(tasks)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A value model that learnt from what searches left, and one whose head is random."""
    folder = tmp_path_factory.mktemp("loop")
    report = generate(
        TASKS, folder / "job", blueprint=BEST_OF_8, policy=ScriptedPolicy(guess), evaluator=lambda path: 0.5,
        evaluator_name="half", splits=SPLITS, budget=Budget(calls=8), labels=["outcome/steps"],
        buffer=folder / "buffer",
    )  # fmt: skip
    assert report.finished == report.runs > 60
    tiny_causal_lm(folder / "base", hidden=64, layers=2, initializer_range=0.05)
    samples = list(ReplayBuffer(folder / "buffer").read("labelled"))
    settings = {
        "max_steps": 200, "batch": 32, "lr": 1e-3, "head_lr": 1e-3, "warmup": 0.05, "loss": "bce", "head_layers": 1,
        "checkpoint": 0,
    }  # fmt: skip
    made = train("value", samples, folder / "base", folder / "value", settings)
    assert made.loss_last < made.loss_first
    tiny_causal_lm(folder / "random", hidden=32, layers=2, seed=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        ValueHead(32).save(folder / "random")
    Card(kind="value-head", name="random").save(folder / "random")
    return folder / "value", folder / "random"


@pytest.mark.slow
def test_search_with_the_trained_value_model_chooses_better_than_with_a_random_one(models: tuple[Path, Path]) -> None:
    held_out = [task for task in TASKS if SPLITS.of_task(task) == "test"]
    assert len(held_out) >= 20
    found = {}
    for folder in models:
        with served(folder) as url:
            found[folder.name] = asyncio.run(share_right(url, held_out))
    (trained, among), (random, same) = found["value"], found["random"]
    assert among == same  # the same guesses: only the choice differs
    assert random < 0.6
    assert trained >= random + 0.3
    assert trained >= among - 0.1


@pytest.mark.slow
def test_what_was_trained_reads_the_same_number_here_and_over_http(models: tuple[Path, Path]) -> None:
    paths = [Steps(Task(f"Say {x}. 77"), (Step(f"Answer: {y}"),)) for x in LETTERS for y in LETTERS]
    scorer = load_scorer(models[0], device="cpu")
    here = [scorer.score([scorer.encode(item_of(path))])[0].value for path in paths]
    scorer.close()

    async def ask(url: str) -> list[float]:
        values = value_model(url)
        try:
            return list(await values.score(paths))
        finally:
            await values.aclose()

    with served(models[0]) as url:
        assert asyncio.run(ask(url)) == pytest.approx(here, abs=1e-5)
