"""Independent draws follow the distribution they should, and depend on their own generator alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import torch

from reflectree.models.local.jobs import Job
from reflectree.models.neural.sampling import Samples, draw

torch.set_num_threads(1)
CHANCES = (0.5, 0.3, 0.15, 0.05)
LOGPROBS = torch.tensor(CHANCES).log()


def decode(ids: Sequence[int]) -> str:
    return "".join("abcd"[i] for i in ids)


def frequencies(temperature: float, mass: float, count: int = 4000) -> list[float]:
    uniform = ((torch.arange(count, dtype=torch.float64) + 0.5) / count).tolist()
    tokens = draw(LOGPROBS.expand(count, -1), [temperature] * count, [mass] * count, uniform).tolist()
    counted = Counter(tokens)
    return [counted[i] / count for i in range(4)]


def test_plain_draws_have_the_models_frequencies() -> None:
    assert frequencies(1.0, 1.0) == pytest.approx(CHANCES, abs=1e-3)


def test_temperature_sharpens() -> None:
    squared = [chance**2 for chance in CHANCES]
    assert frequencies(0.5, 1.0) == pytest.approx([value / sum(squared) for value in squared], abs=1e-3)
    assert frequencies(0.0, 1.0) == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("mass", "kept"), [(0.45, 1), (0.6, 2), (0.9, 3), (0.99, 4)])
def test_the_nucleus_is_the_fewest_tokens_that_reach_the_mass(mass: float, kept: int) -> None:
    total = sum(CHANCES[:kept])
    wanted = [chance / total for chance in CHANCES[:kept]] + [0.0] * (4 - kept)
    assert frequencies(1.0, mass) == pytest.approx(wanted, abs=1e-3)


def test_a_token_without_a_chance_is_never_drawn() -> None:
    logprobs = torch.tensor([[-torch.inf, 0.0, -torch.inf]]).expand(3, -1)
    assert draw(logprobs, [1.0] * 3, [1.0] * 3, [0.0, 0.5, 1 - 1e-12]).tolist() == [1, 1, 1]


def test_rows_of_every_kind_in_one_call_are_what_they_are_alone() -> None:
    temperatures, masses, chances = [1.0, 0.0, 0.7, 1.3], [1.0, 1.0, 0.8, 0.5], [0.9, 0.9, 0.9, 0.2]
    together = draw(LOGPROBS.expand(4, -1), temperatures, masses, chances).tolist()
    alone = [draw(LOGPROBS[None], [t], [m], [c]).item() for t, m, c in zip(temperatures, masses, chances, strict=True)]
    assert together == alone


def test_each_sample_has_a_generator_of_its_own() -> None:
    job = Job((1,), decode, n=3, seed=5, max_tokens=9)
    whole = Samples(job, range(3)).chances()
    assert len(set(whole)) == 3
    assert Samples(job, [1, 2]).chances() == whole[1:]
    assert Samples(Job((1,), decode, seed=6), [0]).chances() == whole[1:2]


def test_finished_rows_leave() -> None:
    samples = Samples(Job((1,), decode, n=3, ends=frozenset({3}), alternatives=2), range(3))
    assert samples.take([0, 3, 1], [-1.0, -2.0, -3.0], [[-1.0, -2.0, -9.0]] * 3) == [0, 2]
    assert samples.last == [0, 1]
    assert samples.results[1].text == ""
    assert samples.take([3, 3], [-0.5, -0.25], [[-0.5, -0.6]] * 2) == []
    assert samples.results[2].logprobs == (-3.0, -0.25)
    assert samples.results[2].alternatives == ((-1.0, -2.0), (-0.5, -0.6))
