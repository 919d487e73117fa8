"""From a conversation to a question and its steps: the turns of the chat dialect, read without any template.

How a model wants its turns written is the business of its format; here only the texts are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reflectree.models.scoring.items import Item
from reflectree.models.serving.errors import ApiError

STEP_BY_STEP = "Please reason step by step, and put your final answer within \\boxed{}."
"""The instruction that clients of Qwen's reward models send; the model's format writes it itself."""


class Text(BaseModel):
    """A part of a turn that has several."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["text", "input_text"]
    text: str


class Turn(BaseModel):
    """One turn."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Text]
    name: str | None = Field(default=None, description="Accepted and not read.")

    @property
    def text(self) -> str:
        """What it says."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


def question_of(turns: Sequence[Turn]) -> str:
    """The turns before the solution as one text: as it is where there is one, else each turn with its role.

    Qwen's instruction to reason step by step is left out, for the format adds it.
    """
    told = [turn for turn in turns if not (turn.role == "system" and turn.text.strip() == STEP_BY_STEP)]
    if len(told) == 1 or all(turn.role in ("system", "developer") for turn in told[:-1]):
        return "\n\n".join(turn.text for turn in told)
    return "\n\n".join(f"{turn.role}: {turn.text}" for turn in told)


def item_of_turns(turns: Sequence[Turn], tag: str, *, tagged: bool) -> Item:
    """A conversation whose last assistant turn holds the solution.

    Args:
        turns: The conversation.
        tag: What ends a step.
        tagged: Steps are scored one by one: the tag has to be there. Else a turn without one is one step.

    Raises:
        ApiError: There is nothing to score, no tag, or text after the last one.
    """
    if not turns:
        raise ApiError(422, "empty_conversation", "messages: there is no turn to score", param="messages")
    if turns[-1].role != "assistant":
        return Item(question_of(turns))
    solution = turns[-1].text
    if tag not in solution and not tagged:
        return Item(question_of(turns[:-1]), (solution,))
    return Item(question_of(turns[:-1]), steps_of(solution, tag))


def steps_of(solution: str, tag: str) -> tuple[str, ...]:
    """The steps of a text in which each is ended by a tag.

    Raises:
        ApiError: There is no tag, or text after the last one, which would get no score.
    """
    *steps, rest = solution.split(tag)
    if not steps:
        said = f"the assistant's turn has no step tag: end each step with {tag!r}, or send steps to /v1/value"
        raise ApiError(422, "no_step_tag", said, param="messages")
    if rest.strip():
        said = f"there is text after the last step tag: end the last step with {tag!r} too"
        raise ApiError(422, "text_after_last_tag", said, param="messages")
    return tuple(steps)
