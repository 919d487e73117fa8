import asyncio
from collections.abc import Sequence
from pathlib import Path as Folder
from typing import Any

import pytest

from reflectree.models.base import Message, Reply, Request
from reflectree.models.neural.countdown.load import load_policy, load_scorer, load_value
from reflectree.models.scoring.items import Item, ItemRefused
from reflectree.rlm_ops.errors import BadInput, ModelRejected
from reflectree.rlm_ops.step import Path, Step
from reflectree.rlm_ops.task import Task
from reflectree.rlm_ops.verifiers import countdown

TASK = Task("24|3 5 8 12>")
FIRST = "12 - 8 = 4 | 24 from 3 4 5"
SECOND = "5 - 3 = 2 | 24 from 2 4"
LAST = "4 * 2 = 8 | 24 from 8\nAnswer: (12 - 8) * (5 - 3)"


def request(*steps: str, stop: tuple[str, ...] = ("\n",), **given: Any) -> Request:
    path = Path(TASK, tuple(Step(text) for text in steps))
    return Request((Message("user", TASK.question),), stop=stop, path=path, **given)


def asked(*requests: Request) -> list[Reply]:
    async def ask() -> list[Reply]:
        policy = load_policy()
        try:
            return await asyncio.gather(*map(policy.complete, requests))
        finally:
            await policy.aclose()

    return asyncio.run(ask())


def test_steps_solutions_and_the_answer_line() -> None:
    step, whole, last = asked(request(seed=1), request(stop=(), seed=2, n=2), request(FIRST, SECOND, seed=3))
    assert " | 24 from " in step.choices[0].text
    assert "\n" not in step.choices[0].text
    assert len(whole.choices) == 2
    for choice in (*whole.choices, *last.choices):
        answer = choice.text.rpartition("\nAnswer: ")[2]
        stated = int(choice.text.splitlines()[-2].partition(" | ")[0].rpartition(" = ")[2])
        assert countdown([3, 5, 8, 12], stated).score(answer) == 1.0  # the expression is what the steps made
    usage = step.usage
    assert usage.calls == 1
    assert usage.prompt_tokens == len("24|3 5 8 12>")
    assert usage.completion_tokens == len(step.choices[0].token_logprobs or ())


def test_the_same_seed_writes_the_same_beside_other_calls() -> None:
    (alone,) = asked(request(seed=5, n=3))
    together = asked(request(seed=6, n=3), request(seed=5, n=3), request(FIRST, seed=5))
    assert [choice.text for choice in together[1].choices] == [choice.text for choice in alone.choices]


def test_diverse_samples_are_different() -> None:
    (reply,) = asked(request(seed=1, n=8, diverse=True))
    texts = [choice.text for choice in reply.choices]
    assert len(set(texts)) == 8


def test_requests_it_cannot_serve_are_refused_in_one_line() -> None:
    other = Path(Task("What is 6 times 7?"))
    bad = [
        Request((Message("user", "hi"),)),
        Request((), path=other),
        request("8 + 3 = 12 | 24 from 5 12 12"),
        request(FIRST, SECOND, LAST),
    ]
    for one in bad:
        with pytest.raises(ModelRejected):
            asked(one)


def test_scores_are_one_a_step_and_never_read_the_end() -> None:
    scorer = load_scorer()
    items = [Item("24|3 5 8 12>", steps) for steps in ((), (FIRST,), (FIRST, SECOND), (FIRST, SECOND, LAST))]
    scored = scorer.score([scorer.encode(item) for item in items])
    assert [len(one.steps) for one in scored] == [1, 1, 2, 3]
    assert scored[3].steps[:2] == scored[2].steps
    assert scored[3].value == scored[2].value  # the last step's score is that of the state before it
    assert scored[3].cached == scored[3].tokens
    one_text = scorer.encode(Item("24|3 5 8 12>", ("\n".join((FIRST, SECOND, LAST)),)))
    assert scorer.score([one_text])[0].value == scored[2].value
    assert scorer.info.per_step
    assert scorer.info.parameters < 1_000_000


def test_value_model_tells_states_that_can_be_solved_from_others() -> None:
    pairs = [(a, b) for b in (3, 5, 7, 9, 12) for a in (11, 14, 20, 26, 32)]
    solved = [Path(Task(f"{a + b}|{b} {a}>")) for a, b in pairs]
    missed = [Path(Task(f"{a + b + 3}|{b} {a}>")) for a, b in pairs]

    async def score() -> tuple[Sequence[float], Sequence[float]]:
        value = load_value()
        try:
            return await asyncio.gather(value.score(solved), value.score(missed))  # two callers at once
        finally:
            await value.aclose()

    good, bad = asyncio.run(score())
    better = sum(g > b for g in good for b in bad) / len(good) / len(bad)
    assert better > 0.9
    assert sum(good) / len(good) > 0.6 > 0.3 > sum(bad) / len(bad)


def test_bad_items_and_folders_say_what_to_do(tmp_path: Folder) -> None:
    scorer = load_scorer()
    for item in (Item("What?"), Item("24|3 5 8 12>", ("8 + 8 = 16 | 24 from 3 5",)), Item("24|3 8>", (), ())):
        with pytest.raises(ItemRefused):
            scorer.encode(item)
    with pytest.raises(BadInput, match="train one with"):
        load_policy(tmp_path)
    with pytest.raises(BadInput, match="train one with"):
        load_value(tmp_path)
