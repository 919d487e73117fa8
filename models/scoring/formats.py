"""How an item becomes tokens, and where its scores are read: one format a family of models.

Tags are put in by id, texts are tokenised apart from them, and what follows the last read is left out: these models
are causal, so it changes no score. Training and inference share a format, so both read at the same positions.
Sources: the models' cards, search-and-learn's and OpenR's released readers. It imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reflectree.models.scoring.card import Card
from reflectree.models.scoring.items import Encoded, Item, ItemRefused
from reflectree.models.scoring.pieces import (
    Pieces,
    alone,
    begin,
    frame,
    middle_ids,
    no_tag,
    question_of,
    single_id,
    steps_of,
)
from reflectree.models.scoring.template import STEP_END, StepTemplate, plain_ids, special_id
from reflectree.rlm_ops.errors import BadInput

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


class Format(Protocol):
    """How items become tokens."""

    def encode(self, tokenizer: Any, item: Item, card: Card) -> Encoded:
        """The item as token ids.

        Raises:
            ItemRefused: It has no place in this format: an empty step, a text that contains the step tag, ...
            BadInput: The tokenizer is not one of this format's.
        """
        ...

    def labels(self, tokenizer: Any, card: Card) -> tuple[int, int]:
        """The ids of the tokens that a language model of this format says of a bad and of a good step.

        Raises:
            BadInput: The format has none, or the tokenizer lacks them.
        """
        ...


@dataclass(frozen=True)
class _Labelled:
    """What a language model says of a step: spellings of the two tokens, the likeliest first."""

    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    first: bool = False

    def labels(self, tokenizer: Any, card: Card) -> tuple[int, int]:
        bad, good = ((card.labels[0],), (card.labels[1],)) if card.labels else (self.bad, self.good)
        if not bad:
            raise BadInput("this format has no label tokens: name them in the model's card, or choose another format")
        found = tuple(single_id(tokenizer, forms, "which labels a step", self.first) for forms in (bad, good))
        if found[0] == found[1]:
            raise BadInput(f"the labels {bad[0]!r} and {good[0]!r} begin with the same token: name others in the card")
        return found[0], found[1]


class Plain(_Labelled):
    """Ours: `StepTemplate`, read at each step's end; without steps, at the question's last token."""

    def encode(self, tokenizer: Any, item: Item, card: Card) -> Encoded:
        """Question, blank line, steps with their ends."""
        alone(item)
        template = StepTemplate(card.step_tag or STEP_END)
        tag = special_id(tokenizer, template.step_end)
        made = Pieces(item, no_tag(template.prompt(tokenizer, question_of(item)), tag, 0, template.step_end)).cut()
        for number, text in enumerate(steps_of(item, least=0), 1):
            ids = template.step(tokenizer, text)
            no_tag(ids[:-1], tag, number, template.step_end)
            made.add(ids).read().cut()
        return made.encoded() if item.steps else made.read().encoded()


class QwenPRM(_Labelled):
    """Qwen2.5-Math-PRM: a chat, `<extra_0>` after each step."""

    tag = "<extra_0>"

    def encode(self, tokenizer: Any, item: Item, card: Card) -> Encoded:
        """System prompt, question, and the assistant's steps with their tags."""
        alone(item)
        shown = card.step_tag or self.tag
        tag = special_id(tokenizer, shown)
        before, between, _ = frame(tokenizer, [("system", BOXED), ("user", None), ("assistant", None)])
        question = no_tag(middle_ids(tokenizer, question_of(item)), tag, 0, shown)
        made = Pieces(item, before).add(question).add(between).cut()
        for number, text in enumerate(steps_of(item), 1):
            made.add([*no_tag(middle_ids(tokenizer, text), tag, number, shown), tag]).read().cut()
        return made.encoded()


@dataclass(frozen=True)
class Tagged(_Labelled):
    """Running text with a tag after each step: Math-Shepherd, OpenR's Qwen.

    Attributes:
        tags: Spellings of the tag, the likeliest first.
        numbered: Steps begin with `Step 1: `, and stand on lines of their own.
    """

    tags: tuple[str, ...] = ()
    numbered: bool = False

    def encode(self, tokenizer: Any, item: Item, card: Card) -> Encoded:
        """Question, then the steps with their tags."""
        alone(item)
        tags = (card.step_tag,) if card.step_tag else self.tags
        tag, shown = single_id(tokenizer, tags, "which ends a step"), tags[0].strip(" ")
        ids = no_tag(plain_ids(tokenizer, question_of(item)), tag, 0, shown)
        made = Pieces(item, begin(tokenizer)).add(ids).cut()
        for number, text in enumerate(steps_of(item), 1):
            if self.numbered:
                text = text if re.match(r"step\s+\d+", text, re.IGNORECASE) else f"Step {number}: {text}"
            before = "\n" if self.numbered and number > 1 else " "
            made.add([*no_tag(middle_ids(tokenizer, before + text), tag, number, shown), tag]).read().cut()
        return made.encoded()


