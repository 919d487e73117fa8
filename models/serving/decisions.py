"""The shapes of decisions: OpenAI's `POST /v1/decisions` and System One's `POST /v1/systemone`, answered by values.

- A predicate (`noul`): the instructions are the question, the input is a solution to it; its probability is the value.
- A choice: the input and the instructions are the question, each choice is a solution; the probabilities are the
  softmax of the values' logits, so of two choices with values p and q the odds are p (1 - q) : q (1 - p).
- A score: a value as for a predicate, laid on the scale: `score = value * (levels - 1)`, with the probability shared
  by the two nearest levels, so that the mean is the score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reflectree.models.scoring.items import Item, Scored
from reflectree.models.serving.conversation import Text
from reflectree.models.serving.service import Body, Endpoint, Service

MOST_QUESTIONS = 400

EDGE = 1e-6
"""How near to 0 and 1 a value counts when its logit is taken."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Message(_Part):
    """A turn of the input."""

    role: Literal["user"] = "user"
    type: Literal["message"] = "message"
    content: str | list[Text]

    @property
    def text(self) -> str:
        """What it says."""
        return self.content if isinstance(self.content, str) else "\n\n".join(part.text for part in self.content)


class Predicate(_Part):
    """Is it so?"""

    type: Literal["predicate"]
    name: str | None = None
    instructions: str


class Choice(_Part):
    """One that may be chosen."""

    value: str | bool
    description: str | None = None

    @property
    def key(self) -> str:
        """Its value as a text."""
        return json.dumps(self.value) if isinstance(self.value, bool) else self.value


class Choose(_Part):
    """Which of these?"""

    type: Literal["choice"]
    name: str | None = None
    instructions: str
    choices: Annotated[list[Choice], Field(min_length=1, max_length=255)]

    @model_validator(mode="after")
    def _all_different(self) -> Choose:
        if len({choice.key for choice in self.choices}) != len(self.choices):
            raise ValueError("the values of choices must differ")
        return self


class Level(_Part):
    """A level of a scale."""

    label: str
    description: str | None = None


class Grade(_Part):
    """How much? Levels from the lowest to the highest."""

    type: Literal["score"]
    name: str | None = None
    instructions: str
    levels: Annotated[list[Level], Field(min_length=1, max_length=255)]


Question = Annotated[Predicate | Choose | Grade, Field(discriminator="type")]


class DecisionsBody(Body):
    """What is judged, and the questions about it."""

    input: str | Annotated[list[Message], Field(min_length=1)]
    questions: Annotated[list[Question], Field(min_length=1, max_length=MOST_QUESTIONS)]
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None

    @property
    def text(self) -> str:
        """What is judged."""
        return self.input if isinstance(self.input, str) else "\n\n".join(turn.text for turn in self.input)


class Named(_Part):
    """A question of System One; its name is its key."""

    type: Literal["noul", "choice", "score"]
    instructions: Any = None
    criteria: Any = None

    @model_validator(mode="after")
    def _criteria_fit(self) -> Named:
        given = self.criteria
        fits = {
            "noul": given is None or (isinstance(given, dict) and set(given) <= {"true", "false"}),
            "choice": isinstance(given, dict) and 1 <= len(given) <= 255,
            "score": isinstance(given, list) and 1 <= len(given) <= 255,
        }
        if not fits[self.type]:
            raise ValueError("criteria: an object with true and false (noul) or the choices (choice), a list (score)")
        if self.type == "noul" and self.instructions is None and not self.criteria:
            raise ValueError("a noul question needs instructions or criteria")
        return self

    def question(self) -> Predicate | Choose | Grade:
        """The same as one of OpenAI's."""
        asked = "" if self.instructions is None else plain(self.instructions)
        if self.type == "choice":
            choices = [Choice(value=key, description=_maybe(text)) for key, text in self.criteria.items()]
            return Choose(type="choice", instructions=asked or "Which choice fits best?", choices=choices)
        if self.type == "score":
            levels = [Level(label=plain(label)) for label in self.criteria]
            return Grade(type="score", instructions=asked or "Which level fits best?", levels=levels)
        rules = [f"{key}: {plain(text)}" for key, text in (self.criteria or {}).items() if text is not None]
        return Predicate(type="predicate", instructions="\n\n".join([asked, *rules]).strip())


class SystemOneBody(Body):
    """What is judged, as any JSON, and named questions about it."""

    state: Any
    questions: Annotated[
        dict[Annotated[str, Field(min_length=1)], Named], Field(min_length=1, max_length=MOST_QUESTIONS)
    ]


