"""Samples without replacement have the chances that drawing one after the other gives (Kool et al. 2019)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
import torch

from reflectree.models.local.jobs import Job
from reflectree.models.neural.beams import Beams, conditioned

torch.set_num_threads(1)
A, B, END = 0, 1, 2
TABLE: Mapping[tuple[int, ...], tuple[float, float, float]] = {
    (): (0.5, 0.2, 0.3),
    (A,): (0.1, 0.35, 0.55),
    (B,): (0.7, 0.2, 0.1),
}
"""A language of three tokens and at most two of them: the chance of each token after each prefix."""


def decode(ids: Sequence[int]) -> str:
    return "".join("ab"[i] for i in ids)


def sequences() -> dict[str, float]:
    """All texts with their chances."""
    found = {"": TABLE[()][END]}
    for first in (A, B):
        for second in (A, B, END):
            text = decode([token for token in (first, second) if token != END])
            found[text] = TABLE[()][first] * TABLE[(first,)][second]
    return found


def search(
    n: int, seed: int, *, temperature: float = 1.0, top_p: float = 1.0, ends: tuple[int, ...] = (END,), most: int = 2
) -> Beams:
    job = Job(
        (9,), decode, n=n, max_tokens=most, temperature=temperature, top_p=top_p, seed=seed, ends=frozenset(ends),
        distinct=True,
    )  # fmt: skip
    beams = Beams(job)
    prefixes: list[tuple[int, ...]] = [()]
    while prefixes:
        parents = beams.advance(torch.tensor([TABLE[prefix] for prefix in prefixes]).log())
        prefixes = [(*prefixes[parent], token) for parent, token in zip(parents, beams.last, strict=True)]
    return beams


def texts(beams: Beams) -> list[str]:
    return [beams.results[i].text for i in range(len(beams.results))]


def test_the_order_of_inclusion_has_the_chances_of_drawing_without_replacement() -> None:
    chances = sequences()
    assert sum(chances.values()) == pytest.approx(1.0)
    runs = 1500
    pairs = Counter(tuple(texts(search(2, seed))) for seed in range(runs))
    firsts = Counter({text: sum(n for pair, n in pairs.items() if pair[0] == text) for text in chances})
    for text, chance in chances.items():
        assert firsts[text] / runs == pytest.approx(chance, abs=4 * (chance * (1 - chance) / runs) ** 0.5)
    for first, p in chances.items():
        for second, q in chances.items():
            wanted = 0.0 if first == second else p * q / (1 - p)
            error = 4 * (wanted * (1 - wanted) / runs) ** 0.5
            assert pairs[first, second] / runs == pytest.approx(wanted, abs=error), (first, second)


@pytest.mark.parametrize("seed", range(20))
def test_samples_differ_and_fewer_are_the_first_of_more(seed: int) -> None:
    six = texts(search(6, seed))
    assert len(set(six)) == 6
    assert texts(search(2, seed)) == six[:2]
    assert texts(search(4, seed)) == six[:4]


def test_no_more_samples_than_there_are_sequences() -> None:
    found = texts(search(20, 3))
    assert sorted(found) == sorted(sequences())


def test_the_logprob_of_a_sample_is_the_chance_of_its_sequence() -> None:
    chances = sequences()
    for sample in search(7, 1, temperature=0.3).results.values():
        assert sum(sample.logprobs) == pytest.approx(torch.tensor(chances[sample.text]).log().item(), abs=1e-6)


def test_without_temperature_the_likeliest_are_found() -> None:
    likeliest = sorted(sequences().items(), key=lambda item: -item[1])
    # the beam keeps seven, so nothing is lost to it
    assert texts(search(7, 0, temperature=0.0)) == [text for text, _ in likeliest]
    assert texts(search(7, 1, temperature=0.0)) == texts(search(7, 0, temperature=0.0))


def test_tokens_outside_the_nucleus_are_never_written() -> None:
    # after nothing: a and the end; after a: the end and b
    found = {text for seed in range(50) for text in texts(search(7, seed, top_p=0.75))}
    assert found == {"", "a", "ab"}


def test_two_tokens_that_end_are_one() -> None:
    found = search(5, 0, ends=(A, END), most=2)
    assert len(texts(found)) == len(set(texts(found)))
    empty = next(sample for sample in found.results.values() if sample.text == "")
    assert sum(empty.logprobs) == pytest.approx(torch.tensor(0.8).log().item(), abs=1e-6)


def test_conditioned_noise_has_the_maximum_it_is_given_and_keeps_the_order() -> None:
    perturbed = torch.tensor([[0.3, -1.0, 2.0, -torch.inf], [5.0, 4.9, -30.0, 1.0]], dtype=torch.float64)
    top = torch.tensor([[-7.0], [1.5]], dtype=torch.float64)
    found = conditioned(perturbed, top)
    assert torch.equal(found.max(dim=-1, keepdim=True).values, top)
    assert torch.equal(found.argsort(dim=-1), perturbed.argsort(dim=-1))
    assert found[0, 3] == -torch.inf
    assert not found.isnan().any()
