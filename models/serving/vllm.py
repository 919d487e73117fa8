"""The shapes of vLLM's pooling server: `/pooling`, `/classify`, `/score`; clients of reward models speak the first.

A step tag in an assistant's turn ends a step: that is what this protocol means by it. Scores are told as two classes,
`[bad, good]`. What would cut a text (`truncate_prompt_tokens`) is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reflectree.models.scoring.items import Item, Scored
from reflectree.models.serving.conversation import Turn, item_of_turns
from reflectree.models.serving.errors import ApiError
from reflectree.models.serving.service import Body, Endpoint, Service, envelope

_Texts = str | Annotated[list[str], Field(min_length=1)]

LABELS = ("bad", "good")


class VllmBody(Body):
    """What vLLM's bodies share. Fields that would change nothing here are accepted, others refused."""

    user: str | None = None
    request_id: str | None = None
    priority: int | None = None
    use_activation: Literal[True] | None = None
    truncate_prompt_tokens: None = Field(default=None, description="Must be absent: nothing is ever cut.")


class PoolingBody(VllmBody):
    """A conversation whose last turn holds tagged steps, or plain texts."""

    messages: list[Turn] | None = None
    input: _Texts | None = None
    task: Literal["token_classify", "classify"] | None = None
    encoding_format: Literal["float"] | None = None
    add_generation_prompt: Literal[False] | None = None

    @model_validator(mode="after")
    def _one_input(self) -> PoolingBody:
        if (self.messages is None) == (self.input is None):
            raise ValueError("give either messages or input")
        return self


class ScoreBody(VllmBody):
    """Questions and solutions: one to one, or one question for all solutions."""

    queries: _Texts | None = None
    documents: _Texts | None = None
    text_1: _Texts | None = None
    text_2: _Texts | None = None

    @model_validator(mode="after")
    def _one_spelling(self) -> ScoreBody:
        new, old = (self.queries, self.documents), (self.text_1, self.text_2)
        given, other = (new, old) if None not in new else (old, new)
        if None in given or other != (None, None):
            raise ValueError("give queries and documents, or text_1 and text_2")
        return self

    def pairs(self) -> list[Item]:
        """A question and a solution each.

        Raises:
            ApiError: Their numbers do not fit.
        """
        questions = _listed(self.queries if self.queries is not None else self.text_1)
        solutions = _listed(self.documents if self.documents is not None else self.text_2)
        if len(questions) not in (1, len(solutions)):
            said = f"{len(questions)} queries for {len(solutions)} documents: give one query, or one for each"
            raise ApiError(422, "length_mismatch", said, param="queries")
        if len(questions) == 1:
            questions *= len(solutions)
        return [Item(question, (text,)) for question, text in zip(questions, solutions, strict=True)]


async def pooling(body: PoolingBody, service: Service) -> dict[str, Any]:
    """Two classes a step; for a model that scores the whole only, or a plain text, two classes once."""
    results = await _score(body, service, tagged=service.info.per_step)
    data = [
        {"index": index, "object": "pooling", "data": [_classes(score) for score in _scores(result)]}
        for index, result in enumerate(results)
    ]
    return envelope("pool", service, data, results)


async def classify(body: PoolingBody, service: Service) -> dict[str, Any]:
    """The value of the whole, as two classes; a turn without a tag is one step."""
    results = await _score(body, service, tagged=False)
    data = [
        {
            "index": index,
            "label": LABELS[result.value >= 0.5],
            "probs": _classes(result.value),
            "num_classes": len(LABELS),
        }
        for index, result in enumerate(results)
    ]
    return envelope("classify", service, data, results)


async def score(body: ScoreBody, service: Service) -> dict[str, Any]:
    """The value of each solution to its question; a solution is one step."""
    items = body.pairs()
    results = await service.score(items, [f"documents[{index}]" for index in range(len(items))])
    data = [{"index": index, "object": "score", "score": result.value} for index, result in enumerate(results)]
    return envelope("score", service, data, results)


async def _score(body: PoolingBody, service: Service, *, tagged: bool) -> list[Scored]:
    if body.messages is not None:
        item = item_of_turns(body.messages, service.step_tag, tagged=tagged)
        return await service.score([item], ["messages"])
    texts = _listed(body.input)
    for index, text in enumerate(texts):
        if service.step_tag in text:
            said = "a text with step tags does not say where its question ends: send messages, or steps to /v1/value"
            raise ApiError(422, "no_question", said, param=f"input[{index}]")
    return await service.score([Item(text) for text in texts], [f"input[{index}]" for index in range(len(texts))])


def _scores(result: Scored) -> tuple[float, ...]:
    return result.steps or (result.value,)


def _classes(good: float) -> list[float]:
    return [1.0 - good, good]


def _listed(texts: str | list[str] | None) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts or ())


ENDPOINTS = (
    Endpoint(("/pooling",), PoolingBody, pooling, "vLLM: [bad, good] a step of a conversation with step tags."),
    Endpoint(("/classify", "/v1/classify"), PoolingBody, classify, "vLLM: [bad, good] of the whole."),
    Endpoint(("/score", "/v1/score"), ScoreBody, score, "vLLM: the value of each document as a solution to its query."),
)
