"""The shapes of rerankers: solutions to one question, the best first (vLLM, Cohere, Jina; TEI's `texts`, `/predict`).

A document is a solution of one step; it is not split.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reflectree.models.scoring.items import Item, Scored
from reflectree.models.serving.service import Body, Endpoint, Service, usage


class Document(BaseModel):
    """A document with its text in a field."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    text: str


class TeiBody(Body):
    """What TEI's bodies share: cutting a text and raw scores are refused."""

    truncate: Literal[False] | None = None
    truncation_direction: Literal["left", "right", "Left", "Right"] | None = None
    raw_scores: Literal[False] | None = None


class RerankBody(TeiBody):
    """A question and solutions to it: `documents` as vLLM, Cohere and Jina say, or `texts` as TEI says."""

    query: str
    documents: Annotated[list[str | Document], Field(min_length=1)] | None = None
    texts: Annotated[list[str], Field(min_length=1)] | None = None
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = None
    return_text: bool | None = None
    user: str | None = None
    truncate_prompt_tokens: None = Field(default=None, description="Must be absent: nothing is ever cut.")

    @model_validator(mode="after")
    def _one_list(self) -> RerankBody:
        if (self.documents is None) == (self.texts is None):
            raise ValueError("give either documents or texts")
        return self


class PredictBody(TeiBody):
    """A text, a pair of question and solution, or a list of either, each in a list of its own."""

    inputs: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=2)]
        | Annotated[list[Annotated[list[str], Field(min_length=1, max_length=2)]], Field(min_length=1)]
    )


async def rerank(body: RerankBody, service: Service) -> Any:
    """The solutions by value, the best first."""
    given = body.documents if body.documents is not None else body.texts or []
    texts = [one if isinstance(one, str) else one.text for one in given]
    field = "documents" if body.documents is not None else "texts"
    places = [f"{field}[{index}]" for index in range(len(texts))]
    results = await service.score([Item(body.query, (text,)) for text in texts], places)
    order = sorted(range(len(texts)), key=lambda index: -results[index].value)[: body.top_n]
    if body.documents is None:
        return [_tei_row(index, results[index], texts[index] if body.return_text else None) for index in order]
    tokens = usage(results)
    rows = [
        {
            "index": index,
            **({} if body.return_documents is False else {"document": {"text": texts[index]}}),
            "relevance_score": results[index].value,
        }
        for index in order
    ]
    return {
        "id": f"rerank-{uuid.uuid4().hex}",
        "model": service.name,
        "usage": tokens,
        "meta": {
            "billed_units": {"total_tokens": tokens["total_tokens"]},
            "tokens": {"input_tokens": tokens["total_tokens"]},
        },
        "results": rows,
    }


async def predict(body: PredictBody, service: Service) -> Any:
    """TEI's `/predict`: one class, `good`, an input."""
    single = isinstance(body.inputs, str) or isinstance(body.inputs[0], str)
    inputs: list[Any] = [body.inputs] if single else list(body.inputs)
    places = ["inputs"] if single else [f"inputs[{index}]" for index in range(len(inputs))]
    results = await service.score([_predicted(one) for one in inputs], places)
    rows = [[{"score": result.value, "label": "good"}] for result in results]
    return rows[0] if single else rows


def _predicted(one: str | list[str]) -> Item:
    """A text is a question of which the value is asked; a pair is a question and a solution."""
    question, *steps = [one] if isinstance(one, str) else one
    return Item(question, tuple(steps))


def _tei_row(index: int, result: Scored, text: str | None) -> dict[str, Any]:
    return {"index": index, "score": result.value, **({} if text is None else {"text": text})}


ENDPOINTS = (
    Endpoint(
        ("/v1/rerank", "/rerank", "/v2/rerank"),
        RerankBody,
        rerank,
        "Solutions to one question, the best first (vLLM, Cohere, Jina; TEI with `texts`).",
    ),
    Endpoint(("/predict",), PredictBody, predict, "TEI: the value of a text, or of a pair of question and solution."),
)
