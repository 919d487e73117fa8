"""What every protocol of the server shares: the scorer behind it, the form of a body, the description of an endpoint.

A protocol is a module with a list of endpoints: it turns bodies into items and scores into replies, no more.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from reflectree.models.scoring.items import Item, Scored, ScorerInfo
from reflectree.models.serving.engine import ItemFailed, ScoringEngine
from reflectree.models.serving.errors import ApiError
from reflectree.models.serving.limits import Limits, check_items

STEP_TAG = "<extra_0>"
"""What ends a step in the text of a conversation, unless the server was told another."""


class Body(BaseModel):
    """A request's body: nothing is guessed of types, and a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that can be asked for.

    Attributes:
        paths: Where; the first is the name in metrics.
        body: The form of the request.
        answer: Makes the reply.
        summary: What it does, in a line.
    """

    paths: tuple[str, ...]
    body: type[Body]
    answer: Callable[[Any, Service], Awaitable[Any]]
    summary: str


@dataclass(slots=True)
class Service:
    """A scorer to be served.

    Attributes:
        engine: Scores.
        name: What the model is called.
        limits: How much one request may ask for.
        step_tag: What ends a step in the text of a conversation.
        api_key: The key that is asked for.
        draining: The server was asked to end: nothing new is begun.
        in_flight: Requests under way.
    """

    engine: ScoringEngine
    name: str = ""
    limits: Limits = field(default_factory=Limits)
    step_tag: str = STEP_TAG
    api_key: str | None = None
    draining: bool = False
    in_flight: int = 0
    started: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.name = self.name or self.info.name

    @property
    def info(self) -> ScorerInfo:
        """What is told of the scorer."""
        return self.engine.info

    def check_model(self, name: str | None) -> None:
        """Refuse another model than the one that is served.

        Raises:
            ApiError: It is another (404).
        """
        if name is not None and name not in (self.name, self.info.name):
            said = f"this server has the model {self.name!r} only: name it, or leave `model` out"
            raise ApiError(404, "model_not_found", said, param="model")

    async def score(self, items: Sequence[Item], places: Sequence[str] = ()) -> list[Scored]:
        """One result an item, in order.

        Args:
            items: What to score.
            places: For each item the field of the body that it comes from; else `items[0]`, `items[1]`, ...

        Raises:
            ApiError: There are too many, or one of them cannot be scored.
        """
        check_items(len(items), self.limits, self.engine.max_queue)
        for index, item in enumerate(items):
            if any(not step.strip() for step in (*item.steps, *(item.against or ()))):
                said = "a step is empty: leave it out, or give it text"
                raise ApiError(422, "empty_step", said, param=_place(places, index))
        try:
            return await self.engine.score(items)
        except ItemFailed as error:
            raise ApiError(422, error.code, str(error), param=_place(places, error.index)) from error


def _place(places: Sequence[str], index: int) -> str:
    return places[index] if places else f"items[{index}]"


def usage(results: Sequence[Scored]) -> dict[str, Any]:
    """The tokens of a reply, as OpenAI and vLLM count them."""
    total = sum(result.tokens for result in results)
    cached = sum(result.cached for result in results)
    return {
        "prompt_tokens": total,
        "total_tokens": total,
        "completion_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def envelope(kind: str, service: Service, data: list[Any], results: Sequence[Scored]) -> dict[str, Any]:
    """A list of results with an id, as vLLM wraps them; `kind` is what the id begins with."""
    return {
        "id": f"{kind}-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": service.name,
        "data": data,
        "usage": usage(results),
    }
