"""The tree of known prefixes is bounded, gives its memory back, and survives what goes wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tests.support.tiny_models import seeded, tiny_causal_lm, tiny_config
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, LlamaModel, MambaConfig, MambaModel

from reflectree.models.neural.forward import Row, Trunk, buckets
from reflectree.models.neural.prefix import Runner, Span
from reflectree.models.scoring.items import Encoded, Item


def encoded(*parts: Sequence[int]) -> Encoded:
    ids = tuple(token for part in parts for token in part)
    cuts = tuple(sum(map(len, parts[: n + 1])) for n in range(len(parts)))
    return Encoded(ids, tuple(cut - 1 for cut in cuts[1:]), cuts, Item("q"))


def first_number(spans: Sequence[Span]) -> list[list[float]]:
    return [span.hidden[list(span.reads), 0].tolist() for span in spans]


@pytest.fixture(scope="module")
def trunk() -> Trunk:
    return Trunk(seeded(LlamaModel, tiny_config()))


def run(runner: Runner, *batch: Encoded) -> list[tuple[list[float], int]]:
    with torch.inference_mode():
        return [
            ([made.numbers[read] for read in item.reads], made.computed)
            for item, made in zip(batch, runner.run(batch), strict=True)
        ]


def test_the_bound_holds_and_no_number_changes(trunk: Trunk) -> None:
    draw = random.Random(0)
    bounded, bare = Runner(trunk, first_number, 40), Runner(trunk, first_number, 0)
    pieces = [tuple(draw.choices(range(10, 200), k=draw.randint(2, 9))) for _ in range(6)]
    for _ in range(40):
        batch = [encoded(*(draw.choice(pieces) for _ in range(draw.randint(1, 4)))) for _ in range(draw.randint(1, 5))]
        for (ours, computed), (wanted, all_of_it), item in zip(
            run(bounded, *batch), run(bare, *batch), batch, strict=True
        ):
            assert ours == pytest.approx(wanted, abs=1e-5)
            assert computed <= all_of_it == item.tokens
        assert bounded.tokens <= 40
        assert bounded.tokens == kept(bounded)


def kept(runner: Runner) -> int:
    """Tokens in the tree, counted anew; each with its keys and values, none without its beginning."""
    total, left = 0, list(runner._root.children.values())
    while left:
        node = left.pop()
        assert node.kept is not None
        assert node.kept[0].shape[-2] == len(node.key[0])
        assert node.kept[0].untyped_storage().nbytes() == node.kept[0].numel() * 4, "it holds more than its own"
        total += len(node.key[0])
        left += node.children.values()
    return total


def test_what_was_used_least_recently_goes_first(trunk: Trunk) -> None:
    runner = Runner(trunk, first_number, 8)
    one, two, three = encoded((11, 12), (13, 14)), encoded((21, 22), (23, 24)), encoded((31, 32), (33, 34))
    run(runner, one)
    run(runner, two)
    run(runner, one)
    run(runner, three)
    assert [computed for _, computed in run(runner, one)] == [0]
    assert [computed for _, computed in run(runner, two)] == [4]


def test_an_end_goes_before_its_beginning(trunk: Trunk) -> None:
    runner = Runner(trunk, first_number, 4)
    run(runner, encoded((11, 12), (13, 14), (15, 16)))
    assert runner.tokens == 4
    assert [computed for _, computed in run(runner, encoded((11, 12), (13, 14)))] == [0]


def test_a_batch_larger_than_the_bound_is_computed_all_the_same(trunk: Trunk) -> None:
    runner = Runner(trunk, first_number, 4)
    batch = [encoded((n, n + 1), (n + 2, n + 3, n + 4)) for n in range(20, 60, 5)]
    wanted = run(Runner(trunk, first_number, 0), *batch)
    for (ours, _), (theirs, _) in zip(run(runner, *batch), wanted, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    assert runner.tokens <= 4


def test_an_error_leaves_nothing_half_done(trunk: Trunk) -> None:
    fail = True

    def read(spans: Sequence[Span]) -> list[list[float]]:
        if fail and any(77 in span.ids for span in spans):
            raise torch.OutOfMemoryError("no memory")
        return first_number(spans)

    runner = Runner(trunk, read, 100)
    siblings = [encoded((11, 12), (13,)), encoded((11, 12), (77,))]
    with pytest.raises(torch.OutOfMemoryError):
        run(runner, *siblings)
    assert runner.tokens == kept(runner) == 2  # what siblings share was done
    fail = False
    assert [computed for _, computed in run(runner, *siblings)] == [1, 1]


def test_equal_tokens_that_are_read_elsewhere_are_told_apart(trunk: Trunk) -> None:
    runner, bare = Runner(trunk, first_number, 100), Runner(trunk, first_number, 0)
    early = Encoded((11, 12, 13, 14), (2,), (2, 4), Item("q"))
    late = Encoded((11, 12, 13, 14), (3,), (2, 4), Item("q"))
    for item in (early, late, early):
        assert run(runner, item)[0][0] == pytest.approx(run(bare, item)[0][0], abs=1e-5)


def test_clear_gives_the_memory_back(trunk: Trunk) -> None:
    runner = Runner(trunk, first_number, 100)
    run(runner, encoded((11, 12), (13,)))
    runner.clear()
    assert runner.tokens == kept(runner) == 0
    assert [computed for _, computed in run(runner, encoded((11, 12), (13,)))] == [3]


def test_padding_and_its_side_change_nothing(trunk: Trunk) -> None:
    with torch.inference_mode():
        pasts = [trunk.after([Row(ids)])[0].own for ids in ((11, 12, 13, 14), (15,))]
        assert all(past is not None for past in pasts)
        rows = [
            Row((21, 22, 23), (pasts[0],) if pasts[0] else ()),
            Row((24,), (pasts[1],) if pasts[1] else ()),
            Row((25, 26)),
        ]
        together = [trunk._after(rows)[place].hidden for place in range(3)]  # padded on the left and on the right
        alone = [trunk.after([row])[0].hidden for row in rows]
        whole = trunk.whole([(11, 12, 13, 14, 21, 22, 23), (15, 24), (25, 26)])
    for one, other, all_at_once, row in zip(together, alone, whole, rows, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
        assert torch.allclose(one, all_at_once[-len(row.ids) :], atol=1e-5)


def test_buckets_hold_rows_of_a_like_length_and_siblings_together() -> None:
    past = (torch.zeros(1, 1, 5, 1), torch.zeros(1, 1, 5, 1))
    rows = [Row((1,) * length) for length in (40, 3, 21, 19, 4)] + [
        Row((1,) * length, (past,)) for length in (8, 7, 6, 5)
    ]
    found = list(buckets(rows))
    assert sorted(place for bucket in found for place in bucket) == list(range(9))
    assert [[len(rows[place].ids) for place in bucket] for bucket in found] == [[40, 21], [19], [4, 3], [8, 7, 6, 5]]


def test_what_a_trunk_can_do_is_measured(tmp_path: Path) -> None:
    bert = BertConfig(vocab_size=99, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    gpt2 = GPT2Config(vocab_size=99, n_embd=16, n_layer=2, n_head=2)
    mamba = MambaConfig(vocab_size=99, hidden_size=16, num_hidden_layers=2, state_size=4)
    assert [(Trunk(model).causal, Trunk(model).shares) for model in (
        seeded(BertModel, bert),
        seeded(GPT2Model, gpt2),
        seeded(MambaModel, mamba),
        tiny_causal_lm(tmp_path, "mistral", sliding_window=4).model,
    )] == [(False, False), (True, True), (True, False), (True, True)]  # fmt: skip


def test_a_recurrent_model_is_computed_anew() -> None:
    mamba = MambaConfig(vocab_size=99, hidden_size=16, num_hidden_layers=2, state_size=4, initializer_range=0.3)
    runner = Runner(Trunk(seeded(MambaModel, mamba)), first_number, 1000)
    item = encoded((11, 12), (13,))
    assert [computed for _, computed in run(runner, item, item)] == [3, 3]
    assert runner.tokens == 0