class RLHFlow(_Labelled):
    """RLHFlow: a user's turn for each step, answered by `+`; read at the token before the answer, which predicts it."""

    def encode(self, tokenizer: Any, item: Item, card: Card) -> Encoded:
        """The question stands in the turn of the first step."""
        alone(item)
        good = self.labels(tokenizer, card)[1]
        texts = steps_of(item)
        around = frame(tokenizer, [("user", None), ("assistant", None)] * len(texts))
        made = Pieces(item, around[0]).add(middle_ids(tokenizer, question_of(item))).cut()
        for number, text in enumerate(texts):
            if number:
                made.add([good, *around[2 * number]])
            ids = middle_ids(tokenizer, text if number else f" {text}")
            made.add(ids).add(around[2 * number + 1]).read().cut()
        return made.encoded()


class Skywork(_Labelled):
    """Skywork-o1-Open-PRM: a line a step, read at its newline. Newlines within a step become spaces."""

    def encode(self, tokenizer: Any, item: Item, card: Card) -> Encoded:
        """Question, then the steps, each on a line."""
        alone(item)
        tag = plain_ids(tokenizer, card.step_tag or "\n")[-1]
        made = Pieces(item, begin(tokenizer)).add(plain_ids(tokenizer, question_of(item) + "\n")).cut()
        for number, text in enumerate(steps_of(item), 1):
            ids = plain_ids(tokenizer, re.sub(r"\s*\n\s*", " ", text))
            made.add([*no_tag(ids, tag, number, card.step_tag or "\n"), tag]).read().cut()
        return made.encoded()


class Pair(_Labelled):
    """A or B: a language model is asked whether the first solution is better. Both orders, one after the other.

    `cuts` says where the first order ends; scores are read at the last token of each.
    """

    def encode(self, tokenizer: Any, item: Item, card: Card) -> Encoded:
        """Both prompts."""
        if item.against is None:
            raise ItemRefused("no_opponent", "this model compares two solutions: send the other one as 'against'")
        ours, theirs = ("\n".join(steps_of(item, steps=steps)) for steps in (item.steps, item.against))
        made = Pieces(item)
        for first, second in ((ours, theirs), (theirs, ours)):
            made.add(self._prompt(tokenizer, question_of(item), first, second)).read().cut()
        return made.encoded()

    def _prompt(self, tokenizer: Any, question: str, first: str, second: str) -> list[int]:
        asked = (
            f"Question:\n{question}\n\nSolution A:\n{first}\n\nSolution B:\n{second}\n\n"
            "Is solution A better than solution B? Reply with one word, Yes or No."
        )
        if not tokenizer.chat_template:
            return [*begin(tokenizer), *plain_ids(tokenizer, f"{asked}\nReply:")]
        before, after = frame(tokenizer, [("user", None)], reply=True)
        return [*before, *middle_ids(tokenizer, asked), *after]


class Whole(_Labelled):
    """A classifier of whole texts: a chat where the tokenizer has a template, else two texts. Read at the last token.

    An item with an opponent becomes two texts, one after the other; `cuts` then says where the first ends.
    """

    def encode(self, tokenizer: Any, item: Item, card: Card) -> Encoded:
        """One text, or two."""
        question = question_of(item)
        ids, start = self._text(tokenizer, question, steps_of(item, least=0))
        made = Pieces(item, ids).read()
        if item.against is None:
            made.cuts = [start] if start < len(ids) else []
        else:
            other, _ = self._text(tokenizer, question, steps_of(item, least=0, steps=item.against))
            made.cut().add(other).read()
        return made.cut().encoded()

    def _text(self, tokenizer: Any, question: str, steps: Sequence[str]) -> tuple[list[int], int]:
        """The ids, and where the answer begins."""
        answer = "\n".join(steps)
        if tokenizer.chat_template:
            before, between, after = frame(tokenizer, [("user", None), ("assistant", None)])
            head = [*before, *middle_ids(tokenizer, question), *between]
            return head + (middle_ids(tokenizer, answer) if answer else []) + after, len(head)
        both = tokenizer(question, answer, split_special_tokens=True)
        ids, sides = list(both["input_ids"]), both.sequence_ids(0)
        if None in sides:  # the tokenizer has a frame of its own for two texts
            return ids, sides.index(1) if 1 in sides else len(ids)
        head = [*begin(tokenizer), *plain_ids(tokenizer, question + "\n\n")]
        return head + (plain_ids(tokenizer, answer) if answer else []), len(head)


FORMATS: dict[str, Format] = {
    "plain": Plain(),
    "qwen-prm": QwenPRM(),
    "math-shepherd": Tagged(("-", " -"), ("+", " +"), tags=("ки", " ки"), numbered=True),
    "rlhflow": RLHFlow(("-",), ("+",)),
    "skywork": Skywork(),
    "openr-qwen": Tagged((" -", "-"), (" +", "+"), tags=(" \n\n\n\n\n", "\n\n\n\n\n")),
    "pair": Pair(("No",), ("Yes",), first=True),
    "whole": Whole(),
}
"""All formats by name."""


def format_of(name: str) -> Format:
    """A format by name.

    Raises:
        BadInput: There is none of that name.
    """
    if name not in FORMATS:
        raise BadInput(f"there is no step format {name!r}: it is one of {', '.join(FORMATS)}")
    return FORMATS[name]
