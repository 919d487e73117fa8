"""How a policy that we train reads a path and writes steps: the text of a question, a token that ends a step.

Training and use share this module, so that what a model learns to continue is what it is asked to continue. Each part
is tokenised alone and the special tokens are put in by id: a text that contains the name of a special token is plain
characters, and the tokens of a prefix do not depend on what follows. It knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reflectree.rlm_ops.errors import BadInput

STEP_END = "<|step|>"
"""The token that ends a step (the blueprint's end of intermediate step, arXiv 2501.11223, appendix C)."""


@dataclass(frozen=True, slots=True)
class StepTemplate:
    """Question, blank line, steps, each ended by a token of its own; the end-of-text token ends the solution.

    Attributes:
        step_end: The token that ends a step; it is added to the tokenizer as a special token.
    """

    step_end: str = STEP_END

    def prompt(self, tokenizer: Any, question: str, steps: Sequence[str] = ()) -> list[int]:
        """The ids after which the policy writes the next step."""
        ids = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        ids += plain_ids(tokenizer, question.strip() + "\n\n")
        for step in steps:
            ids += self.step(tokenizer, step)
        return ids

    def step(self, tokenizer: Any, text: str) -> list[int]:
        """One step with the token that ends it."""
        return [*plain_ids(tokenizer, text.strip()), special_id(tokenizer, self.step_end)]

    def solution(
        self, tokenizer: Any, question: str, steps: Sequence[str], prefix: int = 0
    ) -> tuple[list[int], list[int]]:
        """A whole solution as ids, and for each whether it is learnt (1) or given (0).

        Args:
            tokenizer: A fast tokenizer.
            question: The question.
            steps: All steps.
            prefix: How many of the steps are given: they are read and not learnt.
        """
        given = self.prompt(tokenizer, question, steps[:prefix])
        learnt = [i for text in steps[prefix:] for i in self.step(tokenizer, text)] + [special_id(tokenizer, "")]
        return given + learnt, [0] * len(given) + [1] * len(learnt)


def add_step_token(tokenizer: Any, step_end: str = STEP_END) -> bool:
    """Add the token that ends a step; whether the model's embeddings must grow."""
    return bool(tokenizer.add_special_tokens({"additional_special_tokens": [step_end]}))


def special_id(tokenizer: Any, token: str) -> int:
    """The id of a special token; "" is the end of the text.

    Raises:
        BadInput: The tokenizer has none of that name.
    """
    found = tokenizer.eos_token_id if token == "" else tokenizer.convert_tokens_to_ids(token)
    if found is None or (token and found == tokenizer.unk_token_id):
        what = "end-of-text token" if token == "" else f"token {token!r}"
        raise BadInput(f"the tokenizer has no {what}: use a model that was trained with it, or train one")
    return int(found)


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text in which nothing is a special token."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