async def decide(body: DecisionsBody, service: Service) -> dict[str, Any]:
    """Answers in the order of the questions."""
    results, answers = await _answers(body.text, body.questions, service)
    told = [{**answer, "name": question.name} for answer, question in zip(answers, body.questions, strict=True)]
    return {"model": service.name, "answers": told, "usage": _usage(results)}


async def system_one(body: SystemOneBody, service: Service) -> dict[str, Any]:
    """Answers by the names of the questions."""
    questions = [named.question() for named in body.questions.values()]
    results, answers = await _answers(plain(body.state), questions, service)
    told = {name: _system_one(answer) for name, answer in zip(body.questions, answers, strict=True)}
    tokens = _usage(results)
    cached = tokens["input_tokens_details"]["cached_tokens"]
    return {"model": service.name, "answers": told, "usage": {**tokens, "cached_tokens": cached}}


async def _answers(
    text: str, questions: Sequence[Predicate | Choose | Grade], service: Service
) -> tuple[list[Scored], list[dict[str, Any]]]:
    """All questions' items are scored together."""
    items: list[Item] = []
    places: list[str] = []
    for index, question in enumerate(questions):
        asked = _items(text, question)
        items += asked
        places += [f"questions[{index}]"] * len(asked)
    results = await service.score(items, places)
    answers: list[dict[str, Any]] = []
    start = 0
    for question in questions:
        count = len(question.choices) if isinstance(question, Choose) else 1
        answers.append(_answer(question, [result.value for result in results[start : start + count]]))
        start += count
    return results, answers


def _items(text: str, question: Predicate | Choose | Grade) -> list[Item]:
    if isinstance(question, Choose):
        asked = f"{text}\n\n{question.instructions}"
        return [
            Item(asked, (choice.key + (f": {choice.description}" if choice.description else ""),))
            for choice in question.choices
        ]
    return [Item(question.instructions, (text,))]


def _answer(question: Predicate | Choose | Grade, values: list[float]) -> dict[str, Any]:
    if isinstance(question, Predicate):
        return {"type": "predicate", "probability": values[0]}
    if isinstance(question, Choose):
        shares = softmax_of_logits(values)
        best = max(range(len(shares)), key=shares.__getitem__)
        rows: list[dict[str, Any]] = [
            {"value": choice.value, "probability": share}
            for choice, share in zip(question.choices, shares, strict=True)
        ]
        return {
            "type": "choice",
            "choice": question.choices[best].value,
            "confidence": shares[best],
            "probabilities": rows,
        }
    shares = on_scale(values[0], len(question.levels))
    rows = [
        {"value": index, "label": level.label, "probability": share}
        for index, (level, share) in enumerate(zip(question.levels, shares, strict=True))
    ]
    return {
        "type": "score",
        "score": values[0] * (len(shares) - 1),
        "confidence": max(shares),
        "probabilities": rows,
    }


def softmax_of_logits(values: Sequence[float]) -> list[float]:
    """Shares in proportion to the odds of the values."""
    odds = [value / (1 - value) for value in (min(max(value, EDGE), 1 - EDGE) for value in values)]
    return [one / math.fsum(odds) for one in odds]


def on_scale(value: float, levels: int) -> list[float]:
    """The chance of each level: all on the two nearest to `value * (levels - 1)`, whose mean that is."""
    place = value * (levels - 1)
    below = min(int(place), max(levels - 2, 0))
    shares = [0.0] * levels
    shares[below] = 1.0 - (place - below)
    if levels > 1:
        shares[below + 1] = place - below
    return shares


def plain(said: Any) -> str:
    """A text as it is, anything else as JSON."""
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)


def _maybe(said: Any) -> str | None:
    return None if said is None else plain(said)


def _system_one(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer in the words of System One: objects by name instead of lists."""
    if answer["type"] == "predicate":
        return {"type": "noul", "noul": answer["probability"]}
    rows = answer["probabilities"]
    if answer["type"] == "choice":
        return {**answer, "probabilities": {row["value"]: row["probability"] for row in rows}}
    return {
        **answer,
        "legend": {str(row["value"]): row["label"] for row in rows},
        "probabilities": {str(row["value"]): row["probability"] for row in rows},
    }


def _usage(results: Sequence[Scored]) -> dict[str, Any]:
    total = sum(result.tokens for result in results)
    cached = sum(result.cached for result in results)
    return {
        "input_tokens": total,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": total,
    }


ENDPOINTS = (
    Endpoint(("/v1/decisions",), DecisionsBody, decide, "OpenAI: predicates, choices and scores about an input."),
    Endpoint(("/v1/systemone",), SystemOneBody, system_one, "System One: named questions about a state."),
)
