"""What a value model said, checked: a score a step, each a number in [0, 1]. What is none fails its item alone.

It knows no server. Nothing but rounding is clipped: a score of 1.2 is no probability, and means another thing than 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from reflectree.models.scoring.items import Item, Scored
from reflectree.models.wire import Malformed
from reflectree.rlm_ops.errors import ModelError, ModelRejected

ROUNDING = 1e-6
"""How far a probability may lie outside [0, 1]: what a sum of a softmax in single precision is off by."""

Result = Scored | ModelError
"""What a model says of an item, or why it says nothing."""


class NoScore(ModelError):
    """A model gave something else than scores for one item: asked again it would say the same."""


def scored(
    item: Item, steps: Sequence[Any], *, value: Any = None, per_step: bool, tokens: int = 0, cached: int = 0
) -> Scored:
    """What was said of an item.

    Args:
        item: What was asked.
        steps: The scores as they were read, one a step; for a model that reads the whole only, one.
        value: The score of the whole, where the model gives one; else the last of `steps`.
        per_step: Whether there has to be one score a step.
        tokens: Tokens of the item, as far as they were counted.
        cached: How many of them were not computed again.

    Raises:
        NoScore: A score is missing, too many, no number, or not in [0, 1].
    """
    if per_step and item.steps and len(steps) != len(item.steps):
        raise NoScore(f"the value model gave {len(steps)} scores for {len(item.steps)} steps: is its step tag right?")
    numbers = tuple(map(score, steps))
    if value is None and not numbers:
        raise NoScore("the value model gave no score")
    return Scored(numbers, numbers[-1] if value is None else score(value), tokens, cached)


def score(said: Any) -> float:
    """A score.

    Raises:
        NoScore: It is no finite number in [0, 1].
    """
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise NoScore(f"the value model gave {said!r}, which is no score: are its weights and its dtype sound?")
    if not -ROUNDING <= said <= 1.0 + ROUNDING:
        raise NoScore(f"the value model gave {said}: a score lies between 0 and 1 (is its activation switched off?)")
    return min(max(float(said), 0.0), 1.0)


def result(item: Item, steps: Sequence[Any], *, per_step: bool, tokens: int = 0) -> Result:
    """As `scored`, with what is wrong given instead of raised."""
    try:
        return scored(item, steps, per_step=per_step, tokens=tokens)
    except NoScore as error:
        return error


def parsed(body: bytes, where: str) -> Any:
    """A JSON body.

    Raises:
        Malformed: It is cut off, or no JSON.
    """
    try:
        return json.loads(body)
    except ValueError:
        raise Malformed(f"{where} sent a malformed body ({len(body)} bytes that are not JSON)") from None


def rows(found: Any, items: Sequence[Item], where: str) -> list[Any]:
    """A list with one entry an item.

    Raises:
        Malformed: It is no list, or of another length.
    """
    if not isinstance(found, list):
        raise Malformed(f"{where} sent no list of scores")
    if len(found) != len(items):
        raise Malformed(f"{where} sent {len(found)} scores for {len(items)} items")
    return found


def field(data: Any, name: str, where: str) -> Any:
    """A field of an object.

    Raises:
        Malformed: It is no object, or has no such field.
    """
    if not isinstance(data, dict) or name not in data:
        raise Malformed(f"{where} sent a body without {name!r}")
    return data[name]


def listed(data: Any) -> list[dict[str, Any]]:
    """The rows of a list of models, in OpenAI's form; none where it has another."""
    found = data.get("data") if isinstance(data, dict) else None
    return [row for row in found if isinstance(row, dict) and "id" in row] if isinstance(found, list) else []


def refuse_pair(item: Item) -> None:
    """Refuse a comparison, where a model reads one solution at a time.

    Raises:
        ModelRejected: It is one.
    """
    if item.against is not None:
        raise ModelRejected("this value model scores one solution at a time, and cannot compare two", 422)


def count(value: Any) -> int:
    """A count that may be missing."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
