"""Reward models on vLLM: `POST /pooling` scores steps at their tags, `POST /classify` scores the whole.

A conversation is sent, which the server's chat template renders, so a request holds one item; vLLM batches by itself.
Start a process reward model with `vllm serve MODEL --runner pooling` (and, where the model does not bring one, a pooler
of type STEP with its step tag).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reflectree.models.scoring.items import Item
from reflectree.models.values import reading
from reflectree.models.values.reading import Result
from reflectree.models.wire import Malformed
from reflectree.rlm_ops.errors import ModelRejected

STEP_TAG = "<extra_0>"
"""What ends a step for Qwen's process reward models; `reward-hub` sends the same."""
BASE_URL = "http://localhost:8000"
KEY_ENV, URL_ENV = "VLLM_API_KEY", "VLLM_BASE_URL"


@dataclass(frozen=True, slots=True)
class PoolingDialect:
    """Token classes at step tags; of a step's classes the last one means good.

    Attributes:
        step_tag: What ends a step in the assistant's turn.
        system: The system turn; without one the server's template decides.
    """

    step_tag: str = STEP_TAG
    system: str | None = None
    most: int = 1
    path: str = "/pooling"
    listing: str = "/v1/models"
    at_once: int = 64

    def check(self, item: Item) -> None:
        """A step tag within a text would be read as a step's end, and there has to be a step."""
        reading.refuse_pair(item)
        if not item.steps:
            raise ModelRejected("there is no step to score", 422)
        if any(self.step_tag in text for text in (item.question, *item.steps)):
            raise ModelRejected(f"a text contains the step tag {self.step_tag!r}: the server would count it", 422)

    def body(self, model: str, items: Sequence[Item]) -> dict[str, Any]:
        """The conversation, each step ended by the tag."""
        solution = "".join(step + self.step_tag for step in items[0].steps)
        turns = conversation(items[0].question, solution, self.system)
        return {"model": model, "messages": turns, "task": "token_classify"}

    def read(self, data: Any, items: Sequence[Item], where: str) -> list[Result]:
        """The last class of each step."""
        (row,) = reading.rows(reading.field(data, "data", where), items, where)
        classes = reading.field(row, "data", where)
        if not isinstance(classes, list):
            raise Malformed(f"{where} sent no list of classes")
        steps = [found[-1] if isinstance(found, list) and found else found for found in classes]
        return [reading.result(items[0], steps, per_step=True, tokens=tokens_of(data))]

    def models(self, data: Any) -> list[str]:
        """The names of the models served."""
        return [str(row["id"]) for row in reading.listed(data)]


@dataclass(frozen=True, slots=True)
class ClassifyDialect:
    """A sequence classifier; of its classes the last one means good.

    Attributes:
        system: The system turn; without one the server's template decides.
    """

    system: str | None = None
    most: int = 1
    path: str = "/classify"
    listing: str = "/v1/models"
    at_once: int = 64

    def check(self, item: Item) -> None:
        """One solution is read, not two."""
        reading.refuse_pair(item)

    def body(self, model: str, items: Sequence[Item]) -> dict[str, Any]:
        """The conversation, a step a line."""
        return {"model": model, "messages": conversation(items[0].question, "\n".join(items[0].steps), self.system)}

    def read(self, data: Any, items: Sequence[Item], where: str) -> list[Result]:
        """The last class."""
        (row,) = reading.rows(reading.field(data, "data", where), items, where)
        classes = reading.field(row, "probs", where)
        if not isinstance(classes, list):
            raise Malformed(f"{where} sent no list of classes")
        return [reading.result(items[0], classes[-1:], per_step=False, tokens=tokens_of(data))]

    def models(self, data: Any) -> list[str]:
        """The names of the models served."""
        return [str(row["id"]) for row in reading.listed(data)]


def conversation(question: str, solution: str, system: str | None) -> list[dict[str, str]]:
    """The turns that a reward model reads."""
    turns = [] if system is None else [{"role": "system", "content": system}]
    return [*turns, {"role": "user", "content": question}, {"role": "assistant", "content": solution}]


def tokens_of(data: Any) -> int:
    """The prompt's tokens, where they are counted."""
    usage = data.get("usage") if isinstance(data, dict) else None
    return reading.count(usage.get("prompt_tokens")) if isinstance(usage, dict) else 0
