"""Token ids of the pieces of a prompt: texts in which nothing is a special token, tags by id, a chat template's frame.

It knows no step format and no model; every function takes a fast tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reflectree.models.scoring.items import Encoded, Item, ItemRefused
from reflectree.models.scoring.template import plain_ids
from reflectree.rlm_ops.errors import BadInput

MARK = "\ue000{}\ue001"
"""Stands for a text while a chat template is rendered: two characters of the private use area and a number."""


class Pieces:
    """An item as it is put together: ids so far, where scores are read, where prefixes end."""

    def __init__(self, item: Item, ids: Sequence[int] = ()) -> None:
        self.item = item
        self.ids: list[int] = list(ids)
        self.reads: list[int] = []
        self.cuts: list[int] = []

    def add(self, ids: Sequence[int]) -> Pieces:
        """Append tokens."""
        self.ids += ids
        return self

    def read(self) -> Pieces:
        """A score is read at the last token so far."""
        self.reads.append(len(self.ids) - 1)
        return self

    def cut(self) -> Pieces:
        """What is there so far may be shared with siblings."""
        self.cuts.append(len(self.ids))
        return self

    def encoded(self) -> Encoded:
        """The item."""
        return Encoded(tuple(self.ids), tuple(self.reads), tuple(self.cuts), self.item)


def question_of(item: Item) -> str:
    """The question without the white space around it.

    Raises:
        ItemRefused: There is nothing else.
    """
    text = item.question.strip()
    if not text:
        raise ItemRefused("empty_question", "the question is empty: send its text")
    return text


def steps_of(item: Item, least: int = 1, steps: Sequence[str] | None = None) -> list[str]:
    """The steps without the white space around them.

    Raises:
        ItemRefused: One of them is empty, or there are fewer than `least`.
    """
    texts = [step.strip() for step in (item.steps if steps is None else steps)]
    if len(texts) < least:
        raise ItemRefused("no_steps", "this model scores steps, and the item has none: send at least one")
    for number, text in enumerate(texts, 1):
        if not text:
            raise ItemRefused(
                "empty_step", f"step {number + 1} of {len(texts)} is empty: leave it out, or send its text"
            )
    return texts


def alone(item: Item) -> None:
    """Refuse an item that compares two solutions."""
    if item.against is not None:
        raise ItemRefused(
            "pair_not_supported", "this model scores one solution: send no 'against', or use another model"
        )


def no_tag(ids: list[int], tag: int, number: int, shown: str) -> list[int]:
    """The ids of a text, which must not contain the tag.

    Raises:
        ItemRefused: It does: the model would see a step end where there is none.
    """
    if tag in ids:
        where = f"step {number}" if number else "the question"
        raise ItemRefused("step_tag_in_text", f"{where} contains the step tag {shown!r}: send the text without it")
    return ids


def middle_ids(tokenizer: Any, text: str, special: bool = False) -> list[int]:
    """Ids of a text that follows another: without the space that some tokenizers put before the first word.

    Args:
        tokenizer: A fast tokenizer.
        text: The text.
        special: Names of special tokens in it are special tokens: for a template's own text.
    """
    # A newline is never merged with what follows it, unless that begins with white space: then nothing is prefixed.
    before, whole = (_ids(tokenizer, given, special) for given in ("\n", "\n" + text))
    return whole[len(before) :] if whole[: len(before)] == before else _ids(tokenizer, text, special)


def single_id(tokenizer: Any, forms: Sequence[str], what: str, first: bool = False) -> int:
    """The id of a token that a model was trained with: of its spellings the first that is one token.

    Args:
        tokenizer: A fast tokenizer.
        forms: Spellings, the likeliest first.
        what: What it is, for the error.
        first: Where no spelling is one token, the first token of the likeliest will do.

    Raises:
        BadInput: The tokenizer has none of them.
    """
    unknown = tokenizer.unk_token_id
    spelled = [_ids(tokenizer, form, special=True) for form in forms]
    for ids in spelled:
        if len(ids) == 1 and ids[0] != unknown:
            return ids[0]
    if first and spelled[0] and spelled[0][0] != unknown:
        return spelled[0][0]
    raise BadInput(
        f"the tokenizer has no token {forms[0]!r}, {what}: the model was trained with another format; name it"
    )


def frame(tokenizer: Any, messages: Sequence[tuple[str, str | None]], reply: bool = False) -> list[list[int]]:
    """What a chat template puts around texts, as ids: one piece before each of them, and one after the last.

    Args:
        tokenizer: A fast tokenizer with a chat template.
        messages: Roles with contents; `None` stands for a text that is put in later.
        reply: Begin the assistant's turn at the end.

    Raises:
        BadInput: There is no template, or it cannot render such a conversation.
    """
    if not tokenizer.chat_template:
        raise BadInput("the tokenizer has no chat template: use a model that has one, or another format")
    marks = [MARK.format(n) for n in range(sum(content is None for _, content in messages))]
    left = iter(marks)
    turns = [{"role": role, "content": next(left) if content is None else content} for role, content in messages]
    try:
        rest = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=reply)
    except Exception as error:  # a template raises whatever its author chose
        raise BadInput(f"the chat template refuses this format: {error}; use another format") from error
    pieces: list[list[int]] = []
    for mark in marks:
        before, found, rest = rest.partition(mark)
        if not found:
            raise BadInput("the chat template leaves out or reorders turns: use another format")
        pieces.append(_piece(tokenizer, before, first=not pieces))
    return [*pieces, _piece(tokenizer, rest, first=False)]


def _piece(tokenizer: Any, text: str, first: bool) -> list[int]:
    if not text:
        return []
    return _ids(tokenizer, text, special=True) if first else middle_ids(tokenizer, text, special=True)


def _ids(tokenizer: Any, text: str, special: bool) -> list[int]:
    if special:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return plain_ids(tokenizer, text)


def begin(tokenizer: Any) -> list[int]:
    """The token that begins a text, where the tokenizer has one."""
    return [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
