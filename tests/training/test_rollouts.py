"""Completions of paths: read as the engine reads them, each path with seeds of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath

import pytest
import torch
from tests.support.tiny_models import tiny_causal_lm
from transformers import AutoTokenizer

from reflectree.models.base import FREE, Choice, Price, Reply, Request
from reflectree.models.fakes import ABLE, ScriptedPolicy
from reflectree.models.local import TransformersPolicy
from reflectree.models.scoring.card import Card
from reflectree.models.scoring.template import StepTemplate
from reflectree.rlm_ops.blueprint import Generate
from reflectree.rlm_ops.budget import Budget, Ledger
from reflectree.rlm_ops.errors import BadInput, ModelRejected
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.usage import Usage
from reflectree.training.rollouts import complete, read_completion

TASK = Task("How many sheep are left?")
BEGUN = Path(TASK, (Step("There are six."),), notes="count twice")
DONE = Path(TASK, (Step("Answer: 4", status="terminal", answer="4"),))


def test_a_completion_is_cut_into_steps_and_ends_with_the_answer() -> None:
    found = read_completion(BEGUN, Choice("Two go.\n\nAnswer: 4\nQuestion: how many cows?"))
    assert [step.text for step in found.steps] == ["There are six.", "Two go.", "Answer: 4"]
    assert [step.status for step in found.steps] == ["open", "open", "terminal"]
    assert (found.answer, found.notes, found.task) == ("4", "count twice", TASK)


@pytest.mark.parametrize(
    "choice", [Choice("Two go."), Choice("Two go.\nAnswer: 4", "length"), Choice(""), Choice("Answer: 4", "filter")]
)
def test_what_gives_no_whole_answer_is_no_completion(choice: Choice) -> None:
    with pytest.raises(BadInput, match="this is no completion"):
        read_completion(BEGUN, choice)


async def test_each_path_is_completed_and_a_finished_one_is_left_alone() -> None:
    policy = ScriptedPolicy(lambda request, index: "Two go.\nAnswer: 4", capabilities=ABLE)
    found = await complete(policy, [BEGUN, DONE, Path(TASK)], 3, generate=Generate(temperature=0.3))
    assert [len(paths) for paths in found] == [3, 3, 3]
    assert found[1] == [DONE] * 3
    assert [path.steps[0].text for path in found[0] + found[2]] == ["There are six."] * 3 + ["Two go."] * 3
    assert {path.answer for paths in found for path in paths} == {"4"}
    requests: list[Request] = policy.requests
    assert [(request.n, request.temperature, request.path) for request in requests] == [
        (3, 0.3, BEGUN),
        (3, 0.3, Path(TASK)),
    ]
    assert requests[0].seed != requests[1].seed


async def test_what_comes_to_no_answer_is_tried_once_more_and_left_out() -> None:
    policy = ScriptedPolicy(lambda request, index: "I wonder.", capabilities=ABLE)
    assert await complete(policy, [BEGUN], 2) == [[]]
    assert len(policy.requests) == 2


class Waiting:
    """Answers after a moment, and knows how many waited at the same time."""

    def __init__(self) -> None:
        self.name, self.capabilities = "waiting", ABLE
        self.price: Price | None = FREE
        self.now = self.most = 0

    async def complete(self, request: Request) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        return Reply((Choice("Answer: 4"),) * request.n, Usage(1, 0, 1, request.n))

    def prompt_bound(self, request: Request) -> int:
        return 1

    async def aclose(self) -> None:
        """Nothing is held."""


async def test_as_many_paths_at_once_as_is_said() -> None:
    policy = Waiting()
    await complete(policy, [BEGUN] * 9, 1, concurrency=3)
    assert policy.most == 3
    await complete(policy, [BEGUN] * 9, 1)
    assert policy.most == (ABLE.max_concurrency or 8)


async def test_an_account_that_is_spent_gives_no_more_completions() -> None:
    ledger = Ledger(Budget(calls=2))
    found = await complete(Waiting(), [BEGUN] * 4, 1, concurrency=1, ledger=ledger)
    assert [len(paths) for paths in found] == [1, 1, 0, 0]
    assert ledger.spent.calls <= 2


async def test_nonsense_is_refused() -> None:
    with pytest.raises(BadInput, match="n is 0"):
        await complete(Waiting(), [BEGUN], 0)
    with pytest.raises(BadInput, match="concurrency 0"):
        await complete(Waiting(), [BEGUN], 1, concurrency=0)


class Refusing(Waiting):
    """Refuses for good."""

    status = 401

    async def complete(self, request: Request) -> Reply:
        raise ModelRejected("no", status=self.status)


async def test_a_refusal_for_good_is_raised_and_one_of_a_prompt_is_that_paths() -> None:
    policy = Refusing()
    with pytest.raises(ModelRejected, match="no"):
        await complete(policy, [BEGUN] * 3, 1)
    policy.status = 400
    assert await complete(policy, [BEGUN] * 2, 1) == [[], []]


def taught(folder: FilePath) -> None:
    """A tiny model that has learnt to answer with some digit, in the form of our policies."""
    torch.set_num_threads(1)
    model = tiny_causal_lm(folder, hidden=32, layers=1)
    Card(kind="policy").save(folder)
    tokenizer, template = AutoTokenizer.from_pretrained(folder), StepTemplate()
    rows = [template.solution(tokenizer, TASK.prose, ("Some.", f"Answer: {digit}"), 0) for digit in range(10)]
    ids, learnt = (torch.tensor([row[part] for row in rows]) for part in (0, 1))
    labels = ids.masked_fill(learnt == 0, -100)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    with torch.random.fork_rng():
        for _ in range(60):
            optimizer.zero_grad()
            model(ids, labels=labels).loss.backward()
            optimizer.step()
    model.save_pretrained(folder)


@pytest.mark.slow
async def test_a_local_model_gives_the_same_completions_alone_and_among_others(tmp_path: FilePath) -> None:
    taught(tmp_path)
    policy = TransformersPolicy(tmp_path, device="cpu")
    generate = Generate(max_tokens=40, temperature=1.0)
    paths = [Path(TASK), Path(TASK, (Step("Some."),)), DONE, Path(TASK)]
    together = await complete(policy, paths, 4, generate=generate, seed=1)
    assert together == await complete(policy, paths, 4, generate=generate, seed=1, concurrency=1)
    assert together[0] != together[3]
    for path, found in zip(paths, together, strict=True):
        assert len(found) >= 3
        assert all(one.steps[: len(path.steps)] == path.steps for one in found)
        assert all(one.answer is not None and one.steps[-1].status == "terminal" for one in found)
    said = {(one.steps[0].text, one.steps[-1].text[:8]) for one in together[0] + together[1]}
    assert said == {("Some.", "Answer: ")}
    await policy.aclose()
