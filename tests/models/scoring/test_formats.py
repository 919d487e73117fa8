"""Formats put tags in by id, refuse what has no place in them, and read one score a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.tiny_models import tiny_tokenizer

from reflectree.models.scoring.card import Card
from reflectree.models.scoring.formats import FORMATS, format_of
from reflectree.models.scoring.items import Encoded, Item, ItemRefused
from reflectree.models.scoring.template import STEP_END, StepTemplate
from reflectree.rlm_ops.errors import BadInput

STEPPED = ("plain", "qwen-prm", "math-shepherd", "rlhflow", "skywork", "openr-qwen")
TEXTS = {
    "plain": "<bos>Q?\n\none<|step|>two<|step|>",
    "qwen-prm": (
        "<|im_start|>system\nPlease reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n"
        "<|im_start|>user\nQ?<|im_end|>\n<|im_start|>assistant\none<extra_0>two<extra_0>"
    ),
    "math-shepherd": "<bos>Q? Step 1: oneки\nStep 2: twoки",
    "rlhflow": (
        "<|im_start|>user\nQ? one<|im_end|>\n<|im_start|>assistant\n+<|im_end|>\n"
        "<|im_start|>user\ntwo<|im_end|>\n<|im_start|>assistant\n"
    ),
    "skywork": "<bos>Q?\none\ntwo\n",
    "openr-qwen": "<bos>Q? one\n\n\n\n\n two\n\n\n\n\n",
}
ENDS = {"rlhflow": "assistant\n", "math-shepherd": "ки", "qwen-prm": "<extra_0>", "plain": STEP_END}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def encode(tokenizer: Any, name: str, item: Item, **card: Any) -> Encoded:
    return FORMATS[name].encode(tokenizer, item, Card(kind="token-classifier", format=name, **card))


def refusal(tokenizer: Any, name: str, item: Item) -> str:
    with pytest.raises(ItemRefused) as refused:
        encode(tokenizer, name, item)
    assert str(refused.value).count("\n") == 0
    return refused.value.code


@pytest.mark.parametrize("name", STEPPED)
def test_the_text_of_an_item(name: str, tokenizer: Any) -> None:
    encoded = encode(tokenizer, name, Item(" Q? ", ("one\n", " two")))
    assert tokenizer.decode(encoded.ids) == TEXTS[name]
    assert len(encoded.reads) == 2
    for read in encoded.reads:
        assert tokenizer.decode(encoded.ids[: read + 1]).endswith(ENDS.get(name, "\n"))


@pytest.mark.parametrize("name", STEPPED)
def test_tokens_of_a_prefix_do_not_depend_on_what_follows(name: str, tokenizer: Any) -> None:
    whole = encode(tokenizer, name, Item("Q?", ("one", "\n two", " three ")))
    assert len(whole.cuts) == 4
    assert whole.cuts[-1] == whole.tokens
    for count in (1, 2):
        part = encode(tokenizer, name, Item("Q?", ("one", "\n two", " three ")[:count]))
        assert whole.ids[: part.tokens] == part.ids
        assert whole.cuts[: count + 1] == part.cuts
        assert whole.reads[:count] == part.reads


@pytest.mark.parametrize("name", STEPPED)
def test_an_empty_step_or_question_is_refused(name: str, tokenizer: Any) -> None:
    assert refusal(tokenizer, name, Item("Q?", ("one", " \n"))) == "empty_step"
    assert refusal(tokenizer, name, Item(" ", ("one",))) == "empty_question"
    assert refusal(tokenizer, name, Item("Q?", ("one",), ("two",))) == "pair_not_supported"
    if name != "plain":
        assert refusal(tokenizer, name, Item("Q?")) == "no_steps"


@pytest.mark.parametrize(
    ("name", "text"),
    [("math-shepherd", "яблоки"), ("openr-qwen", "a\n\n\n\n\nb")],
)
def test_a_text_whose_tokens_hold_the_tag_is_refused(name: str, text: str, tokenizer: Any) -> None:
    assert refusal(tokenizer, name, Item("Q?", ("one", text))) == "step_tag_in_text"
    assert refusal(tokenizer, name, Item(text, ("one",))) == "step_tag_in_text"


@pytest.mark.parametrize("name", ["plain", "qwen-prm"])
def test_the_name_of_a_tag_in_a_text_is_plain_characters(name: str, tokenizer: Any) -> None:
    text = f"a {STEP_END} b <extra_0> <eos> <|im_end|>"
    encoded = encode(tokenizer, name, Item(text, (text, "two")))
    plain = encode(tokenizer, name, Item("Q?", ("one", "two")))
    special = tokenizer.convert_tokens_to_ids([STEP_END, "<extra_0>", "<eos>", "<|im_end|>"])
    assert len(encoded.reads) == 2
    assert [encoded.ids.count(token) for token in special] == [plain.ids.count(token) for token in special]


def test_a_special_token_that_the_tokenizer_cannot_split_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path)
    tokenizer.add_tokens(["<tag>"])  # a token that is not called special is found in every text
    with pytest.raises(ItemRefused, match="step 1 contains the step tag '<tag>'"):
        encode(tokenizer, "qwen-prm", Item("Q?", ("a <tag>",)), step_tag="<tag>")


def test_skywork_reads_a_step_of_several_lines_as_one(tokenizer: Any) -> None:
    encoded = encode(tokenizer, "skywork", Item("Q?", ("a\n  b\n\nc", "d")))
    assert tokenizer.decode(encoded.ids) == "<bos>Q?\na b c\nd\n"
    assert len(encoded.reads) == 2


def test_math_shepherd_keeps_a_number_that_is_there(tokenizer: Any) -> None:
    encoded = encode(tokenizer, "math-shepherd", Item("Q?", ("Step 1: one", "two")))
    assert tokenizer.decode(encoded.ids) == "<bos>Q? Step 1: oneки\nStep 2: twoки"


def test_plain_is_what_our_policies_write(tokenizer: Any) -> None:
    encoded = encode(tokenizer, "plain", Item("Q?", ("one", "two")))
    assert list(encoded.ids) == StepTemplate().prompt(tokenizer, "Q?", ("one", "two"))
    root = encode(tokenizer, "plain", Item("Q?"))
    assert root.reads == (root.tokens - 1,)
    assert encoded.ids[: root.tokens] == root.ids


def test_a_pair_is_asked_for_in_both_orders(tokenizer: Any) -> None:
    encoded = encode(tokenizer, "pair", Item("Q?", ("one", "two"), ("three",)))
    first, second = encoded.ids[: encoded.cuts[0]], encoded.ids[encoded.cuts[0] :]
    assert "Solution A:\none\ntwo\n\nSolution B:\nthree\n" in tokenizer.decode(first)
    assert "Solution A:\nthree\n\nSolution B:\none\ntwo\n" in tokenizer.decode(second)
    assert encoded.reads == (len(first) - 1, encoded.tokens - 1)
    assert refusal(tokenizer, "pair", Item("Q?", ("one",))) == "no_opponent"
    assert refusal(tokenizer, "pair", Item("Q?", ("one",), ("",))) == "empty_step"


def test_whole_is_a_chat_or_two_texts(tokenizer: Any, tmp_path: Path) -> None:
    item = Item("Q?", ("one", "two"))
    chat = encode(tokenizer, "whole", item)
    assert tokenizer.decode(chat.ids) == ("<|im_start|>user\nQ?<|im_end|>\n<|im_start|>assistant\none\ntwo<|im_end|>\n")
    assert chat.reads == (chat.tokens - 1,)
    bare = tiny_tokenizer(tmp_path)
    bare.chat_template = None
    assert bare.decode(encode(bare, "whole", item).ids) == "<bos>Q?\n\none\ntwo"
    both = encode(tokenizer, "whole", Item("Q?", ("one",), ("two",)))
    assert len(both.reads) == 2
    assert both.reads[0] == both.cuts[0] - 1


def test_whole_uses_the_tokenizers_own_frame_for_two_texts(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer(tmp_path)
    tokenizer.chat_template = None
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", pair="<bos> $A <eos> $B:1 <eos>:1", special_tokens=[("<bos>", 2), ("<eos>", 3)]
    )
    encoded = encode(tokenizer, "whole", Item("Q?", ("one",)))
    assert tokenizer.decode(encoded.ids) == "<bos>Q?<eos>one<eos>"
    assert encoded.cuts == (4, encoded.tokens)


@pytest.mark.parametrize(
    ("name", "card", "error"),
    [
        ("plain", {"step_tag": "<|nope|>"}, "the tokenizer has no token '<|nope|>'"),
        ("qwen-prm", {"step_tag": "<extra_1>"}, "the tokenizer has no token '<extra_1>'"),
        ("math-shepherd", {"step_tag": "ab"}, "the tokenizer has no token 'ab', which ends a step"),
        ("rlhflow", {"labels": ("no", "yes")}, "the tokenizer has no token"),
    ],
)
def test_a_wrong_tag_or_label_is_one_clear_line(name: str, card: Any, error: str, tokenizer: Any) -> None:
    with pytest.raises(BadInput) as wrong:
        encode(tokenizer, name, Item("Q?", ("one",)), **card)
    assert str(wrong.value).startswith(error)
    assert "\n" not in str(wrong.value)


def test_labels_are_the_bad_one_and_the_good_one(tokenizer: Any) -> None:
    card = Card(kind="token-classifier")
    minus, plus = tokenizer.convert_tokens_to_ids(["-", "+"])
    for name in ("math-shepherd", "rlhflow", "openr-qwen"):
        assert FORMATS[name].labels(tokenizer, card) == (minus, plus)
    assert FORMATS["rlhflow"].labels(tokenizer, card.model_copy(update={"labels": ("n", "y")})) == tuple(
        tokenizer.convert_tokens_to_ids(["n", "y"])
    )
    with pytest.raises(BadInput, match="has no label tokens"):
        FORMATS["skywork"].labels(tokenizer, card)
    with pytest.raises(BadInput, match="begin with the same token"):
        FORMATS["pair"].labels(tokenizer, card.model_copy(update={"labels": ("Nay", "No")}))


def test_chat_formats_need_a_template_that_keeps_the_turns(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] != 'system' %}{{ m['content'] }}{% endif %}{% endfor %}"
    )
    assert tokenizer.decode(encode(tokenizer, "qwen-prm", Item("Q?", ("one",))).ids) == "Q?one<extra_0>"
    for template, error in (
        (None, "no chat template"),
        ("{{ raise_exception('no system role') }}", "the chat template refuses this format: no system role"),
        ("{{ messages[0]['content'] }}", "leaves out or reorders turns"),
    ):
        tokenizer.chat_template = template
        with pytest.raises(BadInput, match=error):
            encode(tokenizer, "qwen-prm", Item("Q?", ("one",)))


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match="there is no step format 'nope': it is one of plain, qwen-prm"):
        format_of("nope")
