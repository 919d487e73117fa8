import math
from collections import Counter

import pytest
import torch
from torch import nn

from reflectree.models.neural.countdown.draws import Bill
from reflectree.models.neural.countdown.forward import Network
from reflectree.models.neural.countdown.net import END_ID, ids, new_policy, tokenizer
from reflectree.models.neural.countdown.sampling import draw, log_probs, scores
from reflectree.models.neural.heads import ValueHead

STATE = "24|3 5 8 12>"
STEPS = ["+8 3", "*12 5", "-5 3"]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = new_policy(hidden=32, layers=2, heads=2).eval()
    for parameter in made.parameters():
        parameter.data.mul_(4.0)  # far from uniform
    return made


@pytest.fixture(scope="module")
def network(model: nn.Module) -> Network:
    return Network(model)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_log_probabilities_are_those_of_transformers(model: nn.Module, network: Network) -> None:
    text = ids(STATE) + ids(STEPS[1]) + [END_ID]
    with torch.inference_mode():
        read = model(torch.tensor([text])).logits.log_softmax(-1)[0]
    before = len(ids(STATE))
    expected = sum(read[place - 1, text[place]].item() for place in range(before, len(text)))
    found = log_probs(network, [STATE, "3|2 2>"], [STEPS, STEPS[:1]])
    assert found[0][1] == pytest.approx(expected, abs=1e-4)
    assert len(found[1]) == 1


def test_a_state_reads_the_same_alone_and_in_a_batch(network: Network) -> None:
    head = ValueHead(32)
    alone = scores(network, head, [STATE])
    together = scores(network, head, ["3|2 2>", STATE, "48|1 2 3 4 5>"])
    assert together[1] == pytest.approx(alone[0], abs=1e-5)


def test_drawn_log_probabilities_are_those_of_the_text(network: Network) -> None:
    for distinct in (False, True):
        for step in draw(network, [STATE], [6], distinct=distinct, generator=generator())[0]:
            if step.finished:
                assert step.log_prob == pytest.approx(log_probs(network, [STATE], [[step.text]])[0][0], abs=1e-3)
                assert sum(step.characters) == pytest.approx(step.log_prob, abs=1e-3)


def test_without_replacement_steps_differ_and_the_first_is_a_plain_draw(network: Network) -> None:
    count = 1500
    plain = draw(network, [STATE] * count, [1] * count, distinct=False, generator=generator(2))
    rows = draw(network, [STATE] * count, [3] * count, distinct=True, generator=generator(3))
    assert all(len({step.text for step in row}) == len(row) == 3 for row in rows)
    often = Counter(row[0].text for row in plain).most_common(3)
    first = Counter(row[0].text for row in rows)
    chances = {row[0].text: math.exp(row[0].log_prob) for row in plain}
    for text, _ in often:
        assert first[text] / count == pytest.approx(chances[text], abs=4 * math.sqrt(chances[text] / count))


def test_known_steps_are_left_out_and_the_rest_keeps_its_proportions(network: Network) -> None:
    count = 1500
    plain = draw(network, [STATE] * count, [1] * count, distinct=False, generator=generator(2))
    chances = {row[0].text: row[0].log_prob for row in plain}
    often = [text for text, _ in Counter(row[0].text for row in plain).most_common(4)]
    known = {text: chances[text] for text in often[:2]}
    rows = draw(network, [STATE] * count, [1] * count, distinct=True, generator=generator(4), known=[known] * count)
    first = Counter(row[0].text for row in rows)
    left = 1 - sum(math.exp(log_prob) for log_prob in known.values())
    assert not known.keys() & first.keys()
    for text in often[2:]:
        chance = math.exp(chances[text]) / left
        assert first[text] / count == pytest.approx(chance, abs=4 * math.sqrt(chance / count))


def test_a_generator_a_state_makes_a_state_independent_of_its_batch(network: Network) -> None:
    for distinct in (False, True):
        alone = draw(network, [STATE], [4], distinct=distinct, generator=[generator(7)])
        batch = draw(network, ["3|2 2>", STATE], [4, 4], distinct=distinct, generator=[generator(8), generator(7)])
        assert [step.text for step in batch[1]] == [step.text for step in alone[0]]


def test_greedy_draws_are_all_the_same_and_the_bill_counts_them(network: Network) -> None:
    bill = Bill()
    rows = draw(network, [STATE, "3|2 2>"], [2, 0], distinct=False, generator=generator(), temperature=0.0, bill=bill)
    assert rows[1] == []
    assert rows[0][0].text == rows[0][1].text
    assert bill.written == 2 * rows[0][0].tokens
    assert bill.read == len(STATE)
    assert bill.computed <= bill.written


def test_tokenizer_of_transformers_spells_the_same() -> None:
    made = tokenizer()
    assert made(STATE + "+8 3\n")["input_ids"] == [*ids(STATE + "+8 3"), END_ID]
    assert made.decode(ids(STATE)) == STATE
