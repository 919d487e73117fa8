"""Pieces of a prompt: what follows another text is tokenised as it would be there."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, normalizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from reflectree.models.scoring.pieces import middle_ids, single_id
from reflectree.models.scoring.template import plain_ids
from reflectree.rlm_ops.errors import BadInput


@pytest.fixture(scope="module")
def sentencepiece() -> Any:
    """A tokenizer that puts a space before the first word, as those of Llama 2 and Mistral do."""
    vocabulary = {token: n for n, token in enumerate(["<unk>", "▁", "a", "b", "+", "▁a", "▁+", "\n"])}
    backend = Tokenizer(BPE(vocab=vocabulary, merges=[("▁", "a"), ("▁", "+")], unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")


def tokens(tokenizer: Any, ids: list[int]) -> list[str]:
    return list(tokenizer.convert_ids_to_tokens(ids))


def test_no_space_is_put_before_what_follows(sentencepiece: Any) -> None:
    assert tokens(sentencepiece, plain_ids(sentencepiece, "ab")) == ["▁a", "b"]
    assert tokens(sentencepiece, middle_ids(sentencepiece, "ab")) == ["a", "b"]
    assert tokens(sentencepiece, middle_ids(sentencepiece, " ab")) == ["▁a", "b"]
    assert tokens(sentencepiece, middle_ids(sentencepiece, "\nab")) == ["\n", "a", "b"]


def test_a_token_is_found_by_the_spelling_that_is_one(sentencepiece: Any) -> None:
    assert tokens(sentencepiece, [single_id(sentencepiece, ("+",), "a label")]) == ["▁+"]
    assert tokens(sentencepiece, [single_id(sentencepiece, ("ab", "a"), "a label")]) == ["▁a"]
    assert tokens(sentencepiece, [single_id(sentencepiece, ("ab",), "a label", first=True)]) == ["▁a"]
    with pytest.raises(BadInput, match="the tokenizer has no token 'ab', a label"):
        single_id(sentencepiece, ("ab",), "a label")
