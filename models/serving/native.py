"""Our own protocol, `POST /v1/value`: many questions with their steps as lists, one value each. No text is split."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reflectree.models.scoring.items import Item, Scored
from reflectree.models.serving.conversation import Turn, question_of
from reflectree.models.serving.service import Body, Endpoint, Service, usage
from reflectree.rlm_ops.formulas import aggregate_steps


class ValueItem(BaseModel):
    """A question, as a text or as a conversation, and the steps of a solution to it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    question: str | None = None
    messages: Annotated[list[Turn], Field(min_length=1)] | None = None
    steps: list[str] = []
    against: list[str] | None = Field(default=None, description="Another solution: how likely is `steps` the better?")

    @model_validator(mode="after")
    def _one_question(self) -> ValueItem:
        if (self.question is None) == (self.messages is None):
            raise ValueError("give either question or messages")
        return self

    def item(self) -> Item:
        """What the scorer reads."""
        question = self.question if self.question is not None else question_of(self.messages or [])
        return Item(question, tuple(self.steps), None if self.against is None else tuple(self.against))


class ValueBody(Body):
    """A batch of items."""

    items: Annotated[list[ValueItem], Field(min_length=1)]
    reduce: Literal["model", "last", "min", "prod", "mean"] = Field(
        default="model", description="How the steps' scores become the value; `model` is as the model's card says."
    )
    returns: Literal["steps", "value"] = Field(
        default="steps", alias="return", description="Whether each step's score is told, or the value only."
    )


async def value(body: ValueBody, service: Service) -> dict[str, Any]:
    """Score a batch."""
    results = await service.score([item.item() for item in body.items])
    data = [
        {
            "index": index,
            "value": reduced(result, body.reduce),
            **({"steps": list(result.steps)} if body.returns == "steps" else {}),
            "n_tokens": result.tokens,
            "cached_tokens": result.cached,
        }
        for index, result in enumerate(results)
    ]
    return {"object": "list", "model": service.name, "data": data, "usage": usage(results)}


def reduced(result: Scored, how: Literal["model", "last", "min", "prod", "mean"]) -> float:
    """The value of the whole."""
    return result.value if how == "model" or not result.steps else aggregate_steps(result.steps, how)


ENDPOINTS = (Endpoint(("/v1/value",), ValueBody, value, "Values of many questions with their steps, given as lists."),)
