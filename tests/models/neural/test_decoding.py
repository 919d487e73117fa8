"""Rows share a cache and write what they would write alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from tests.support.tiny_models import tiny_causal_lm

from reflectree.models.local.jobs import Job, Written
from reflectree.models.neural.beams import Beams
from reflectree.models.neural.decoding import Decoder, Group
from reflectree.models.neural.sampling import Samples
from reflectree.rlm_ops.errors import BadInput


@pytest.fixture(scope="module", params=["llama", "qwen2", "mistral"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    changes = {"sliding_window": 8} if request.param == "mistral" else {}
    return tiny_causal_lm(tmp_path_factory.mktemp("tiny"), request.param, hidden=16, **changes)


def decode(ids: Sequence[int]) -> str:
    return "".join(chr(i + 32) for i in ids)


def job(number: int, **changes: Any) -> Job:
    dice = Random(number)
    prompt = tuple(dice.randrange(8, 270) for _ in range(dice.randrange(1, 30)))
    given = {"n": 1 + number % 3, "max_tokens": 4 + number % 7, "seed": number, "ends": frozenset(range(3, 40))}
    return Job(prompt, decode, **{**given, **changes})


def group_of(wanted: Job) -> Group:
    return Beams(wanted) if wanted.distinct else Samples(wanted, range(wanted.n))


def alone(model: Any, wanted: Job) -> dict[int, Written]:
    decoder, group = Decoder(model), group_of(wanted)
    decoder.admit([group])
    while decoder.rows:
        decoder.step()
    return group.results


def same(found: dict[int, Written], wanted: dict[int, Written]) -> None:
    assert {i: sample.tokens for i, sample in found.items()} == {i: sample.tokens for i, sample in wanted.items()}
    for i, sample in wanted.items():
        assert found[i].logprobs == pytest.approx(sample.logprobs, abs=1e-5)


def kinds(count: int) -> list[Job]:
    """Jobs of every kind: hot, cold, truncated, without replacement."""
    changes: list[dict[str, Any]] = [
        {},
        {"temperature": 0.0},
        {"temperature": 1.3, "top_p": 0.8, "alternatives": 3},
        {"distinct": True, "n": 4},
        {"distinct": True, "n": 3, "temperature": 0.0},
    ]
    return [job(number, **changes[number % len(changes)]) for number in range(count)]


def test_rows_that_come_and_go_write_what_they_write_alone(model: Any) -> None:
    jobs = kinds(10)
    groups = [group_of(wanted) for wanted in jobs]
    decoder, waiting, dice = Decoder(model), list(groups), Random(1)
    while waiting or decoder.rows:
        if waiting and (not decoder.rows or dice.random() < 0.5):
            count = dice.randrange(1, 4)
            decoder.admit(waiting[:count])
            del waiting[:count]
        if decoder.rows:
            decoder.step()
    for group, wanted in zip(groups, jobs, strict=True):
        same(group.results, alone(model, wanted))


def test_log_probabilities_are_those_of_a_plain_forward_pass(model: Any) -> None:
    wanted = job(5, n=3, max_tokens=12, temperature=1.2)
    for sample in alone(model, wanted).values():
        ids = torch.tensor([[*wanted.prompt, *sample.tokens]])
        with torch.inference_mode():
            logprobs = model(ids).logits[0].log_softmax(dim=-1)
        at = len(wanted.prompt) - 1
        plain = [float(logprobs[at + i, token]) for i, token in enumerate(sample.tokens)]
        assert sample.logprobs == pytest.approx(plain, abs=1e-5)
        assert sum(sample.logprobs) == pytest.approx(sum(plain), abs=1e-4)


def test_at_temperature_zero_it_is_greedy_generation(model: Any) -> None:
    wanted = job(4, n=1, max_tokens=10, temperature=0.0, ends=frozenset())
    (sample,) = alone(model, wanted).values()
    ids = list(wanted.prompt)
    with torch.inference_mode():
        for _ in range(10):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    assert list(sample.tokens) == ids[len(wanted.prompt) :]


def test_alternatives_are_the_best_of_each_place(model: Any) -> None:
    (sample,) = alone(model, job(3, n=1, temperature=0.0, alternatives=4)).values()
    for best, written in zip(sample.alternatives, sample.logprobs, strict=True):
        assert len(best) == 4
        assert list(best) == sorted(best, reverse=True)
        assert written == best[0]


def test_a_prompt_is_read_once_for_all_that_share_it(model: Any) -> None:
    seen: list[tuple[int, ...]] = []
    handle = model.register_forward_pre_hook(
        lambda _module, _args, given: seen.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    first = job(2, n=5, ends=frozenset())
    second = Job(first.prompt, decode, n=2, max_tokens=4, seed=77)
    decoder = Decoder(model)
    decoder.admit([Samples(first, range(5)), Samples(second, range(2))])
    assert decoder.rows == 7
    decoder.step()
    handle.remove()
    assert seen == [(1, len(first.prompt)), (7, 1)]


def test_rows_that_are_dropped_leave_the_others_as_they_are(model: Any) -> None:
    jobs = [job(number, n=2, max_tokens=9, ends=frozenset()) for number in range(3)]
    groups = [group_of(wanted) for wanted in jobs]
    decoder = Decoder(model)
    decoder.admit(groups)
    decoder.step()
    decoder.drop([groups[0], groups[1]])
    assert (decoder.rows, decoder.groups) == (2, [groups[2]])
    while decoder.rows:
        decoder.step()
    same(groups[2].results, alone(model, jobs[2]))
    assert groups[0].results == {}


def test_distinct_samples_are_distinct(model: Any) -> None:
    found = alone(model, job(1, n=8, max_tokens=3, temperature=0.05, distinct=True))
    assert len({sample.text for sample in found.values()}) == 8


def test_numbers_that_are_none_fail_their_group_and_no_other(tmp_path: Path) -> None:
    model = tiny_causal_lm(tmp_path, hidden=16)
    with torch.no_grad():
        model.model.embed_tokens.weight[9] = torch.nan
    good = job(1, ends=frozenset())
    good = Job(tuple(i for i in good.prompt if i != 9), decode, max_tokens=2, temperature=0.0)
    bad = Job((8, 9), decode, max_tokens=2)
    groups = [group_of(good), group_of(bad)]
    decoder = Decoder(model)
    assert decoder.admit(groups) == [groups[1]]
    assert isinstance(groups[1].error, FloatingPointError)
    decoder.step()
    same(groups[0].results, alone(model, good))


def test_a_model_that_remembers_otherwise_is_refused(model: Any) -> None:
    kept = getattr(model.config, "layer_types", None)
    model.config.layer_types = ["linear_attention", "full_attention"]
    try:
        with pytest.raises(BadInput, match="linear_attention, which cannot be batched here"):
            Decoder(model)
    finally:
        model.config.layer_types = kept
